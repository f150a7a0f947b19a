"""Content in one SQLite file for each UTC day, so that a day can be dropped whole."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from trimtab.domain.record import Blob
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.base.recording import StoredBlob
from trimtab.store.content import Unseal, assemble, no_key
from trimtab.store.relational.erasing import Dropped
from trimtab.store.relational.recording import Wording
from trimtab.store.rollup import DAY_US
from trimtab.store.sqlite.connect import open_reader, open_writer, shred, transaction
from trimtab.store.sqlite.search import among, find, forget, forget_tenant, merge, put_words
from trimtab.store.statements import statements

MAX_OPEN_DAYS = 4
KEPT = "kept.db"
"""What is kept for a case, of whatever day."""
CHECK_EVERY = 10_000
"""Instructions of SQLite between two looks at the clock."""

_DATE_DIGITS = 8

_SQL = statements("sqlite/content")


def day_file(directory: Path, ts_us: int) -> Path:
    """Name the file of an instant's day."""
    return directory / f"{datetime.fromtimestamp(ts_us // 1_000_000, UTC):%Y%m%d}.db"


class ContentWriter:
    """Stores content. State: the files of the days written to last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[Path, sqlite3.Connection] = {}

    def put(self, blobs: Iterable[StoredBlob]) -> None:
        """Store pieces; those that are there stay. Raises `sqlite3.Error`."""
        days: defaultdict[int, list[tuple[str, bytes, str, bytes]]] = defaultdict(list)
        for tenant_id, ts_us, blob in blobs:
            days[ts_us // DAY_US].append((tenant_id, blob.ref, blob.codec, blob.data))
        for day, rows in days.items():
            path = day_file(self._directory, day * DAY_US)
            with transaction(self._connection(path)) as connection:
                connection.executemany(_SQL["put"], rows)

    def get(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """Rebuild a content; as `ContentReader.get`. Raises `sqlite3.Error`, `ValueError`."""
        path = day_file(self._directory, ts_us)
        return _get([self._connection(path)], tenant_id, ref) if path.exists() else None

    def put_words(self, wordings: Iterable[Wording]) -> None:
        """Make requests findable. Of a day that is gone nothing is. Raises `sqlite3.Error`."""
        days: defaultdict[Path, list[Wording]] = defaultdict(list)
        for it in wordings:
            if it.asked or it.answered:
                days[day_file(self._directory, it.ts_us)].append(it)
        for path, found in days.items():
            with transaction(self._connection(path)) as connection:
                put_words(connection, found)

    def close(self) -> None:
        """Close the files."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def pieces(self, path: Path, tenant_id: str, refs: Iterable[bytes]) -> dict[bytes, Blob]:
        """Find pieces in a file; of one that is not there, none."""
        if not path.exists():
            return {}
        connection = self._connection(path)
        found = {ref: connection.execute(_SQL["get"], (tenant_id, ref)).fetchone() for ref in refs}
        return {ref: Blob(ref, *row) for ref, row in found.items() if row is not None}

    def all_of(self, path: Path, tenant_id: str) -> dict[bytes, Blob]:
        """Give all pieces of a tenant in a file."""
        if not path.exists():
            return {}
        rows = self._connection(path).execute(_SQL["of_tenant"], (tenant_id,)).fetchall()
        return {ref: Blob(ref, codec, data) for ref, codec, data in rows}

    def keep(self, path: Path, tenant_id: str, blobs: Iterable[Blob]) -> None:
        """Store pieces in a file of no day."""
        rows = [(tenant_id, it.ref, it.codec, it.data) for it in blobs]
        with transaction(self._connection(path)) as connection:
            connection.executemany(_SQL["put"], rows)

    def drop(self, path: Path, tenant_id: str, refs: Collection[bytes]) -> int:
        """Delete pieces of a file."""
        if not refs or not path.exists():
            return 0
        with transaction(self._connection(path)) as connection:
            rows = [(tenant_id, ref) for ref in refs]
            return connection.executemany(_SQL["drop"], rows).rowcount

    def drop_words(self, path: Path, request_ids: Collection[str]) -> int:
        """Delete by what requests are found in a file."""
        if not request_ids or not path.exists():
            return 0
        with transaction(self._connection(path)) as connection:
            return forget(connection, request_ids)

    def merge_words(self, path: Path, *, begin: bool) -> bool:
        """Take deleted words out of the index of a file, a bit; whether there is more to do."""
        return path.exists() and merge(self._connection(path), begin=begin)

    def drop_day(self, path: Path, tenant_id: str | None, limit: int) -> Dropped:
        """Delete some of what a tenant has in a file; the whole file if no other has anything."""
        if not path.exists():
            return Dropped()
        if tenant_id is not None and set(self.tenants(path)) - {tenant_id}:
            with transaction(self._connection(path)) as connection:
                words = forget_tenant(connection, tenant_id, limit)
                blobs = connection.execute(_SQL["drop_of_tenant"], (tenant_id, limit)).rowcount
            return Dropped(words, blobs)
        numbers = self._connection(path).execute(_SQL["numbers"]).fetchone()
        opened = self._open.pop(path, None)
        if opened is not None:
            opened.close()
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return Dropped(*numbers)

    def tenants(self, path: Path) -> list[str]:
        """List the tenants that have something in a file."""
        found: list[str] = []
        last: str | None = ""
        while path.exists() and last is not None:
            (last,) = (
                self._connection(path).execute(_SQL["next_tenant"], {"after": last}).fetchone()
            )
            found += [] if last is None else [last]
        return found

    def days(self) -> Iterator[tuple[int, Path]]:
        """List the days that have a file."""
        for path in sorted(self._directory.glob("[0-9]*.db")):
            day = datetime.strptime(path.stem, "%Y%m%d").replace(tzinfo=UTC)
            yield round(day.timestamp()) * 1_000_000, path

    def files(self) -> list[Path]:
        """List all files."""
        return sorted(self._directory.glob("*.db"))

    def shred(self, path: Path, _records: sqlite3.Connection) -> bool:
        """Leave nothing of what was deleted in a file; whether that could be done."""
        return not path.exists() or shred(self._connection(path))

    def _connection(self, path: Path) -> sqlite3.Connection:
        connection = self._open.get(path)
        if connection is None:
            if len(self._open) >= MAX_OPEN_DAYS:
                self.close()
            connection = self._open[path] = open_writer(path, "content")
        return connection


