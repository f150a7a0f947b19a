"""Calibration: may a judge decide, how far does it agree with people, and what to do if not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.console.labelling import path_of
from trimtab.evals.calibration import Calibration, Figure, Head, validity
from trimtab.evals.desk import Desk
from trimtab.evals.labels import in_force

LEFT, WIDTH, RIGHT = 56.0, 480.0, 16.0
_STEPS = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """One interval as it is drawn, in units of the drawing."""

    name: str
    tone: str
    y: float
    at: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Agreement on an axis that ends at 1.

    Attributes:
        ticks: Where the axis has a line, with its text.
        least: Where the bar is that the lower end must reach.
        label: The figure in one sentence, for those who cannot see it.
    """

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    least: float
    label: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One judged metric.

    Attributes:
        state: `valid`, `valid, wide`, `refused`, `outdated` or `not calibrated`.
        problems: Why the judge may not decide, and after a semicolon what to do.
        rated: Labels made in the console, by rater.
        label_at: Page that labels answers of the newest run.
    """

    metric: str
    made: Calibration | None
    state: str
    problems: tuple[str, ...]
    picture: Picture | None
    rated: tuple[tuple[str, int], ...]
    label_at: str


@dataclass(frozen=True, slots=True)
class Group:
    """The judged metrics of a suite, and its newest run."""

    suite: str
    newest: Head | None
    shown: tuple[Shown, ...]


async def show(visit: Visit) -> Response:
    """Show every suite that was run or calibrated."""
    console = visit.console
    groups = await asyncio.to_thread(_groups, console.desk, console.clock.now_us())
    return visit.page("calibration.html", {"groups": groups})


def _groups(desk: Desk, now_us: int) -> list[Group]:
    newest = desk.newest()
    suites = sorted({*newest, *desk.suites()})
    found = [_group(desk, suite, newest.get(suite), now_us) for suite in suites]
    return [it for it in found if it.shown]


def _group(desk: Desk, suite: str, newest: Head | None, now_us: int) -> Group:
    made = {it.metric: it for it in desk.calibrations(suite)}
    reasons = {} if newest is None else validity(newest, made.values(), now_us)
    labels = [it for it in in_force(desk.labels(suite)).values() if it.value is not None]
    shown = list[Shown]()
    for metric in sorted({*made, *reasons}):
        known = made.get(metric)
        raters = [it.rater for it in labels if it.metric == metric]
        shown.append(
            Shown(
                metric=metric,
                made=known,
                state=_state(known, reasons.get(metric)),
                problems=_problems(known, reasons.get(metric)),
                picture=None if known is None else picture(known),
                rated=tuple((it, raters.count(it)) for it in sorted(set(raters))),
                label_at=path_of(newest.run_id, metric) if newest and metric in reasons else "",
            )
        )
    return Group(suite, newest, tuple(shown))


def _state(made: Calibration | None, reason: str | None) -> str:
    if made is None:
        return "not calibrated"
    if made.refused:
        return "refused"
    if reason:
        return "outdated"
    return "valid, wide" if made.wide else "valid"


def _problems(made: Calibration | None, reason: str | None) -> tuple[str, ...]:
    if made is not None and made.refused:
        return made.refused
    return (reason,) if reason else ()


def picture(made: Calibration) -> Picture | None:
    """Draw the interval of a judge, and that of people among themselves above it."""
    figures = [("judge", "accent", made.agreement)]
    if made.humans is not None:
        figures.insert(0, ("people", "quiet", made.humans.agreement))
    drawn = [it for it in figures if it[2].value is not None and it[2].low is not None]
    if not drawn:
        return None
    least = min(it[2].low or 0.0 for it in drawn)
    start = min(0.0, floor(least * _STEPS) / _STEPS)

    def x(value: float) -> float:
        return round(LEFT + (value - start) / (1 - start) * (WIDTH - LEFT - RIGHT), 1)

    marks = tuple(
        Mark(name, tone, 18.0 + 20 * row, x(it.value or 0.0), x(it.low or 0.0), x(it.high or 0.0))
        for row, (name, tone, it) in enumerate(drawn)
    )
    steps = range(round(start * _STEPS), _STEPS + 1)
    return Picture(
        marks=marks,
        ticks=tuple((x(step / _STEPS), f"{step / _STEPS:.1f}") for step in steps),
        least=x(made.least),
        label=_told(made, drawn),
    )


def _told(made: Calibration, drawn: Sequence[tuple[str, str, Figure]]) -> str:
    said = [f"{name} {it.value:.2f}, {it.low:.2f} to {it.high:.2f}" for name, _, it in drawn]
    asked = f"at least {made.least:.2f} is asked of the lower end of the judge's interval"
    return f"{made.statistic} with its 95 % interval: {'; '.join(said)}; {asked}"
