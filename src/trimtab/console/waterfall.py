"""Where the time of one request went: stages and attempts as bars on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.console import text
from trimtab.domain.record import Attempt, StageTime
from trimtab.store.base import StoredRecord

_TICKS = (1, 2, 5)
_MOST_TICKS = 6
_THINNEST = 0.35
_CALL = "call"


@dataclass(frozen=True, slots=True)
class Row:
    """One bar. Positions are percent of the whole width.

    Attributes:
        nested: Whether it belongs to the stage above it.
        first_token: Where the first token came; `None` if none came.
    """

    name: str
    note: str
    error: str
    tone: str
    nested: bool
    start: float
    width: float
    first_token: float | None
    start_us: int
    dur_us: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The bars, and the ticks of the axis: (percent, label)."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]


def draw(stored: StoredRecord) -> Waterfall:
    """Lay out the stages of a record in order, each attempt under the call it belongs to."""
    record = stored.record
    ends = [stage.start_us + stage.dur_us for stage in stored.detail.stages]
    ends += [a.started_us + a.dur_us - record.ts_us for a in stored.attempts]
    whole_us = max([record.latency_us, *ends, 1])
    notes = {
        "screen_input": record.guardrail_decision,
        "fund": f"hold {text.usd(record.hold_nano)}" if record.hold_nano is not None else "",
    }
    rows: list[Row] = []
    placed = False
    for stage in stored.detail.stages:
        rows.append(_stage(stage, notes.get(stage.stage, ""), whole_us))
        if stage.stage == _CALL:
            placed = True
            rows += [_attempt(a, record.ts_us, whole_us) for a in stored.attempts]
    if not placed:
        rows += [_attempt(a, record.ts_us, whole_us) for a in stored.attempts]
    return Waterfall(tuple(rows), _axis(whole_us))


def _stage(stage: StageTime, note: str, whole_us: int) -> Row:
    start, width = _span(stage.start_us, stage.dur_us, whole_us)
    tone = "group" if stage.stage == _CALL else "stage"
    return Row(
        name=stage.stage,
        note=note,
        error="",
        tone=tone,
        nested=False,
        start=start,
        width=width,
        first_token=None,
        start_us=stage.start_us,
        dur_us=stage.dur_us,
    )


def _attempt(attempt: Attempt, ts_us: int, whole_us: int) -> Row:
    start_us = attempt.started_us - ts_us
    start, width = _span(start_us, attempt.dur_us, whole_us)
    first = attempt.ttft_us
    return Row(
        name=f"attempt {attempt.n}",
        note=attempt.target,
        error=attempt.error_code or "",
        tone="bad" if attempt.error_code else "good",
        nested=True,
        start=start,
        width=width,
        first_token=None if first is None else round(100 * (start_us + first) / whole_us, 2),
        start_us=start_us,
        dur_us=attempt.dur_us,
    )


def _span(start_us: int, dur_us: int, whole_us: int) -> tuple[float, float]:
    """Place a bar; one too short to be seen is drawn as thin as can be seen."""
    width = max(100 * dur_us / whole_us, _THINNEST)
    start = min(max(100 * start_us / whole_us, 0.0), 100 - _THINNEST)
    return round(start, 2), round(width, 2)


def _axis(whole_us: int) -> tuple[tuple[float, str], ...]:
    step_us = _step(whole_us)
    marks: Sequence[int] = range(0, whole_us + 1, step_us)
    return tuple(
        (round(100 * at_us / whole_us, 2), text.duration(at_us) if at_us else "0")
        for at_us in marks
    )


def _step(whole_us: int) -> int:
    power = 1
    while True:
        for factor in _TICKS:
            if whole_us / (factor * power) < _MOST_TICKS:
                return factor * power
        power *= 10
