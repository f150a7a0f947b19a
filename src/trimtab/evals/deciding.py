"""A judgement as it is written down. Loaded late: it computes with numpy."""

import msgspec

from trimtab.evals.decided import Decided
from trimtab.evals.judgement import Judgement, Line, judged
from trimtab.evals.report.document import decision
from trimtab.evals.result import Run
from trimtab.evals.terms import Standings
from trimtab.evals.verdict import Attacks


def decide(run: Run, standings: Standings) -> Decided:
    """Judge a run. Raises `InvalidRequest` if its settings cannot be read."""
    return decided_of(judged(run, standings))


def decided_of(judgement: Judgement) -> Decided:
    """Give what is kept of a judgement."""
    written = decision(judgement)
    lines = zip(written["lines"], judgement.lines, strict=True)
    return msgspec.convert(
        {**written, "lines": [{**told, **_asked(line)} for told, line in lines]}, type=Decided
    )


def _asked(line: Line) -> dict[str, object]:
    given = line.column.given
    if isinstance(given, Attacks):
        return {"lower": True, "floor": given.max_attack_rate}
    return {"lower": not given.limits.higher_is_better, "floor": given.limits.floor}
