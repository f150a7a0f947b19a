"""Application spans wait here until it is decided of their trace; those that are kept go on.

One place decides for all exporters: what is kept goes into the keeper's spool as a frame with its
decision, and every exporter sends it as it sends any other. What waits is in memory, and in the
spool where it came from: the saved place does not pass the oldest frame of which something waits,
so that a crash reads it again. What was just released may then go out twice, under the same ids.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from trimtab.domain.app_span import AppSpan, SpanBatch
from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.record import Finish
from trimtab.domain.trace_context import RANDOM
from trimtab.telemetry.app_spans import PIECE, Released
from trimtab.telemetry.deciding import MAX_BYTES, Decide, Decider, Decision, Seen
from trimtab.telemetry.follow import START, Place, follow, workers
from trimtab.telemetry.frames import HEADER_BYTES, Frame, Kind
from trimtab.telemetry.ingest import body_of
from trimtab.telemetry.rehydrate import Append
from trimtab.telemetry.sampling import decided
from trimtab.telemetry.standing import load, save

MAX_FRAMES = 1000
MAX_READ = 16 << 20
POLL_S = 0.2
AWAY_S = 5.0

_SPAN_BYTES = 1200
"""What a span takes beside its body, about."""

log = logging.getLogger("trimtab")

Recorded = Callable[[], Mapping[str, Place]]
"""Tells up to where each worker's spool is stored."""


class _Part(NamedTuple):
    """Spans of one trace, and the place before their frame."""

    worker: str
    place: Place
    spans: tuple[AppSpan, ...]


class _Outgoing(NamedTuple):
    """What is to be written, once what it is of is stored."""

    part: _Part
    decision: Decision


_finish = msgspec.msgpack.Decoder(Finish)
_batch = msgspec.msgpack.Decoder(SpanBatch)
_released = msgspec.msgpack.Decoder(Released)
_encode = msgspec.msgpack.Encoder().encode


