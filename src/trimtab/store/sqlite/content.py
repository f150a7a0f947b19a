"""Content in one SQLite file for each UTC day, so that a day can be dropped whole."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from trimtab.domain.record import Blob
from trimtab.store.base import StoredBlob
from trimtab.store.content import assemble
from trimtab.store.sqlite.connect import open_reader, open_writer, shred, transaction
from trimtab.store.statements import statements

MAX_OPEN_DAYS = 4
KEPT = "kept.db"
"""What is kept for a case, of whatever day."""

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

    def close(self) -> None:
        """Close the files."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def get(self, path: Path, tenant_id: str, refs: Iterable[bytes]) -> dict[bytes, Blob]:
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
        """Delete pieces of a file, and here belongs what finds words in them."""
        if not refs or not path.exists():
            return 0
        with transaction(self._connection(path)) as connection:
            rows = [(tenant_id, ref) for ref in refs]
            return connection.executemany(_SQL["drop"], rows).rowcount

    def drop_day(self, path: Path, tenant_id: str | None, limit: int) -> int:
        """Delete some of what a tenant has in a file; the whole file if no tenant is named."""
        if not path.exists():
            return 0
        if tenant_id is not None:
            with transaction(self._connection(path)) as connection:
                return connection.execute(_SQL["drop_of_tenant"], (tenant_id, limit)).rowcount
        opened = self._open.pop(path, None)
        if opened is not None:
            opened.close()
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return 1

    def tenants(self, path: Path) -> list[str]:
        """List the tenants that have something in a file."""
        found: list[str] = []
        last: str | None = ""
        while path.exists() and last is not None:
            (last,) = self._connection(path).execute(_SQL["next_tenant"], (last,)).fetchone()
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
        self._open: dict[str, tuple[Path, sqlite3.Connection]] = {}

    def get(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """Rebuild a content; `None` if a piece, or the whole day, is gone.

        Raises:
            ValueError: a piece cannot be read.
        """
        paths = {"day": day_file(self._directory, ts_us), "kept": self._directory / KEPT}
        opened = [self._opened(use, path) for use, path in paths.items()]

        def blob(ref: bytes) -> Blob | None:
            for connection in opened:
                row = connection and connection.execute(_SQL["get"], (tenant_id, ref)).fetchone()
                if row:
                    return Blob(ref, *row)
            return None

        return assemble(blob, ref)

    def _opened(self, use: str, path: Path) -> sqlite3.Connection | None:
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
