"""Content in one SQLite file for each UTC day, so that a day can be dropped whole."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from trimtab.domain.record import Blob
from trimtab.store.base import Cursor, RecordFilter, StoredBlob
from trimtab.store.content import Unseal, assemble, no_key
from trimtab.store.relational.recording import Wording
from trimtab.store.rollup import DAY_US
from trimtab.store.sqlite.connect import open_reader, open_writer, transaction
from trimtab.store.sqlite.search import find, put_words
from trimtab.store.statements import statements

MAX_OPEN_DAYS = 4
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
        days: defaultdict[Path, list[tuple[str, bytes, str, bytes]]] = defaultdict(list)
        for tenant_id, ts_us, blob in blobs:
            row = (tenant_id, blob.ref, blob.codec, blob.data)
            days[day_file(self._directory, ts_us)].append(row)
        for path, rows in days.items():
            with transaction(self._connection(path)) as connection:
                connection.executemany(_SQL["put"], rows)

    def get(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """Rebuild a content; as `ContentReader.get`. Raises `sqlite3.Error`, `ValueError`."""
        path = day_file(self._directory, ts_us)
        return _get(self._connection(path), tenant_id, ref) if path.exists() else None

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

    def _connection(self, path: Path) -> sqlite3.Connection:
        connection = self._open.get(path)
        if connection is None:
            if len(self._open) >= MAX_OPEN_DAYS:
                self.close()
            connection = self._open[path] = open_writer(path, "content")
        return connection


class ContentReader:
    """Reads content. State: the file of the day read last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path: Path | None = None
        self._connection: sqlite3.Connection | None = None

    def get(self, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key) -> bytes | None:
        """Rebuild a content; `None` if a piece, or the whole day, is gone.

        Raises:
            ValueError: a piece cannot be read.
        """
        connection = self._day(day_file(self._directory, ts_us))
        return None if connection is None else _get(connection, tenant_id, ref, unseal)

    def find(
        self,
        where: RecordFilter,
        after: Cursor | None,
        at_once: int,
        is_late: Callable[[], bool],
    ) -> Iterator[list[str]]:
        """Give the ids of requests whose words fit, newest first, about so many at once.

        Raises:
            sqlite3.OperationalError: it is late.
        """
        for path, day_us in self._days(where, after):
            connection = self._day(path)
            if connection is not None:
                connection.set_progress_handler(is_late, CHECK_EVERY)
                try:
                    yield from find(connection, day_us, where, after, at_once)
                finally:
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

    def _day(self, path: Path) -> sqlite3.Connection | None:
        if path != self._path or not path.exists():
            if self._connection is not None:
                self._connection.close()
            self._path, self._connection = None, None
            if path.exists():
                self._path, self._connection = path, open_reader(path)
        return self._connection


def _get(
    connection: sqlite3.Connection, tenant_id: str, ref: bytes, unseal: Unseal = no_key
) -> bytes | None:
    def blob(ref: bytes) -> Blob | None:
        row = connection.execute(_SQL["get"], (tenant_id, ref)).fetchone()
        return None if row is None else Blob(ref, *row)

    return assemble(blob, ref, unseal)
