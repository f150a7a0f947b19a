"""Is every record on its way: how far stores and exporters are behind, and what was lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from starlette.responses import Response

from trimtab.console.base import Console, Flow, Lag, Visit
from trimtab.store.base import Acknowledgement

_FINEST_S, _COARSEST_S = 0.1, 86_400.0
_FINE_S, _LATE_S = 2.0, 30.0
TICKS = ((0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (3_600.0, "1 h"))
_NO_ANSWER = 0
_PAUSED = (401, 403)


@dataclass(frozen=True, slots=True)
class Lane:
    """Something that follows what workers write down, and how far it is behind.

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
    """A worker, and what of it is not stored yet. `None` is unknown."""

    worker_id: str
    config_seq: int | None
    waiting_bytes: int
    running: int
    torn: int
    aside: int


@dataclass(frozen=True, slots=True)
class Export:
    """What became of the spans that go to one receiver, since the keeper started."""

    name: str
    signal: str
    waits_s: float
    exported: int
    rejected: int
    put_aside: int
    given_up: int
    unreadable: int
    trouble: str

    @property
    def lost(self) -> int:
        """How much of it the receiver did not take, or never gets."""
        return self.rejected + self.put_aside + self.given_up + self.unreadable


@dataclass(frozen=True, slots=True)
class Health:
    """All the page shows.

    Attributes:
        dropped: Frames that workers wrote whole and that no store took.
        lost_exports: Spans and requests that some receiver never gets; the store has them.
    """

    storing: tuple[Lane, ...]
    exporting: tuple[Lane, ...]
    workers: tuple[Worker, ...]
    exports: tuple[Export, ...]
    config_seq: int
    dropped: int
    torn: int
    lost_exports: int

    @property
    def behind_s(self) -> float:
        """How far the slowest worker's spool is behind."""
        return max((it.behind_s for it in self.storing), default=0.0)

    @property
    def running(self) -> int:
        """How many requests have begun and not ended."""
        return sum(it.running for it in self.workers)


async def show(visit: Visit) -> Response:
    """Show the whole page."""
    return visit.page("pipeline.html", await _context(visit))


async def live(visit: Visit) -> Response:
    """Show only the figures, for a page that is open already."""
    return visit.page("_pipeline.html", await _context(visit))


async def _context(visit: Visit) -> dict[str, object]:
    ticks = [(_place(at_s), label) for at_s, label in TICKS]
    return {"health": await read(visit.console), "ticks": ticks}


async def read(console: Console) -> Health:
    """Read how the pipeline stands; it reads files."""
    flow = await asyncio.to_thread(console.flow)
    acks = await console.acknowledgements.acknowledgements()
    workers = _workers(acks, console.health(), flow)
    exports = _exports(flow)
    return Health(
        storing=tuple(_lane(it.worker_id, flow.waits_s.get(it.worker_id, 0.0)) for it in workers),
        exporting=tuple(_lane(f"{it.name} {it.signal}", it.waits_s, it.trouble) for it in exports),
        workers=workers,
        exports=exports,
        config_seq=(await console.control.snapshot()).config_seq,
        dropped=sum(flow.aside.values()),
        torn=sum(flow.torn.values()),
        lost_exports=sum(it.lost for it in exports),
    )


def _workers(
    acks: Sequence[Acknowledgement], lags: Sequence[Lag], flow: Flow
) -> tuple[Worker, ...]:
    # Workers of other hosts are named HOST/WORKER, and those hosts tell of them. A spool of one
    # that is gone stays until it is cleared.
    seqs = {it.worker_id: it.config_seq for it in acks if "/" not in it.worker_id}
    by_id = {it.worker_id: it for it in lags}
    found = [
        Worker(
            worker_id=name,
            config_seq=seqs.get(name),
            waiting_bytes=by_id[name].waiting_bytes if name in by_id else 0,
            running=by_id[name].running if name in by_id else 0,
            torn=flow.torn.get(name, 0),
            aside=flow.aside.get(name, 0),
        )
        for name in sorted({*seqs, *by_id, *flow.torn, *flow.aside})
    ]
    return tuple(
        it
        for it in found
        if it.worker_id in seqs or it.waiting_bytes or it.running or it.torn or it.aside
    )


def _exports(flow: Flow) -> tuple[Export, ...]:
    return tuple(
        Export(
            name=name.partition("@")[0],
            signal=name.partition("@")[2] or "traces",
            waits_s=waits_s,
            exported=counts.exported,
            rejected=counts.rejected,
            put_aside=counts.put_aside,
            given_up=counts.given_up,
            unreadable=counts.unreadable,
            trouble=_trouble(flow.troubles.get(name)),
        )
        for name, (waits_s, counts) in sorted(flow.exports.items())
    )


def _trouble(status: int | None) -> str:
    if status is None:
        return ""
    if status == _NO_ANSWER:
        return "does not answer; tried again"
    return f"answers {status}; {'paused' if status in _PAUSED else 'tried again'}"


def _lane(name: str, behind_s: float, note: str = "") -> Lane:
    tone = "good" if behind_s <= _FINE_S else "warn" if behind_s <= _LATE_S else "bad"
    if note and tone == "good":
        tone = "warn"
    return Lane(name, behind_s, _place(behind_s), tone, note)


def _place(behind_s: float) -> float:
    """Place a time on an axis of powers of ten that ends at a day."""
    bounded = min(max(behind_s, _FINEST_S), _COARSEST_S)
    share = log10(bounded / _FINEST_S) / log10(_COARSEST_S / _FINEST_S)
    return round(4 + 92 * share, 2) if behind_s >= _FINEST_S else 1.0
