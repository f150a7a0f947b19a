"""Where the recorder commits, in whatever engine: content first, then all that adds up at once.

What a crash leaves behind between the two is content that nobody names, and the repeated batch
puts it there again.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

import msgspec
import zstandard

from trimtab.domain.annotation import Annotation
from trimtab.domain.record import Begin, Detail, Finish, LedgerLine
from trimtab.store.base import (
    Batch,
    Move,
    OpenRequest,
    PositionMoved,
    SpoolPosition,
    StoredBlob,
)
from trimtab.store.relational.dialect import ANNOTATION, ATTEMPT, LINE, REQUEST, Writing
from trimtab.store.relational.rows import Row
from trimtab.store.rollup import (
    Buckets,
    Key,
    Known,
    MinuteKey,
    MinuteSums,
    Sums,
    adjusted,
    bounded,
    buckets,
    minute,
    parts,
)

MIN_COMPRESSED_BYTES = 512

_ROLLUPS = ("add_hour", "add_day", "add_local_day")

_encoder = msgspec.msgpack.Encoder()
_details = msgspec.msgpack.Decoder(Detail)
_begins = msgspec.msgpack.Decoder(Begin)
_C = TypeVar("_C", bound=Writing)
_S = TypeVar("_S", Sums, MinuteSums)
_K = TypeVar("_K")
_T = TypeVar("_T")


class Recording(ABC, Generic[_C]):
    """`store.base.RecordWriter` and `LedgerWriter` of one engine.

    State: the names of each tenant that have sums of their own.
    """

    def __init__(self, sql: Mapping[str, str]) -> None:
        """Begin with nothing open; `sql` is `Dialect.records`."""
        self.sql = sql
        self._known: dict[str, Known] = {}
        self._compress = zstandard.ZstdCompressor(level=3).compress

    @abstractmethod
    async def do(self, work: Callable[[_C], _T]) -> _T:
        """Run a piece of work in a thread, one at a time.

        Raises:
            Unstorable: a value fits no column.
            TryLater: the store is away.
        """

    @abstractmethod
    def transaction(self, connection: _C) -> AbstractContextManager[object]:
        """Run a block as one step, undone if it raises."""

    @abstractmethod
    def put_content(self, connection: _C, blobs: Sequence[StoredBlob]) -> None:
        """Store pieces, durable when this returns; those that are there stay."""

    @abstractmethod
    async def leads(self) -> bool:
        """Whether this keeper does what one of all keepers of the store does, for them all."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""

    def put(self, connection: _C, name: str, rows: Iterable[Row]) -> None:
        """Run a statement for each row."""
        connection.executemany(self.sql[name], rows)

    def keep(
        self, connection: _C, fresh: Sequence[Finish], annotations: Sequence[Annotation]
    ) -> None:
        """Store what is known of single requests, after all that may be refused."""
        self.put(connection, "put_request", [REQUEST.row(it.record) for it in fresh])
        details = [(it.record.request_id, self.packed(it.detail)) for it in fresh]
        self.put(connection, "put_detail", details)
        attempts = [(it.record.request_id, *ATTEMPT.row(a)) for it in fresh for a in it.attempts]
        self.put(connection, "put_attempt", attempts)
        self.put(connection, "put_annotation", map(ANNOTATION.row, annotations))

    def packed(self, detail: Detail) -> bytes:
        """Write the nested parts of a record, compressed if that is worth it."""
        data = _encoder.encode(detail)
        return data if len(data) < MIN_COMPRESSED_BYTES else self._compress(data)

    async def commit(self, batch: Batch) -> int:
        """See `RecordWriter.commit`."""
        return await self.do(lambda connection: self._commit(connection, batch))

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """See `RecordWriter.positions`."""
        rows = await self.do(lambda it: it.execute(self.sql["positions"]).fetchall())
        return tuple(map(position_of, rows))

    async def opened(self) -> tuple[OpenRequest, ...]:
        """See `RecordWriter.opened`."""
        rows = await self.do(lambda it: it.execute(self.sql["opened"]).fetchall())
        return tuple(
            OpenRequest(
                worker_id=worker_id,
                begin=_begins.decode(begin),
                output_tokens=output_tokens,
                lost=bool(lost),
            )
            for worker_id, begin, output_tokens, lost in rows
        )

    async def adjust(self, lines: Sequence[LedgerLine]) -> int:
        """See `LedgerWriter.adjust`."""
        return await self.do(lambda connection: self._adjust(connection, lines))

    def _commit(self, connection: _C, batch: Batch) -> int:
        self.put_content(connection, batch.blobs)
        with self.transaction(connection):
            fresh = self._fresh(connection, batch.finishes)
            adding = [(buckets(it), key, sums) for it in fresh for key, sums in parts(it)]
            self.put(connection, "put_line", [LINE.row(line) for it in fresh for line in it.lines])
            self._put_open(connection, batch)
            for move in batch.moves:
                self._move(connection, move)
            self.keep(connection, fresh, sorted(batch.annotations, key=_by_id))
            # Last, for keepers of other hosts wait for these rows.
            self._put_sums(connection, adding)
            self._put_minutes(connection, fresh)
        return len(fresh)

    def _adjust(self, connection: _C, lines: Sequence[LedgerLine]) -> int:
        with self.transaction(connection):
            told = [(line, adjusted(line)) for line in lines]
            added = [
                adding
                for line, adding in told
                if connection.execute(self.sql["put_adjustment"], LINE.row(line)).rowcount
            ]
            self._put_sums(connection, added)
        return len(added)

    def _fresh(self, connection: _C, finishes: Iterable[Finish]) -> list[Finish]:
        """Leave out what is stored already, and what is there twice."""
        by_id: dict[str, Finish] = {}
        for finish in finishes:
            by_id.setdefault(finish.record.request_id, finish)
        found = connection.execute(self.sql["known"], (json.dumps(list(by_id)),))
        known = {row[0] for row in found}
        return [finish for request_id, finish in by_id.items() if request_id not in known]

    def _put_sums(self, connection: _C, more: Iterable[tuple[Buckets, Key, Sums]]) -> None:
        spans: tuple[dict[tuple[int, Key], Sums], ...] = ({}, {}, {})
        for starts, key, sums in more:
            within = self._bounded(connection, key)
            for span, start_us in zip(spans, starts, strict=True):
                _add(span, (start_us, within), sums)
        for name, span in zip(_ROLLUPS, spans, strict=True):
            # In one order everywhere: two keepers wait for one another, and never in a circle.
            rows = [(start_us, *key, *sums) for (start_us, key), sums in sorted(span.items())]
            self.put(connection, name, rows)

    def _put_minutes(self, connection: _C, fresh: Sequence[Finish]) -> None:
        minutes: dict[MinuteKey, MinuteSums] = {}
        for finish in fresh:
            live = minute(finish.record)
            if live is not None:
                _add(minutes, *live)
        rows = [(*key, *sums) for key, sums in sorted(minutes.items())]
        self.put(connection, "add_minute", rows)

    def _put_open(self, connection: _C, batch: Batch) -> None:
        self.put(connection, "end_request", [(it.record.request_id,) for it in batch.finishes])
        self.put(
            connection,
            "open_request",
            [
                (
                    *(it.begin.request_id, it.worker_id, _encoder.encode(it.begin)),
                    *(it.output_tokens, it.lost),
                )
                for it in batch.opened
            ],
        )

    def _move(self, connection: _C, move: Move) -> None:
        to, since = move
        if since is None:
            row: tuple[Any, ...] = (to.worker_id, to.segment, to.offset)
            moved = connection.execute(self.sql["first_position"], row).rowcount
        else:
            row = (to.segment, to.offset, to.worker_id, since.segment, since.offset)
            moved = connection.execute(self.sql["move_position"], row).rowcount
        if moved != 1:
            raise PositionMoved(f"spool '{to.worker_id}' was moved by somebody else")

    def _bounded(self, connection: _C, key: Key) -> Key:
        known = self._known.get(key.tenant_id)
        if known is None:
            features, models = (
                {name for (name,) in connection.execute(self.sql[names], (key.tenant_id,))}
                for names in ("features", "models")
            )
            known = self._known[key.tenant_id] = Known(features, models)
        return bounded(key, known)


def unpacked(data: bytes) -> Detail:
    """Read the nested parts of a record; large ones are compressed."""
    if data.startswith(zstandard.FRAME_HEADER):
        data = zstandard.ZstdDecompressor().decompress(data)
    return _details.decode(data)


def position_of(row: Row) -> SpoolPosition:
    """Make the position of a row."""
    worker_id, segment, offset = row
    return SpoolPosition(worker_id=worker_id, segment=segment, offset=offset)


def _by_id(annotation: Annotation) -> str:
    return annotation.annotation_id


def _add(sums: dict[_K, _S], key: _K, more: _S) -> None:
    known = sums.get(key)
    sums[key] = more if known is None else known.plus(more)
