"""Where the recorder commits, in whatever engine: content first, then all that adds up at once.

What a crash leaves behind between the two is content that nobody names, and the repeated batch
puts it there again.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import zstandard

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan
from trimtab.domain.record import Begin, Detail, Finish, LedgerLine
from trimtab.store.base import (
    Batch,
    Move,
    OpenRequest,
    PositionMoved,
    SavedFilter,
    SpoolPosition,
    StoredBlob,
    Unclaimed,
)
from trimtab.store.bodies import answered_words, asked_words
from trimtab.store.relational.dialect import (
    ANNOTATION,
    ATTEMPT,
    LINE,
    REQUEST,
    SPAN,
    Connection,
)
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
from trimtab.store.tally import Amount, Cell, Scored, Tally, is_scored, tally

MIN_COMPRESSED_BYTES = 512

_NO_ONE = (None, None, None)
_ROLLUPS = ("add_hour", "add_day", "add_local_day")

_encoder = msgspec.msgpack.Encoder()
_details = msgspec.msgpack.Decoder(Detail)
_begins = msgspec.msgpack.Decoder(Begin)
_C = TypeVar("_C", bound=Connection)
_S = TypeVar("_S", Sums, MinuteSums)
_K = TypeVar("_K")
_T = TypeVar("_T")


class Wording(NamedTuple):
    """What of a request can be found."""

    request_id: str
    tenant_id: str
    ts_us: int
    asked: tuple[str, ...]
    answered: tuple[str, ...]


class Recording(ABC, Generic[_C]):
    """`store.base.KeeperStore` of one engine.

    State: the names of each tenant that have sums of their own, and all features that have
    counters of their own.
    """

    def __init__(self, sql: Mapping[str, str]) -> None:
        """Begin with nothing open; `sql` is `Dialect.records`."""
        self.sql = sql
        self._known: dict[str, Known] = {}
        self._counted: set[str] | None = None
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
    def stored(self, connection: _C, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """Rebuild a content; `None` if a piece is gone.

        Raises:
            ValueError: a piece cannot be read.
        """

    @abstractmethod
    def put_words(self, connection: _C, wordings: Sequence[Wording]) -> None:
        """Make requests findable, durable when this returns; those that are stay as they are."""

    @abstractmethod
    async def leads(self) -> bool:
        """Whether this keeper does what one of all keepers of the store does, for them all."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""

    def put(self, connection: _C, name: str, rows: Iterable[Row]) -> None:
        """Run a statement for each row."""
        connection.executemany(self.sql[name], rows)

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

    async def settle_claims(self, *, before_us: int) -> Unclaimed:
        """See `RecordWriter.settle_claims`."""
        return await self.do(lambda connection: self._settle_claims(connection, before_us))

    async def adjust(self, lines: Sequence[LedgerLine]) -> int:
        """See `LedgerWriter.adjust`."""
        return await self.do(lambda connection: self._adjust(connection, lines))

    async def index(self, allows: Callable[[str], bool], *, limit: int) -> int:
        """See `SearchIndex.index`."""
        return await self.do(lambda connection: self._index(connection, allows, limit))

    async def save(self, saved: SavedFilter) -> None:
        """See `SavedFilterWriter.save`."""
        row = (saved.owner, saved.name, saved.text)
        await self.do(lambda connection: self.put(connection, "save_filter", [row]))

    async def unsave(self, owner: str, name: str) -> None:
        """See `SavedFilterWriter.unsave`."""
        await self.do(lambda connection: self.put(connection, "unsave_filter", [(owner, name)]))

    def _index(self, connection: _C, allows: Callable[[str], bool], limit: int) -> int:
        due = connection.execute(self.sql["due"], (limit,)).fetchall()
        self.put_words(
            connection, [self._wording(connection, *row) for row in due if allows(row[1])]
        )
        with self.transaction(connection):
            self.put(connection, "taken", [row[:1] for row in due])
        return len(due)

    def _wording(
        self,
        connection: _C,
        request_id: str,
        tenant_id: str,
        ts_us: int,
        *refs: bytes | None,
    ) -> Wording:
        asked, answered = (
            b"" if ref is None else self._readable(connection, tenant_id, ts_us, ref)
            for ref in refs
        )
        return Wording(request_id, tenant_id, ts_us, asked_words(asked), answered_words(answered))

    def _readable(self, connection: _C, tenant_id: str, ts_us: int, ref: bytes) -> bytes:
        try:
            return self.stored(connection, tenant_id, ts_us, ref) or b""
        except ValueError:
            # Whoever looks at the request is told.
            return b""

    def _commit(self, connection: _C, batch: Batch) -> int:
        self.put_content(connection, batch.blobs)
        with self.transaction(connection):
            fresh = self._fresh(connection, batch.finishes)
            self._put_records(connection, fresh)
            self._put_sums(
                connection,
                ((buckets(it), key, sums) for it in fresh for key, sums in parts(it)),
            )
            self._put_minutes(connection, fresh)
            scored = self._scored(connection, batch.annotations)
            rows = [ANNOTATION.row(it) for it in sorted(batch.annotations, key=_by_id)]
            self.put(connection, "put_annotation", rows)
            # In one order everywhere: two keepers wait for one another, and never in a circle.
            told = sorted(batch.spans, key=_by_place)
            self.put(connection, "put_span", [SPAN.row(it) for it in told])
            self._put_counters(connection, tally(fresh, scored, self._features(connection)))
            self._put_claims(connection, batch.claims)
            self._put_open(connection, batch)
            for move in batch.moves:
                self._move(connection, move)
        return len(fresh)

    def _put_claims(self, connection: _C, claims: Sequence[Annotation]) -> None:
        if claims:
            rows = [ANNOTATION.row(it) for it in sorted(claims, key=_by_id)]
            self.put(connection, "put_claim", rows)
            self._accept(connection, {it.request_id for it in claims})

    def _accept(self, connection: _C, request_ids: Collection[str]) -> None:
        for name in ("accept_claims", "end_accepted"):
            connection.execute(self.sql[name], (json.dumps(sorted(request_ids)),))

    def _settle_claims(self, connection: _C, before_us: int) -> Unclaimed:
        with self.transaction(connection):
            found = [request_id for (request_id,) in connection.execute(self.sql["claimed"])]
            self._accept(connection, found)
            refused = connection.execute(self.sql["refuse_claims"], (json.dumps(found),)).rowcount
            orphaned = connection.execute(self.sql["end_orphans"], (before_us,)).rowcount
        return Unclaimed(refused, orphaned)

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

    def _put_records(self, connection: _C, fresh: Sequence[Finish]) -> None:
        self.put(connection, "put_request", [REQUEST.row(it.record) for it in fresh])
        self.put(
            connection,
            "put_detail",
            [(it.record.request_id, self._packed(it.detail)) for it in fresh],
        )
        self.put(
            connection,
            "put_attempt",
            [(it.record.request_id, *ATTEMPT.row(one)) for it in fresh for one in it.attempts],
        )
        self.put(connection, "put_line", [LINE.row(line) for it in fresh for line in it.lines])
        with_content = [it for it in fresh if it.record.input_ref or it.record.output_ref]
        self.put(connection, "put_due", [(it.record.request_id,) for it in with_content])

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

    def _scored(self, connection: _C, annotations: Sequence[Annotation]) -> list[Scored]:
        """Give the scores of judges that are new, with the prompts of their requests."""
        scores = {it.annotation_id: it for it in reversed(annotations) if is_scored(it)}
        if not scores:
            return []
        found = connection.execute(self.sql["known_annotations"], (json.dumps(list(scores)),))
        known = {annotation_id for (annotation_id,) in found}
        asked = json.dumps(list({it.request_id for it in scores.values()}))
        prompts: dict[str, tuple[str, str]] = {
            request_id: (name, number)
            for request_id, name, number in connection.execute(self.sql["prompts_of"], (asked,))
        }
        return [
            Scored(it, *prompts.get(it.request_id, ("", "")))
            for annotation_id, it in scores.items()
            if annotation_id not in known
        ]

    def _features(self, connection: _C) -> set[str]:
        if self._counted is None:
            rows = connection.execute(self.sql["counted"], (Tally.REPLAY.value,))
            self._counted = {json.loads(labels)[0] for (labels,) in rows}
        return self._counted

    def _put_counters(self, connection: _C, added: Sequence[tuple[Cell, Amount]]) -> None:
        rows = [
            (cell.tally.value, json.dumps(cell.labels), cell.bucket, n, total, *(shown or _NO_ONE))
            for cell, (n, total, shown) in added
        ]
        self.put(connection, "add_counter", rows)

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

    def _packed(self, detail: Detail) -> bytes:
        data = _encoder.encode(detail)
        return data if len(data) < MIN_COMPRESSED_BYTES else self._compress(data)


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


def _by_place(span: AppSpan) -> tuple[str, str, str]:
    return span.tenant_id, span.trace_id, span.span_id


def _add(sums: dict[_K, _S], key: _K, more: _S) -> None:
    known = sums.get(key)
    sums[key] = more if known is None else known.plus(more)
