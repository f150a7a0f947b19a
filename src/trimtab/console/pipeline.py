"""Is every record on its way: how far stores and exporters are behind, and what was lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from starlette.responses import Response

from trimtab.console.base import Console, Flow, Lag, Visit
from trimtab.store.base.control import Acknowledgement
from trimtab.telemetry.export import Counts
from trimtab.telemetry.receiver import NO_ANSWER

TICKS = ((0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (3_600.0, "1 h"))
_FINEST_S, _COARSEST_S = 0.1, 86_400.0
_FINE_S, _LATE_S = 2.0, 30.0
_PAUSED = (401, 403)


@dataclass(frozen=True, slots=True)
class Lane:
    """How far something is behind what workers write down.

    Attributes:
        place: Where it stands between the present and a day, in percent of the width.
        note: What else is the matter.
    """

    name: str
    behind_s: float
    place: float
    tone: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, and what of it is not stored yet. `config_seq` of `None` is unknown."""

    config_seq: int | None
    lag: Lag
    torn: int
    aside: int
    lane: Lane


@dataclass(frozen=True, slots=True)
class Export:
    """What became of one signal on its way to a receiver, since the keeper started."""

    name: str
    signal: str
    counts: Counts
    lane: Lane

    @property
    def lost(self) -> int:
        """How much of it the receiver did not take, or never gets."""
        it = self.counts
        return it.rejected + it.put_aside + it.given_up + it.unreadable


@dataclass(frozen=True, slots=True)
class Health:
    """All the page shows. `config_seq` is the newest."""

    workers: Sequence[Worker]
    exports: Sequence[Export]
    config_seq: int

    @property
    def behind_s(self) -> float:
        """How far the slowest worker's spool is behind."""
        return max((it.lane.behind_s for it in self.workers), default=0.0)

    @property
    def running(self) -> int:
        """How many requests have begun and not ended."""
        return sum(it.lag.running for it in self.workers)

    @property
    def dropped(self) -> int:
        """How many frames workers wrote whole that no store takes."""
        return sum(it.aside for it in self.workers)

    @property
    def not_exported(self) -> int:
        """How much some receiver never gets; the store has it."""
        return sum(it.lost for it in self.exports)


async def show(visit: Visit) -> Response:
    """Show the whole page."""
    return visit.page("pipeline.html", await _context(visit.console))


async def live(visit: Visit) -> Response:
    """Show only the figures, for a page that is open already."""
    return visit.page("_pipeline.html", await _context(visit.console))


async def _context(console: Console) -> dict[str, object]:
    return {
        "health": await read(console),
        "ticks": [(_place(at_s), label) for at_s, label in TICKS],
    }


async def read(console: Console) -> Health:
    """Read how the pipeline stands; it reads files."""
    flow = await asyncio.to_thread(console.flow)
    acks = await console.acknowledgements.acknowledgements()
    return Health(
        workers=_workers(acks, console.health(), flow),
        exports=[
            _export(name, waits_s, counts, flow.troubles.get(name))
            for name, (waits_s, counts) in sorted(flow.exports.items())
        ],
        config_seq=(await console.control.snapshot()).config_seq,
    )


def _workers(acks: Sequence[Acknowledgement], lags: Sequence[Lag], flow: Flow) -> Sequence[Worker]:
    # Workers of other hosts are named HOST/WORKER, and those hosts tell of them. The spool of one
    # that is gone stays until it is cleared.
    seqs = {it.worker_id: it.config_seq for it in acks if "/" not in it.worker_id}
    by_id = {it.worker_id: it for it in lags}
    waiting = {it.worker_id for it in lags if it.waiting_bytes or it.running}
    return [
        Worker(
            config_seq=seqs.get(name),
            lag=by_id.get(name, Lag(name, 0)),
            torn=flow.torn.get(name, 0),
            aside=flow.aside.get(name, 0),
            lane=_lane(name, flow.waits_s.get(name, 0.0)),
        )
        for name in sorted({*seqs, *waiting, *flow.torn, *flow.aside})
    ]


def _export(place: str, waits_s: float, counts: Counts, trouble: int | None) -> Export:
    name, _, signal = place.partition("@")
    signal = signal or "traces"
    return Export(name, signal, counts, _lane(f"{name} {signal}", waits_s, _note(trouble)))


def _note(trouble: int | None) -> str:
    if trouble is None:
        return ""
    if trouble == NO_ANSWER:
        return "does not answer; tried again"
    return f"answers {trouble}; {'paused' if trouble in _PAUSED else 'tried again'}"


def _lane(name: str, behind_s: float, note: str = "") -> Lane:
    tone = "good" if behind_s <= _FINE_S else "warn" if behind_s <= _LATE_S else "bad"
    if note and tone == "good":
        tone = "warn"
    return Lane(name, behind_s, _place(behind_s), tone, note)


def _place(behind_s: float) -> float:
    """Place a time on an axis of powers of ten that ends at a day."""
    if behind_s < _FINEST_S:
        return 1.0
    share = log10(min(behind_s, _COARSEST_S) / _FINEST_S) / log10(_COARSEST_S / _FINEST_S)
    return round(4 + 92 * share, 2)