class Releaser:
    """Reads spans and outcomes, and has spans exported as soon as their trace is decided.

    State: the decider; spans that wait; how many waiting parts each frame has, in the order of the
    spools; places that were read to and, on the disk, too, that are done with; what is still to be
    written.
    """

    def __init__(  # noqa: PLR0913 -- what it reads, writes, and decides by
        self,
        home: Path,
        spool: Append,
        clock: Clock,
        decide: Decide,
        *,
        recorded: Recorded | None = None,
        everything: bool = False,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Take up where the last run stopped.

        Args:
            home: State directory; reads `spool/`, writes `release.json`.
            spool: Gets what is released.
            clock: Tells what has waited long enough.
            decide: Decides on traces of which there is no record.
            recorded: If content is to be read, which is stored by then.
            everything: Whether what is not kept goes out, too.
            max_bytes: What may wait.
        """
        self._spools = home / "spool"
        self._file = home / "release.json"
        self._spool = spool
        self._clock = clock
        self._recorded = recorded
        self._everything = everything
        self._decider = Decider(decide, max_bytes=max_bytes)
        self._waiting: dict[str, list[_Part]] = {}
        self._held = defaultdict[str, dict[Place, int]](dict)
        self._done: Mapping[str, Place] = load(self._file)
        self._read_to = dict(self._done)
        self._outgoing = deque[_Outgoing]()
        self._has_recalled = False

    def needed(self, worker_id: str) -> int:
        """Give the oldest segment of a worker that is still to be read; older ones may go."""
        return self._done.get(worker_id, START).segment

    async def run(self) -> None:
        """Release for ever."""
        while True:
            wait_s = 0.0
            try:
                wait_s = 0.0 if await self.step() else POLL_S
            except (RecorderUnavailable, OSError) as exc:
                log.warning("spans of applications wait: %s", exc)
                wait_s = AWAY_S
            await asyncio.sleep(wait_s)

    async def step(self) -> bool:
        """Read on, at most 1,000 frames or 16 MiB of each worker; tells if there may be more."""
        has_more = not self._outgoing and await asyncio.to_thread(self._read)
        has_more = await self._write() > 0 or has_more
        if self._outgoing:
            return has_more
        held = {worker: next(iter(places)) for worker, places in self._held.items() if places}
        done = {**self._read_to, **held}
        if done != self._done:
            await asyncio.to_thread(save, self._file, done)
            self._done = done
        return has_more

    async def _write(self) -> int:
        written = offset = 0
        recorded = None if self._recorded is None else self._recorded()
        while self._outgoing:
            part, decision = self._outgoing[0]
            if recorded is not None and recorded.get(part.worker, START) <= part.place:
                break
            payload = _encode(Released(decision, part.spans))
            offset = self._spool.append(Kind.RELEASED, payload)
            self._outgoing.popleft()
            written += 1
        if written:
            await self._spool.synced(offset)
        return written

    def _read(self) -> bool:
        if not self._has_recalled:
            self._recall()
            self._has_recalled = True
        # Where more is there, it may hold the record of what would be due by the clock.
        behind = [it for path in workers(self._spools) if (it := self._follow(path)) is not None]
        now_us = min(filter(None, behind), default=self._clock.now_us())
        for trace_id, decision in self._decider.due(now_us):
            self._release(trace_id, decision)
        return bool(behind)

    def _recall(self) -> None:
        """Read once more what was decided lately: late spans have to follow it."""
        for worker, place in self._done.items():
            begin = Place(place.segment, HEADER_BYTES)
            for behind, found in follow(self._spools / worker, begin):
                if behind > place:
                    break
                if isinstance(found, Frame) and found.kind != Kind.SPANS:
                    self._take(worker, place, found)

    def _follow(self, directory: Path) -> int | None:
        """Read on in a worker's spool; if there is more, tells up to which instant, or 0."""
        worker = directory.name
        before = self._read_to.get(worker, START)
        read_us = size = 0
        for number, (place, found) in enumerate(follow(directory, before)):
            if number == MAX_FRAMES or size > MAX_READ:
                return read_us
            if isinstance(found, Frame):
                size += len(found.payload)
                read_us = self._take(worker, before, found) or read_us
            before = self._read_to[worker] = place
        return None

    def _take(self, worker: str, place: Place, frame: Frame) -> int | None:
        """Take a frame in; tells when it was written, if it is of now and not told again."""
        try:
            match frame.kind:
                case Kind.SPANS:
                    batch = _batch.decode(frame.payload)
                    self._split(worker, place, batch)
                    return batch.received_us
                case Kind.FINISH | Kind.REHYDRATED:
                    finish = _finish.decode(frame.payload)
                    record = finish.record
                    decision = decided(record, finish.detail.sampling)
                    self._know(record.trace_id, record.end_us, decision)
                    return record.end_us if frame.kind == Kind.FINISH else None
                case Kind.RELEASED:
                    was = _released.decode(frame.payload)
                    self._know(was.spans[0].trace_id, was.spans[0].received_us, was.decision)
                case _:
                    pass
        except msgspec.DecodeError as exc:
            log.warning("a frame of worker '%s' cannot be read and is passed: %s", worker, exc)
        return None

    def _know(self, trace_id: str, at_us: int, decision: Decision) -> None:
        settled = self._decider.of_record(trace_id, at_us, decision)
        if settled is not None:
            self._release(trace_id, settled)

    def _split(self, worker: str, place: Place, batch: SpanBatch) -> None:
        traces: dict[str, list[AppSpan]] = {}
        for span in batch.spans:
            traces.setdefault(span.trace_id, []).append(span)
        for trace_id, spans in traces.items():
            for start in range(0, len(spans), PIECE):
                part = _Part(worker, place, tuple(spans[start : start + PIECE]))
                decision = self._decider.add(_seen(part.spans, batch.received_us))
                if decision is None:
                    self._waiting.setdefault(trace_id, []).append(part)
                    held = self._held[worker]
                    held[place] = held.get(place, 0) + 1
                else:
                    self._send(decision, part)

    def _release(self, trace_id: str, decision: Decision) -> None:
        for part in self._waiting.pop(trace_id, ()):
            self._send(decision, part)
            held = self._held[part.worker]
            held[part.place] -= 1
            if not held[part.place]:
                del held[part.place]

    def _send(self, decision: Decision, part: _Part) -> None:
        if decision.is_kept or self._everything:
            self._outgoing.append(_Outgoing(part, decision))


def _seen(spans: Sequence[AppSpan], at_us: int) -> Seen:
    """Look at spans of one trace. Their `tracestate` is the trace's: that of any will do."""
    body = body_of(spans[0])
    return Seen(
        trace_id=spans[0].trace_id,
        at_us=at_us,
        size=sum(len(it.body) + _SPAN_BYTES for it in spans),
        has_root=any(it.parent_span_id is None for it in spans),
        has_failed=any(it.status == "error" for it in spans),
        longest_us=max(it.end_us - it.ts_us for it in spans),
        tracestate=body.tracestate,
        is_random=bool(body.flags & RANDOM),
    )
