"""Traces that were dropped and are wanted after all: rendered from the record, under the same ids.

The whole outcome, without content, goes into the spool as a frame of its own, and every exporter
sends it as it sends any other. A crash on the way repeats it, and the same ids make that harmless.
Its weight is 0: it was not drawn, so it must not enter an estimate.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from trimtab.domain.annotation import Annotated, Annotation, AnnotationKind, AnnotationSource
from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable, TryLater
from trimtab.domain.record import REHYDRATED, Finish
from trimtab.domain.trace_context import OpenTelemetry, opentelemetry, with_opentelemetry
from trimtab.store.base.reading import RecordReader, SpanReader
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.app_spans import Released, stored_spans
from trimtab.telemetry.follow import START, Place, follow, workers
from trimtab.telemetry.frames import Frame, Kind
from trimtab.telemetry.sampling import decided
from trimtab.telemetry.standing import load, save

ASKED = "asked"

MAX_FRAMES = 1000
POLL_S = 0.5
AWAY_S = 5.0
PATIENCE_US = 600_000_000

_RECENT = 10_000

_annotated = msgspec.msgpack.Decoder(Annotated)
_encoder = msgspec.msgpack.Encoder()

log = logging.getLogger("trimtab")


class Append(Protocol):
    """Where frames go; see `telemetry.spool.Spool`."""

    def append(self, kind: Kind, payload: bytes) -> int:
        """Write a frame and give the offset behind it. Raises `RecorderUnavailable`."""
        ...

    async def synced(self, offset: int) -> None:
        """Wait until everything before an offset is on the disk."""
        ...


class _Named(NamedTuple):
    """What an annotation asks for, and the place before it."""

    place: Place
    annotation: Annotation
    why: str


def why(said: Annotation, below: float) -> str | None:
    """Tell why an annotation wants the trace to be there; `None` if it does not."""
    match said.kind:
        case AnnotationKind.FEEDBACK if said.score is not None and said.score < 0:
            return "thumbs_down"
        case AnnotationKind.LABEL if "complaint" in (said.name, said.label):
            return "complaint"
        case AnnotationKind.EVALUATION if said.score is not None and said.score < below:
            return "low_score"
        case AnnotationKind.EVALUATION if said.source == AnnotationSource.JUDGE:
            return "judged"
        case _:
            return None


def rehydrated(stored: StoredRecord, reason: str) -> Finish | None:
    """Give the outcome to export of a trace that was dropped; `None` if it was kept."""
    record = stored.record
    if record.trace_kept:
        return None
    state = record.tracestate
    unweighted = OpenTelemetry(rv=opentelemetry(state).rv) if state else OpenTelemetry()
    again = replace(
        record,
        tracestate=with_opentelemetry(state, unweighted),
        sampling_rule=REHYDRATED + reason,
        adjusted_count=0.0,
        trace_kept=True,
    )
    return Finish(record=again, detail=stored.detail, attempts=stored.attempts)


async def rehydrate(stored: StoredRecord, reason: str, spool: Append, records: SpanReader) -> bool:
    """Have a trace exported, on the disk when this returns; `False` if it was kept at first.

    What its application told of it goes with it.

    Raises:
        RecorderUnavailable: it could not be written down.
        TryLater: the store is away.
    """
    finish = rehydrated(stored, reason)
    if finish is None:
        return False
    record = finish.record
    decision = decided(record, finish.detail.sampling)
    offset = spool.append(Kind.REHYDRATED, _encoder.encode(finish))
    async for spans in stored_spans(records, record.tenant_id, record.trace_id):
        offset = spool.append(Kind.RELEASED, _encoder.encode(Released(decision, spans)))
    await spool.synced(offset)
    return True


class Rehydrator:
    """Reads what is said about requests, and has those exported that it names.

    State: the place in each worker's spool, on the disk, too, and who was exported lately.
    """

    def __init__(
        self, home: Path, records: RecordReader, spool: Append, clock: Clock, *, below: float
    ) -> None:
        """Take up where the last run stopped.

        Args:
            home: State directory; reads `spool/`, writes `rehydrate.json`.
            records: RecordReaders what is named.
            spool: Gets the outcomes.
            clock: Tells how long a record is waited for.
            below: The score under which an evaluation names a request.
        """
        self._spools = home / "spool"
        self._file = home / "rehydrate.json"
        self._records = records
        self._spool = spool
        self._clock = clock
        self._below = below
        self._places: Mapping[str, Place] = load(self._file)
        self._recent = deque[str](maxlen=_RECENT)

    def needed(self, worker_id: str) -> int:
        """Give the oldest segment of a worker that is still to be read; older ones may go."""
        return self._places.get(worker_id, START).segment

    async def run(self) -> None:
        """Read for ever."""
        while True:
            wait_s = 0.0
            try:
                wait_s = 0.0 if await self.step() else POLL_S
            except (TryLater, RecorderUnavailable, OSError) as exc:
                log.warning("rehydration waits: %s", exc)
                wait_s = AWAY_S
            await asyncio.sleep(wait_s)

    async def step(self) -> int:
        """Read what waits, at most 1,000 frames of each worker; gives how many places moved."""
        places, named = await asyncio.to_thread(self._read)
        for worker, found in named.items():
            for it in found:
                if not await self._answered(it):
                    # The record is on its way: begin here the next time.
                    places[worker] = it.place
                    break
        moved = {it: place for it, place in places.items() if place != self._places.get(it)}
        if moved:
            places = {**self._places, **places}
            await asyncio.to_thread(save, self._file, places)
            self._places = places
        return len(moved)

    def _read(self) -> tuple[dict[str, Place], dict[str, list[_Named]]]:
        places: dict[str, Place] = {}
        named: dict[str, list[_Named]] = {}
        for directory in workers(self._spools):
            worker = directory.name
            before = self._places.get(worker, START)
            for place, found in islice(follow(directory, before), MAX_FRAMES):
                if isinstance(found, Frame) and found.kind == Kind.ANNOTATION:
                    named.setdefault(worker, []).extend(self._named(before, found))
                before = places[worker] = place
        return places, named

    def _named(self, place: Place, frame: Frame) -> list[_Named]:
        try:
            said = _annotated.decode(frame.payload).annotation
        except msgspec.DecodeError:
            return []
        reason = why(said, self._below)
        return [] if reason is None else [_Named(place, said, reason)]

    async def _answered(self, named: _Named) -> bool:
        """Have a request exported, if it must be; `False` if its record may still come."""
        said = named.annotation
        if said.request_id in self._recent:
            return True
        stored = await self._records.find(said.request_id)
        if stored is None:
            return self._clock.now_us() - said.ts_us > PATIENCE_US
        # Who says something of a request need not be whose it is.
        if stored.record.tenant_id == said.tenant_id:
            await rehydrate(stored, named.why, self._spool, self._records)
            self._recent.append(said.request_id)
        return True
