"""Where the recorder commits: `records.db` and the content of each day.

Content goes first, for a transaction over two files in WAL mode is not atomic. What a crash leaves
behind between the two is content that nobody names, and the repeated batch puts it there again.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import zstandard

from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.domain.record import Attempt, Begin, Detail, Finish, LedgerLine, RequestRecord
from trimtab.store.base import (
    Batch,
    Move,
    OpenRequest,
    PositionMoved,
    SpoolPosition,
    Unstorable,
)
from trimtab.store.rollup import (
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
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.sqlite.content import ContentWriter
from trimtab.store.sqlite.rows import Table
from trimtab.store.statements import statements

MIN_COMPRESSED_BYTES = 512

REQUEST, ATTEMPT, LINE = Table(RequestRecord), Table(Attempt), Table(LedgerLine)

SQL = statements(
    "sqlite/records",
    request=REQUEST.columns,
    attempt=ATTEMPT.columns,
    line=LINE.columns,
    key=Key._fields,
    sums=Sums._fields,
    add=[f"{name} = {name} + excluded.{name}" for name in Sums._fields],
)

_ROLLUPS = ("add_hour", "add_day", "add_local_day")
_POISON = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)

_encoder = msgspec.msgpack.Encoder()
_details = msgspec.msgpack.Decoder(Detail)
_begins = msgspec.msgpack.Decoder(Begin)
_S = TypeVar("_S", Sums, MinuteSums)
_K = TypeVar("_K")
_T = TypeVar("_T")


class SqliteRecording:
    """`store.base.RecordWriter` and `LedgerWriter` over a directory.

    State: the open files, and the names of each tenant that have sums of their own. Its work
    is done in threads, one piece at a time.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "records.db"
        self._content = ContentWriter(home / "content")
        self._connection: sqlite3.Connection | None = None
        self._known: dict[str, Known] = {}
        self._turn = asyncio.Lock()
        self._compress = zstandard.ZstdCompressor(level=3).compress

    async def commit(self, batch: Batch) -> int:
        """See `RecordWriter.commit`."""
        return await self._do(lambda connection: self._commit(connection, batch))

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """See `RecordWriter.positions`."""
        rows = await self._do(lambda it: it.execute(SQL["positions"]).fetchall())
        return tuple(
            SpoolPosition(worker_id=worker_id, segment=segment, offset=offset)
            for worker_id, segment, offset in rows
        )

    async def opened(self) -> tuple[OpenRequest, ...]:
        """See `RecordWriter.opened`."""
        rows = await self._do(lambda it: it.execute(SQL["opened"]).fetchall())
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
        return await self._do(lambda connection: self._adjust(connection, lines))

    def close(self) -> None:
        """Close the files; the next call opens them again."""
        self._content.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        async with self._turn:
            return await asyncio.to_thread(self._in_thread, work)

    def _in_thread(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with _explained(self._path, self.close):
            if self._connection is None:
                self._connection = open_writer(self._path, "records")
            return work(self._connection)

    def _commit(self, connection: sqlite3.Connection, batch: Batch) -> int:
        self._content.put(batch.blobs)
        with transaction(connection):
            fresh = _fresh(connection, batch.finishes)
            self._put_records(connection, fresh)
            self._put_sums(connection, fresh)
            _put_open(connection, batch)
            for move in batch.moves:
                _move(connection, move)
        return len(fresh)

    def _adjust(self, connection: sqlite3.Connection, lines: Sequence[LedgerLine]) -> int:
        added = 0
        with transaction(connection):
            for line in lines:
                starts, key, sums = adjusted(line)
                if not connection.execute(SQL["put_adjustment"], LINE.row(line)).rowcount:
                    continue
                added += 1
                bounded = self._bounded(connection, key)
                for name, start_us in zip(_ROLLUPS, starts, strict=True):
                    connection.execute(SQL[name], (start_us, *bounded, *sums))
        return added

    def _put_records(self, connection: sqlite3.Connection, fresh: Sequence[Finish]) -> None:
        connection.executemany(SQL["put_request"], [REQUEST.row(it.record) for it in fresh])
        connection.executemany(
            SQL["put_detail"],
            [(it.record.request_id, self._packed(it.detail)) for it in fresh],
        )
        connection.executemany(
            SQL["put_attempt"],
            [(it.record.request_id, *ATTEMPT.row(one)) for it in fresh for one in it.attempts],
        )
        connection.executemany(
            SQL["put_line"], [LINE.row(line) for it in fresh for line in it.lines]
        )

    def _put_sums(self, connection: sqlite3.Connection, fresh: Sequence[Finish]) -> None:
        spans: tuple[dict[tuple[int, Key], Sums], ...] = ({}, {}, {})
        minutes: dict[MinuteKey, MinuteSums] = {}
        for finish in fresh:
            starts = buckets(finish)
            for key, sums in parts(finish):
                bounded = self._bounded(connection, key)
                for span, start_us in zip(spans, starts, strict=True):
                    _add(span, (start_us, bounded), sums)
            live = minute(finish.record)
            if live is not None:
                _add(minutes, *live)
        for name, span in zip(_ROLLUPS, spans, strict=True):
            rows = [(start_us, *key, *sums) for (start_us, key), sums in span.items()]
            connection.executemany(SQL[name], rows)
        connection.executemany(SQL["add_minute"], [(*key, *sums) for key, sums in minutes.items()])

    def _bounded(self, connection: sqlite3.Connection, key: Key) -> Key:
        known = self._known.get(key.tenant_id)
        if known is None:
            features, models = (
                {name for (name,) in connection.execute(SQL[names], (key.tenant_id,))}
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


def _fresh(connection: sqlite3.Connection, finishes: Iterable[Finish]) -> list[Finish]:
    """Leave out what is stored already, and what is there twice."""
    by_id: dict[str, Finish] = {}
    for finish in finishes:
        by_id.setdefault(finish.record.request_id, finish)
    known = {row[0] for row in connection.execute(SQL["known"], (json.dumps(list(by_id)),))}
    return [finish for request_id, finish in by_id.items() if request_id not in known]


def _put_open(connection: sqlite3.Connection, batch: Batch) -> None:
    connection.executemany(
        SQL["end_request"], [(finish.record.request_id,) for finish in batch.finishes]
    )
    connection.executemany(
        SQL["open_request"],
        [
            (
                it.begin.request_id,
                it.worker_id,
                _encoder.encode(it.begin),
                it.output_tokens,
                it.lost,
            )
            for it in batch.opened
        ],
    )


def _move(connection: sqlite3.Connection, move: Move) -> None:
    to, since = move
    if since is None:
        row: tuple[Any, ...] = (to.worker_id, to.segment, to.offset)
        moved = connection.execute(SQL["first_position"], row).rowcount
    else:
        row = (to.segment, to.offset, to.worker_id, since.segment, since.offset)
        moved = connection.execute(SQL["move_position"], row).rowcount
    if moved != 1:
        raise PositionMoved(f"spool '{to.worker_id}' was moved by somebody else")


def _add(sums: dict[_K, _S], key: _K, more: _S) -> None:
    known = sums.get(key)
    sums[key] = more if known is None else known.plus(more)


@contextmanager
def _explained(path: Path, close: Callable[[], None]) -> Generator[None]:
    """Say in our words what SQLite says. What cannot be used is closed and opened anew."""
    try:
        yield
    except _POISON as exc:
        raise Unstorable(str(exc)) from exc
    except (sqlite3.Error, SchemaTooNew, OSError) as exc:
        close()
        raise TryLater(
            f"the record store '{path}' cannot be used ({exc}); see that the disk is there, has"
            " room and may be written"
        ) from exc
