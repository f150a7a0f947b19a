"""A verdict as a comment on a pull request.

What models and cases say stands in code spans and fences only, so that it cannot ping, link, or
end what it stands in; there is no more of it than a comment may hold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trimtab.domain.prompt import canonical
from trimtab.evals.judgement import Judgement, Shift
from trimtab.evals.report.figures import share
from trimtab.evals.report.plain import code, fenced
from trimtab.evals.report.rows import cells, shown
from trimtab.evals.report.words import because, judge, notes, spent, subject
from trimtab.evals.result import Arm, CaseSeen, Run, Sample, Subject

MOST_BYTES = 60_000
WORST = 5
MOST_ROWS = 40
MOST_NOTES = 20
MOST_DIFF = 6000
TEXT_SIZES = (2000, 800, 300, 100)
"""How much of a text is shown; the next where the comment would be too long."""

_HEAD = ("metric", "base", "cand", "delta", "95% CI", "p", "MDE", "floor", "n", "err", "na")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChange:
    """What changed in a prompt, as the registry tells it.

    Attributes:
        required: The bump that the change asks for.
        declared: What the numbers say.
        lines: The change, for people.
    """

    required: str
    declared: str
    enough: bool
    lines: tuple[str, ...] = ()


Change = Callable[[Subject, Subject], PromptChange | None]
"""Compares the prompts of the baseline and of the candidate; `None` if there is nothing to say."""


def no_change(_before: Subject, _after: Subject) -> PromptChange | None:
    """Say nothing of prompts."""
    return None


def summary(sections: Sequence[str]) -> str:
    """Put sections together into one comment of at most 60 kB."""
    text = "\n".join(sections)
    if len(text.encode()) <= MOST_BYTES:
        return text
    heads = [f"{it.split(chr(10), 1)[0]}\n" for it in sections]
    note = "\nThere is more than a comment holds; see the HTML report.\n"
    return _cut("\n".join(heads), MOST_BYTES - len(note.encode())) + note


def section(judgement: Judgement, change: Change = no_change, most: int = MOST_BYTES) -> str:
    """Write the section of one suite in at most so many bytes."""
    text = ""
    for size in TEXT_SIZES:
        text = "\n".join(_parts(judgement, change, size))
        if len(text.encode()) <= most:
            return text
    text = "\n".join(_told(judgement))
    return text if len(text.encode()) <= most else _cut(text, most)


def _cut(text: str, most: int) -> str:
    """Cut at the end of a line, so that no code span is left open."""
    return text.encode()[:most].decode(errors="ignore").rpartition("\n")[0] + "\n"


def _parts(judgement: Judgement, change: Change, size: int) -> Iterator[str]:
    yield from _told(judgement)
    baseline = judgement.run.baseline
    changed = None if baseline is None else change(baseline, judgement.run.candidate)
    if changed is not None:
        yield from _prompt(changed)
    worst = judgement.shifts()[:WORST]
    if worst:
        yield f"<details><summary>Worst {len(worst)} cases</summary>\n"
        for it in worst:
            yield from _case(judgement.run, it, size)
        yield "</details>\n"


def _told(judgement: Judgement) -> Iterator[str]:
    run = judgement.run
    yield f"## {judgement.verdict} {code(run.suite)}\n"
    against = f" against {code(subject(run.baseline))}" if run.baseline else ""
    judged = judge(judgement)
    told = f", judge {code(judged)}" if judged else ""
    yield f"{code(subject(run.candidate))}{against}, {len(run.cases)} cases{told}\n"
    yield f"| {' | '.join((*_HEAD, 'verdict'))} |"
    yield f"|{' --- |' * (len(_HEAD) + 1)}"
    lines = shown(judgement)
    for line in lines[:MOST_ROWS]:
        it = cells(line)
        figures = (it.baseline, it.candidate, it.delta, it.interval, it.p, it.mde, it.floor)
        plain_figures = tuple(figure.replace("<", "&lt;") for figure in figures)
        row = (code(it.name), *plain_figures, it.n, it.errors, it.na, it.verdict)
        yield f"| {' | '.join(row)} |"
    if len(lines) > MOST_ROWS:
        yield f"\n{len(lines) - MOST_ROWS} lines more, see the HTML report."
    why = because(judgement)
    yield f"\nDecided by {code(why, 300)}.\n" if why else ""
    said = list(notes(judgement))
    yield from (f"- {code(it, 300)}" for it in said[:MOST_NOTES])
    if len(said) > MOST_NOTES:
        yield f"- and {len(said) - MOST_NOTES} more notes"
    yield f"\n{code(spent(run), 200)} {code(run.run_id)}\n"


def _prompt(changed: PromptChange) -> Iterator[str]:
    too_small = "" if changed.enough else ", **which is too small**"
    yield (
        f"**Prompt**: the change asks for a {code(changed.required)} bump; declared is"
        f" {code(changed.declared)}{too_small}.\n"
    )
    if changed.lines:
        yield "<details><summary>What changed in the prompt</summary>\n"
        yield fenced("\n".join(changed.lines), MOST_DIFF)
        yield "\n</details>\n"


def _case(run: Run, it: Shift, size: int) -> Iterator[str]:
    before = "" if it.before is None else f"{share(it.before, 2)} → "
    yield f"{code(it.case)} {code(it.metric)} {before}{share(it.after, 2)}\n"
    cases: Mapping[str, CaseSeen] = {case.id: case for case in run.cases}
    if it.case in cases:
        yield from _quoted("asked", canonical(cases[it.case].input), size)
    for arm in (Arm.BASELINE, Arm.CANDIDATE):
        sample = first_sample(run, it.case, arm)
        if sample is not None:
            yield from _quoted(str(arm), sample.text, size)
    sample = first_sample(run, it.case, Arm.CANDIDATE)
    score = None if sample is None else sample.scores.get(it.metric)
    if score is not None and score.detail:
        yield from _quoted("why", score.detail, size)


def _quoted(what: str, text: str, size: int) -> Iterator[str]:
    yield f"{what}:\n\n{fenced(text, size)}\n"


def first_sample(run: Run, case: str, arm: Arm) -> Sample | None:
    """Give the first sample of a case in an arm."""
    found = [it for it in run.samples if it.case == case and it.arm is arm]
    return min(found, key=lambda it: it.index, default=None)
