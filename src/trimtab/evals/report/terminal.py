"""A verdict for a terminal."""

from collections.abc import Iterator, Sequence

from trimtab.evals.judgement import Judgement, Shift
from trimtab.evals.report.figures import share
from trimtab.evals.report.plain import one_line
from trimtab.evals.report.rows import HEAD, Cells, cells, shown
from trimtab.evals.report.words import HASH_DIGITS, headline, judge, notes, spent, subject

MOST_WORST = 5
LEFT = frozenset({0, 12})
"""Columns of words; the others are figures, and stand to the right."""


def lines(judgement: Judgement) -> Iterator[str]:
    """Write a verdict: what was compared, a line for each metric, what became worse, and why."""
    run = judgement.run
    baseline = f"  baseline {subject(run.baseline)}" if run.baseline else ""
    judged = judge(judgement)
    yield (
        f"{one_line(run.suite)} {run.suite_hash[:HASH_DIGITS]}…  cases {len(run.cases)}"
        f"  candidate {subject(run.candidate)}{baseline}{f'  judge {judged}' if judged else ''}"
    )
    told = shown(judgement)
    yield from table([cells(it) for it in told])
    if len(told) < len(judgement.lines):
        yield f"({len(judgement.lines) - len(told)} slices more, which only inform; see --json)"
    worst = "  ".join(map(shift, judgement.shifts()[:MOST_WORST]))
    yield f"{f'worst: {worst}        ' if worst else ''}{spent(run)}"
    yield from notes(judgement)
    yield f"VERDICT {headline(judgement)}"


def table(rows: Sequence[Cells]) -> Iterator[str]:
    """Write the table in columns."""
    written = [HEAD, *rows]
    widths = [max(map(len, column)) for column in zip(*written, strict=True)]
    for row in written:
        told = [
            it.ljust(width) if at in LEFT else it.rjust(width)
            for at, (it, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(told).rstrip()


def shift(it: Shift) -> str:
    """Write what became of a case: `q-0017 1.00->.25`."""
    before = "" if it.before is None else f"{share(it.before, 2)}->"
    return f"{one_line(it.case)} {before}{share(it.after, 2)}"
