"""The scores of one suite over its runs, a picture for each metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.console.chart import Chart, Line
from trimtab.console.scores import score
from trimtab.evals.decided import Decided, DecidedLine
from trimtab.evals.report.plain import one_line
from trimtab.evals.shelf import Card

MOST_RUNS = 30
MOST_METRICS = 6
MOST_NAME = 40
STEP = 0.05
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Point:
    """What one run says of a metric."""

    card: Card
    line: DecidedLine


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over the runs of a suite, the oldest first; `chart` is of shares only."""

    metric: str
    points: tuple[Point, ...]
    chart: Chart | None


def trends(runs: Sequence[tuple[Card, Decided]]) -> tuple[Trend, ...]:
    """Draw the metrics of some runs, given newest first, in the order of the newest run."""
    ordered = runs[::-1]
    newest = [it for it in runs[0][1].metrics if it.candidate is not None] if runs else []
    chosen = sorted(newest, key=lambda it: not it.blocking)[:MOST_METRICS]
    made: list[Trend] = []
    for it in chosen:
        points = tuple(
            Point(card, line)
            for card, decided in ordered
            for line in decided.metrics
            if line.metric == it.metric and line.candidate is not None
        )
        name = one_line(it.metric, MOST_NAME)
        made.append(Trend(name, points, None if it.lower else _chart(name, points)))
    return tuple(made)


def _chart(name: str, points: Sequence[Point]) -> Chart | None:
    drawn = [it for it in points if not it.line.lower]
    # of one run there is no trend
    if not drawn[1:]:
        return None
    lines = [it.line for it in drawn]
    level = [it.level for it in lines]
    series = [
        Line("score", "accent", _rounded([it.candidate for it in lines])),
        Line("95% from", "quiet", _rounded([it and it.low for it in level])),
        Line("to", "quiet", _rounded([it and it.high for it in level])),
    ]
    if any(it.floor is not None for it in lines):
        series.append(Line("floor", "bad", _rounded([it.floor for it in lines])))
    least = min(it for line in series for it in line.values if it is not None)
    first, last = drawn[0], drawn[-1]
    times = _times([it.card.started_us for it in drawn])
    return Chart(
        "lines",
        "",
        f"{name} over {len(drawn)} runs: from {score(first.line.candidate)} to"
        f" {score(last.line.candidate)}",
        times,
        tuple(series),
        "day" if times[-1] - times[0] > DAY_S else "minute",
        low=max(0.0, round(math.floor((least - STEP / 2) / STEP) * STEP, 2)),
        band=(2, 1),
    )


def _rounded(values: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(None if it is None else round(it, 3) for it in values)


def _times(starts_us: Sequence[int]) -> tuple[int, ...]:
    """Give each run a second of its own, in their order."""
    found: list[int] = []
    for it in starts_us:
        found.append(max(it // 1_000_000, found[-1] + 1 if found else 0))
    return tuple(found)
