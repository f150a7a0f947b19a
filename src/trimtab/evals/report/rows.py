"""The cells of a verdict's table, the same in every output."""

from typing import NamedTuple

from trimtab.evals.gate import ROUNDING
from trimtab.evals.judgement import Judgement, Line, reason_of
from trimtab.evals.report.figures import NONE, amount, chance, interval, share, signed
from trimtab.evals.report.plain import one_line
from trimtab.evals.suite import FloorMode
from trimtab.evals.verdict import Attacks, Row, Verdict

HEAD = (
    *("metric", "n", "err", "na", "base", "cand", "delta", "95% CI", "b/c", "p(Holm)", "MDE"),
    *("floor", "verdict"),
)
MOST_NAME = 60


class Cells(NamedTuple):
    """A line as text; members stand in the order of `HEAD`."""

    name: str
    n: str
    errors: str
    na: str
    baseline: str
    candidate: str
    delta: str
    interval: str
    counts: str
    p: str
    mde: str
    floor: str
    verdict: str


def shown(judgement: Judgement) -> tuple[Line, ...]:
    """Choose the lines that people look at: slices only where they decide, or look worse."""
    return tuple(
        it
        for it in judgement.lines
        if not it.column.slice or it.row.blocking or it.row.verdict is Verdict.FAIL
    )


def cells(line: Line) -> Cells:
    """Write a line."""
    row, given = line.row, line.column.given
    lower = not isinstance(given, Attacks) and not given.limits.higher_is_better
    form = amount if lower else share
    return Cells(
        name=one_line(row.name, MOST_NAME),
        n=str(row.n),
        errors=str(row.errors),
        na=str(row.na),
        baseline=form(row.baseline),
        candidate=form(row.candidate),
        delta=NONE if row.delta is None else signed(form(row.delta)),
        # without a baseline there is no difference, and the interval is the candidate's own
        interval=interval(row.level, lower=lower)
        if row.delta is None
        else interval(row.interval, lower=lower, sign=True),
        counts=NONE if row.first is None else f"{row.first}/{row.second}",
        p=chance(row.p if row.p_holm is None else row.p_holm),
        mde=form(row.mde) if lower else share(row.mde, 2),
        floor=_floor(line),
        verdict=verdict(row),
    )


def verdict(row: Row) -> str:
    """Say what came of a line; one that does not decide only informs."""
    why = reason_of(row)
    if not row.blocking:
        return f"informs: {why}" if why else "informs"
    return f"{row.verdict} {why}".strip()


def _floor(line: Line) -> str:
    row, given = line.row, line.column.given
    if isinstance(given, Attacks):
        most, rate = given.max_attack_rate, row.level
        if most is None:
            return NONE
        return f"<{share(most)} {_mark(met=rate is not None and rate.high < most)}"
    limits = given.limits
    if limits.floor is None:
        return NONE
    if not limits.higher_is_better:
        bound = row.level.high if row.level and limits.floor_mode is FloorMode.CI else row.candidate
        met = bound is not None and bound <= limits.floor + ROUNDING
        return f"<={amount(limits.floor)} {_mark(met=met)}"
    bound = row.level.low if row.level and limits.floor_mode is FloorMode.CI else row.candidate
    met = bound is not None and bound >= limits.floor - ROUNDING
    return f"{share(limits.floor, 2)} {_mark(met=met)}"


def _mark(*, met: bool) -> str:
    return "ok" if met else "no"