class ContentReader:
    """Reads content, of its day or as it is kept for a case. State: the files read last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept = directory / KEPT
        self._open: dict[str, tuple[Path, sqlite3.Connection]] = {}

    def get(self, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key) -> bytes | None:
        """Rebuild a content; `None` if a piece, or the whole day, is gone.

        Raises:
            ValueError: a piece cannot be read.
        """
        opened = [self._opened(path) for path in (day_file(self._directory, ts_us), self._kept)]
        return _get([it for it in opened if it is not None], tenant_id, ref, unseal)

    def find(
        self,
        where: RecordFilter,
        after: Cursor | None,
        at_once: int,
        is_late: Callable[[], bool],
    ) -> Generator[list[str]]:
        """Give the ids of requests whose words fit, newest first, about so many at once.

        Raises:
            sqlite3.OperationalError: it is late.
        """
        for path, day_us in self._days(where, after):
            with self._asked(path, is_late) as connection:
                if connection is not None:
                    yield from find(connection, day_us, where, after, at_once)

    def among(
        self, where: RecordFilter, places: Iterable[tuple[int, str]], is_late: Callable[[], bool]
    ) -> list[str]:
        """Tell which requests, given with their instants, have words that fit, in no order.

        Raises:
            sqlite3.OperationalError: it is late.
        """
        found: list[str] = []
        for path, of_day in groupby(places, lambda it: day_file(self._directory, it[0])):
            with self._asked(path, is_late) as connection:
                if connection is not None:
                    found += among(connection, where, [request_id for _, request_id in of_day])
        return found

    @contextmanager
    def _asked(
        self, path: Path, is_late: Callable[[], bool]
    ) -> Generator[sqlite3.Connection | None]:
        connection = self._opened(path)
        if connection is not None:
            connection.set_progress_handler(is_late, CHECK_EVERY)
        try:
            yield connection
        finally:
            if connection is not None:
                connection.set_progress_handler(None, 0)

    def _days(self, where: RecordFilter, after: Cursor | None) -> Iterator[tuple[Path, int]]:
        for path in sorted(self._directory.glob("*.db"), reverse=True):
            if not (len(path.stem) == _DATE_DIGITS and path.stem.isdecimal()):
                continue
            day = datetime.strptime(path.stem, "%Y%m%d").replace(tzinfo=UTC)
            day_us = round(day.timestamp()) * 1_000_000
            is_newer = (where.until_us is not None and day_us >= where.until_us) or (
                after is not None and day_us > after.ts_us
            )
            if not is_newer and day_us + DAY_US > (where.since_us or 0):
                yield path, day_us

    def _opened(self, path: Path) -> sqlite3.Connection | None:
        use = "kept" if path == self._kept else "day"
        found = self._open.get(use)
        if found is not None and found[0] == path and path.exists():
            return found[1]
        if found is not None:
            found[1].close()
            del self._open[use]
        if not path.exists():
            return None
        self._open[use] = path, open_reader(path)
        return self._open[use][1]


def _get(
    opened: Sequence[sqlite3.Connection], tenant_id: str, ref: bytes, unseal: Unseal = no_key
) -> bytes | None:
    def blob(ref: bytes) -> Blob | None:
        for connection in opened:
            row = connection.execute(_SQL["get"], (tenant_id, ref)).fetchone()
            if row is not None:
                return Blob(ref, *row)
        return None

    return assemble(blob, ref, unseal)
