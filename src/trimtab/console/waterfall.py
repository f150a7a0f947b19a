"""Where the time of one request went: stages and attempts as bars on one axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from trimtab.console import text
from trimtab.domain.record import Attempt, StageTime
from trimtab.store.base.recording import StoredRecord

_TICKS = (1, 2, 5)
_MOST_TICKS = 6
_THINNEST = 0.35
_CALL = "call"


class Bar(Struct, frozen=True, kw_only=True):
    """What a row shows, at an instant of one clock.

    Attributes:
        depth: In how many others it is.
        first_us: When the first token came; `None` if none came.
        link: Where more of it is shown.
        shifted_us: How far it is drawn from the time that was told, for clocks differ.
    """

    name: str
    note: str = ""
    error: str = ""
    tone: str = "stage"
    depth: int = 0
    start_us: int
    dur_us: int
    first_us: int | None = None
    link: str = ""
    shifted_us: int = 0


class Row(Bar, frozen=True, kw_only=True):
    """One bar in its place. Positions are percent of the whole width."""

    start: float
    width: float
    first_token: float | None


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The bars, and the ticks of the axis: (percent, label)."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]


def draw(stored: StoredRecord) -> Waterfall:
    """Lay out the stages of a record in order, each attempt under the call it belongs to."""
    begin_us = stored.record.ts_us
    return place(tuple(bars(stored)), begin_us, begin_us + stored.record.latency_us)


def bars(stored: StoredRecord, depth: int = 0) -> Iterator[Bar]:
    """Give the bars of a record."""
    record = stored.record
    notes = {
        "screen_input": record.guardrail_decision,
        "fund": f"hold {text.usd(record.hold_nano)}" if record.hold_nano is not None else "",
    }
    attempts = [_attempt(it, depth + 1) for it in stored.attempts]
    for stage in stored.detail.stages:
        yield _stage(stage, notes.get(stage.stage, ""), record.ts_us, depth)
        if stage.stage == _CALL:
            yield from attempts
            attempts = []
    yield from attempts


def place(found: Sequence[Bar], begin_us: int, end_us: int) -> Waterfall:
    """Put bars on an axis that begins and ends no later and no earlier than told."""
    ends = [bar.start_us + bar.dur_us for bar in found]
    whole_us = max([end_us, *ends, begin_us + 1]) - begin_us
    return Waterfall(tuple(_row(bar, begin_us, whole_us) for bar in found), _axis(whole_us))


def _stage(stage: StageTime, note: str, ts_us: int, depth: int) -> Bar:
    return Bar(
        name=stage.stage,
        note=note,
        tone="group" if stage.stage == _CALL else "stage",
        depth=depth,
        start_us=ts_us + stage.start_us,
        dur_us=stage.dur_us,
    )


def _attempt(attempt: Attempt, depth: int) -> Bar:
    first = attempt.ttft_us
    return Bar(
        name=f"attempt {attempt.n}",
        note=attempt.target,
        error=attempt.error_code or "",
        tone="bad" if attempt.error_code else "good",
        depth=depth,
        start_us=attempt.started_us,
        dur_us=attempt.dur_us,
        first_us=None if first is None else attempt.started_us + first,
    )


def _row(bar: Bar, begin_us: int, whole_us: int) -> Row:
    """Place a bar; one too short to be seen is drawn as thin as can be seen."""
    width = max(100 * bar.dur_us / whole_us, _THINNEST)
    start = min(max(100 * (bar.start_us - begin_us) / whole_us, 0.0), 100 - _THINNEST)
    first = bar.first_us
    members: dict[str, Any] = asdict(replace(bar, start_us=bar.start_us - begin_us))
    return Row(
        **members,
        start=round(start, 2),
        width=round(width, 2),
        first_token=None if first is None else round(100 * (first - begin_us) / whole_us, 2),
    )


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
