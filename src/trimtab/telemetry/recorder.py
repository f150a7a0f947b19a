"""Turns frames into stored records, each exactly once.

Frames of one worker are taken in order. What a batch read, stored and left open is committed in
one step with the position behind it, so a crash at any point repeats the batch or does not.
"""

import asyncio
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from trimtab.domain.annotation import Annotated, Annotation
from trimtab.domain.app_span import AppSpan, SpanBatch
from trimtab.domain.errors import RecorderUnavailable, TryLater
from trimtab.domain.record import Begin, Checkpoint, Finish
from trimtab.store.base.recording import (
    Batch,
    Move,
    OpenRequest,
    RecordWriter,
    SpoolPosition,
    StoredBlob,
    Unstorable,
)
from trimtab.telemetry.follow import START, Place, follow, is_ahead, waiting_bytes, waits_s, workers
from trimtab.telemetry.frames import Damage, Frame, Kind, segment_path
from trimtab.telemetry.spool import Spool, is_free

MAX_FRAMES = 1000
MAX_BYTES = 16 << 20
POLL_S = 0.05
AWAY_S = 1.0

_begin = msgspec.msgpack.Decoder(Begin)
_checkpoint = msgspec.msgpack.Decoder(Checkpoint)
_finish = msgspec.msgpack.Decoder(Finish)
_annotated = msgspec.msgpack.Decoder(Annotated)
_spans = msgspec.msgpack.Decoder(SpanBatch)
_encoder = msgspec.msgpack.Encoder()

log = logging.getLogger("trimtab")


class _Taken(NamedTuple):
    """A frame, and where it comes from."""

    worker: str
    segment: int
    frame: Frame


@dataclass(slots=True)
class _Reading:
    """What one look at the spools found; nothing of it counts before it is committed.

    Attributes:
        still: Requests that run on, new or changed, by id.
        ended: Ids of requests that ended.
        silent: Workers whose process was gone before we looked, and that left nothing unread.
        ahead: Workers that write frames of a newer version.
        size: Bytes of the frames.
    """

    finishes: list[Finish] = field(default_factory=list[Finish])
    annotations: list[Annotation] = field(default_factory=list[Annotation])
    spans: list[AppSpan] = field(default_factory=list[AppSpan])
    claims: list[Annotation] = field(default_factory=list[Annotation])
    blobs: list[StoredBlob] = field(default_factory=list[StoredBlob])
    still: dict[str, OpenRequest] = field(default_factory=dict[str, OpenRequest])
    ended: set[str] = field(default_factory=set[str])
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    silent: set[str] = field(default_factory=set[str])
    ahead: set[str] = field(default_factory=set[str])
    frames: list[_Taken] = field(default_factory=list[_Taken])
    size: int = 0


@dataclass(slots=True)
class Recorder:
    """Commits what workers wrote, and ends what dead workers began.

    State: how far each spool is committed, which requests are open, which of those were declared
    lost in the keeper's own spool, how many frames are still to be taken one by one, and whose
    frames are of a newer version.

    Attributes:
        home: State directory; reads `spool/`, writes `dead/recorder/` and `quarantine/`.
        own: The keeper's own spool, for outcomes that dead workers did not write.
        lose: Makes the outcome of a request whose worker died.
        is_recording: Whether the store was there when it was asked last, and all of it made.
        stored: Told of outcomes once they are stored, of some perhaps again.
        torn: Of each worker, segments that end in bytes that are no frame, since the start.
        aside: Of each worker, frames that were put aside since then.
    """

    home: Path
    store: RecordWriter
    own: Spool
    lose: Callable[[OpenRequest], Finish]
    stored: Callable[[Sequence[Finish]], None] = lambda _finishes: None
    _places: dict[str, Place] = field(default_factory=dict[str, Place])
    _open: dict[str, OpenRequest] = field(default_factory=dict[str, OpenRequest])
    _told: set[str] = field(default_factory=set[str])
    _one_by_one: int = 0
    _ahead: set[str] = field(default_factory=set[str])
    is_recording: bool = False
    torn: Counter[str] = field(default_factory=Counter[str])
    aside: Counter[str] = field(default_factory=Counter[str])

    async def start(self) -> None:
        """Take up where the last run stopped. Raises `TryLater` if the store is away."""
        positions = await self.store.positions()
        self._places = {it.worker_id: Place(it.segment, it.offset) for it in positions}
        self._open = {it.begin.request_id: it for it in await self.store.opened()}
        self._told.clear()
        own = self.own.worker_id
        for _, found in follow(self.home / "spool" / own, self._places.get(own, START)):
            if isinstance(found, Frame) and found.kind == Kind.FINISH:
                self._told.add(_finish.decode(found.payload).record.request_id)
        self.is_recording = True

    async def run(self) -> None:
        """Record for ever, as soon as the store is there."""
        while True:
            try:
                if not self.is_recording:
                    await self.start()
                busy = await self.step()
            except (TryLater, OSError) as exc:
                log.warning("records wait in the spool: %s", exc)
                # What was committed last, if its answer was lost, is known to the store alone.
                self.is_recording = False
                await asyncio.sleep(AWAY_S)
            else:
                if not busy:
                    await asyncio.sleep(POLL_S)

    async def step(self) -> int:
        """Commit what waits, at most 1,000 frames or 16 MiB; gives the number of frames.

        Raises:
            TryLater: the store is away; what waits goes on waiting.
            OSError: what cannot be stored cannot be put aside either; it goes on waiting, too.
            PositionMoved: another keeper is active.
        """
        reading = await asyncio.to_thread(self._read)
        if reading.places:
            try:
                await self.store.commit(self._batch(reading))
            except Unstorable as exc:
                await self._after_poison(reading, exc)
                return len(reading.frames)
            self._passed(reading)
        self._end_lost(reading.silent)
        self._tell_ahead(reading.ahead)
        return len(reading.frames)

    def passed(self, ends: Mapping[str, Place]) -> bool:
        """Whether everything before some places is stored."""
        return all(self._places.get(worker, START) >= end for worker, end in ends.items())

    def needed(self, worker_id: str) -> int:
        """Give the oldest segment of a worker that is still to be read; older ones may go."""
        return self._places.get(worker_id, START).segment

    def recorded(self) -> Mapping[str, Place]:
        """Tell up to where each worker's spool is stored."""
        return dict(self._places)

    def waiting(self) -> Mapping[str, int]:
        """Count the bytes of each worker's spool that are not stored yet."""
        return {
            path.name: waiting_bytes(path, self._places.get(path.name, START))
            for path in workers(self.home / "spool")
        }

    def waits_s(self, now_us: int) -> Mapping[str, float]:
        """Tell for how long what each worker wrote has waited. Reads the spools."""
        return {
            path.name: waits_s(path, self._places.get(path.name, START), now_us)
            for path in workers(self.home / "spool")
        }

    def running(self) -> Counter[str]:
        """Count each worker's requests that have begun and not ended."""
        return Counter(it.worker_id for it in self._open.values())

    def _read(self) -> _Reading:
        reading = _Reading()
        directories = workers(self.home / "spool")
        gone = {path.name for path in directories if is_free(path)}
        share = 1 if self._one_by_one else max(1, MAX_FRAMES // max(1, len(directories)))
        for directory in directories:
            taken = self._follow(reading, directory, share)
            if directory.name not in reading.places:
                self._rests(reading, directory, is_gone=directory.name in gone)
            if taken and self._one_by_one:
                break
        return reading

    def _follow(self, reading: _Reading, directory: Path, share: int) -> int:
        """Take at most so many frames of a worker; gives their number."""
        worker, taken = directory.name, 0
        for place, found in follow(directory, self._places.get(worker, START)):
            reading.places[worker] = place
            if isinstance(found, Frame):
                taken += 1
                self._take(reading, _Taken(worker, place.segment, found))
            elif found is not None:
                self._damaged(directory, place, found)
            if taken >= share or reading.size >= MAX_BYTES:
                break
        return taken

    def _rests(self, reading: _Reading, directory: Path, *, is_gone: bool) -> None:
        """Tell why nothing was read: a newer version wrote it, or its worker is silent."""
        worker = directory.name
        if is_ahead(directory, self._places.get(worker, START)):
            reading.ahead.add(worker)
        elif is_gone:
            reading.silent.add(worker)

    def _take(self, reading: _Reading, taken: _Taken) -> None:
        reading.frames.append(taken)
        reading.size += len(taken.frame.payload)
        worker, frame = taken.worker, taken.frame
        try:
            match frame.kind:
                case Kind.BEGIN:
                    _take_begin(reading, worker, _begin.decode(frame.payload))
                case Kind.CHECKPOINT:
                    self._take_checkpoint(reading, _checkpoint.decode(frame.payload))
                case Kind.FINISH:
                    _take_finish(reading, _finish.decode(frame.payload))
                case Kind.ANNOTATION:
                    _take_annotation(reading, _annotated.decode(frame.payload))
                case Kind.SPANS:
                    _take_spans(reading, _spans.decode(frame.payload))
                case Kind.START:
                    self._take_start(reading, worker)
                case _:
                    pass
        except ValueError as exc:
            self._put_aside(taken, str(exc))

    def _take_checkpoint(self, reading: _Reading, said: Checkpoint) -> None:
        known = reading.still.get(said.request_id) or self._open.get(said.request_id)
        if known is not None and said.request_id not in reading.ended:
            reading.still[said.request_id] = replace(known, output_tokens=said.output_tokens)

    def _take_start(self, reading: _Reading, worker: str) -> None:
        for request_id, known in {**self._open, **reading.still}.items():
            if known.worker_id == worker and request_id not in reading.ended:
                reading.still[request_id] = replace(known, lost=True)

    def _batch(self, reading: _Reading) -> Batch:
        return Batch(
            finishes=tuple(reading.finishes),
            annotations=tuple(reading.annotations),
            spans=tuple(reading.spans),
            claims=tuple(reading.claims),
            blobs=tuple(reading.blobs),
            opened=tuple(reading.still.values()),
            moves=tuple(
                Move(_position(worker, place), _since(worker, self._places.get(worker)))
                for worker, place in reading.places.items()
                if place != self._places.get(worker)
            ),
        )

    def _passed(self, reading: _Reading) -> None:
        self._places.update(reading.places)
        self._open.update(reading.still)
        for request_id in reading.ended:
            self._open.pop(request_id, None)
            self._told.discard(request_id)
        self._one_by_one = max(0, self._one_by_one - len(reading.frames))
        self.stored(reading.finishes)

    async def _after_poison(self, reading: _Reading, exc: Unstorable) -> None:
        """Take the frames of a batch one by one; the one that fails alone is put aside."""
        if len(reading.frames) > 1:
            self._one_by_one = len(reading.frames)
            return
        self._put_aside(reading.frames[0], str(exc))
        reading.finishes, reading.annotations, reading.blobs = [], [], []
        reading.spans, reading.claims = [], []
        reading.still, reading.ended = {}, set()
        await self.store.commit(self._batch(reading))
        self._passed(reading)

    def _end_lost(self, silent: set[str]) -> None:
        for request_id, known in self._open.items():
            if request_id in self._told or not (known.lost or known.worker_id in silent):
                continue
            try:
                self.own.append(Kind.FINISH, _encoder.encode(self.lose(known)))
            except RecorderUnavailable as exc:
                log.warning("a lost request cannot be ended: %s", exc)
                return
            self._told.add(request_id)

    def _tell_ahead(self, ahead: set[str]) -> None:
        for worker in sorted(ahead - self._ahead):
            log.error("spool '%s' is of a newer trimtab; its records wait, upgrade", worker)
        self._ahead = ahead

    def _put_aside(self, taken: _Taken, why: str) -> None:
        worker, segment, frame = taken
        self.aside[worker] += 1
        path = self.home / "dead" / "recorder" / worker / f"{segment}-{frame.seq}.msgpack"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(frame.payload)
        log.error("a frame cannot be stored (%s); it is in '%s', report it", why, path)

    def _damaged(self, directory: Path, place: Place, damage: Damage) -> None:
        if damage.at_end:
            size = damage.end - damage.start
            self.torn[directory.name] += 1
            log.warning("the last %d bytes of a segment of '%s' are no frame", size, directory)
            return
        source = segment_path(directory, place.segment)
        target = self.home / "quarantine" / directory.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(source, target)
        log.error(
            "spool '%s' is damaged over %d bytes; a copy is in '%s', what is whole goes on",
            source,
            damage.end - damage.start,
            target,
        )


def _take_begin(reading: _Reading, worker: str, begin: Begin) -> None:
    bare = replace(begin, content=())
    reading.still[begin.request_id] = OpenRequest(worker_id=worker, begin=bare)
    reading.blobs += [StoredBlob(begin.tenant_id, begin.ts_us, blob) for blob in begin.content]


def _take_finish(reading: _Reading, finish: Finish) -> None:
    record = finish.record
    reading.finishes.append(finish)
    reading.ended.add(record.request_id)
    reading.still.pop(record.request_id, None)
    reading.blobs += [StoredBlob(record.tenant_id, record.ts_us, blob) for blob in finish.content]


def _take_annotation(reading: _Reading, said: Annotated) -> None:
    annotation = said.annotation
    (reading.claims if said.claimed else reading.annotations).append(annotation)
    reading.blobs += [
        StoredBlob(annotation.tenant_id, said.request_us, blob) for blob in said.content
    ]


def _take_spans(reading: _Reading, told: SpanBatch) -> None:
    reading.spans += told.spans
    reading.blobs += [StoredBlob(told.tenant_id, told.received_us, blob) for blob in told.content]


def _position(worker: str, place: Place) -> SpoolPosition:
    return SpoolPosition(worker_id=worker, segment=place.segment, offset=place.offset)


def _since(worker: str, place: Place | None) -> SpoolPosition | None:
    return None if place is None else _position(worker, place)
