"""The change log, people, the audit and content keys in one SQLite file, `control.db`.

Many processes write it: the CLI, the keeper, gateway workers. Each write is one `BEGIN IMMEDIATE`
of microseconds, so it runs on the loop. The file is opened when it is first needed, and again
after a failure, so that a process can start while it is away.
"""

import asyncio
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trimtab.domain.audit import Reading
from trimtab.domain.change import Change, Draft
from trimtab.domain.errors import TryLater
from trimtab.store.base.control import Account, Acknowledgement, ContentKey
from trimtab.store.chain import link, refuse_moved_on
from trimtab.store.change_row import change_of, row_of
from trimtab.store.reading_row import LAST, reading_of, values_of
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.statements import statements

POLL_S = 0.1

_SQL = statements("sqlite/control")
_OVERWRITE = "PRAGMA secure_delete=ON"
_EMPTY_LOG = "PRAGMA wal_checkpoint(TRUNCATE)"


class SqliteControl:
    """`store.base.ControlStore` over one file.

    State: the connection, the newest sequence number with the `data_version` it was read at, and
    whether the file was ever there: one that is gone since is not made anew, empty.
    """

    def __init__(self, path: Path, *, was_there: bool = False) -> None:
        self._path = path
        self._was_there = was_there
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._seen: tuple[int, int] | None = None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None

    async def append(
        self,
        drafts: Sequence[Draft],
        *,
        ts_us: int,
        change_ids: Sequence[str],
        at: int | None = None,
    ) -> tuple[Change, ...]:
        """See `ChangeLog.append`."""
        made: list[Change] = []
        with self._opened() as connection, transaction(connection):
            head = _one(connection.execute(_SQL["head"]))
            refuse_moved_on(head, at)
            for draft, change_id in zip(drafts, change_ids, strict=True):
                where = (draft.pointer.kind, draft.pointer.name)
                change = link(
                    draft,
                    last=_one(connection.execute(_SQL["last"], where)),
                    head=head,
                    ts_us=ts_us,
                    change_id=change_id,
                )
                if change is not None:
                    connection.execute(_SQL["append"], row_of(change))
                    made.append(change)
                    head = change
        self._seen = None
        return tuple(made)

    async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
        """See `ChangeLog.changes`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["changes"], (after, limit)).fetchall()
        return tuple(change_of(row) for row in rows)

    async def head(self) -> int:
        """See `ChangeLog.head`. `PRAGMA data_version` moves when another connection commits."""
        with self._opened() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if self._seen is None or self._seen[0] != version:
                (seq,) = connection.execute(_SQL["newest_seq"]).fetchone()
                self._seen = (version, seq)
            return self._seen[1]

    async def moved(self) -> None:
        """See `ChangeLog.moved`. No file tells when it was written."""
        await asyncio.sleep(POLL_S)

    async def acknowledge(self, ack: Acknowledgement) -> None:
        """See `Acknowledgements.acknowledge`."""
        with self._opened() as connection:
            connection.execute(
                _SQL["acknowledge"],
                (ack.worker_id, ack.config_seq, ack.ts_us),
            )

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """See `Acknowledgements.acknowledgements`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["acknowledgements"]).fetchall()
        return tuple(
            Acknowledgement(worker_id=worker_id, config_seq=config_seq, ts_us=ts_us)
            for worker_id, config_seq, ts_us in rows
        )

    async def put_account(self, account: Account) -> None:
        """See `Accounts.put_account`."""
        with self._opened() as connection:
            connection.execute(
                _SQL["put_account"],
                (account.name, account.role, account.password),
            )

    async def account(self, name: str) -> Account | None:
        """See `Accounts.account`."""
        with self._opened() as connection:
            row = connection.execute(_SQL["account"], (name,)).fetchone()
        return None if row is None else Account(name=row[0], role=row[1], password=row[2])

    async def accounts(self) -> tuple[Account, ...]:
        """See `Accounts.accounts`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["accounts"]).fetchall()
        return tuple(Account(name=name, role=role, password=kept) for name, role, kept in rows)

    async def note(self, reading: Reading) -> None:
        """See `AuditLog.note`."""
        with self._opened() as connection:
            connection.execute(_SQL["note"], values_of(reading))

    async def readings(self, *, before: int | None = None, limit: int) -> tuple[Reading, ...]:
        """See `AuditLog.readings`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["readings"], (before or LAST, limit)).fetchall()
        return tuple(reading_of(row) for row in rows)

    async def content_keys(self, tenant_id: str | None = None) -> tuple[ContentKey, ...]:
        """See `ContentKeys.content_keys`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["content_keys"], (tenant_id, tenant_id)).fetchall()
        return tuple(
            ContentKey(tenant_id=of, key_id=key_id, wrapped=wrapped) for of, key_id, wrapped in rows
        )

    async def content_keys_mark(self) -> tuple[int, int]:
        """See `ContentKeys.content_keys_mark`."""
        with self._opened() as connection:
            n, added = connection.execute(_SQL["content_keys_mark"]).fetchone()
        return n, added

    async def add_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """See `ContentKeys.add_content_keys`."""
        with self._opened() as connection, transaction(connection):
            rows = [(it.tenant_id, it.key_id, it.wrapped) for it in keys]
            connection.executemany(_SQL["add_content_key"], rows)

    async def rewrap_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """See `ContentKeys.rewrap_content_keys`."""
        with self._opened() as connection:
            connection.execute(_OVERWRITE)
            with transaction(connection):
                rows = [(it.wrapped, it.tenant_id, it.key_id) for it in keys]
                connection.executemany(_SQL["rewrap_content_key"], rows)
            connection.execute(_EMPTY_LOG).fetchone()

    async def destroy_content_key(self, tenant_id: str) -> bool:
        """See `ContentKeys.destroy_content_key`: its page is overwritten, and the log emptied."""
        with self._opened() as connection:
            connection.execute(_OVERWRITE)
            found = connection.execute(_SQL["destroy_content_key"], (tenant_id,)).rowcount
            connection.execute(_EMPTY_LOG).fetchone()
        return found > 0

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        """Give the connection, and say in our words what SQLite says."""
        try:
            if self._connection is not None and _identity(self._path) != self._file:
                # Somebody put another file in its place: ours is one that nobody else sees.
                self.close()
            if self._connection is None:
                if self._was_there and not self._path.exists():
                    raise FileNotFoundError("it was there before and is gone")
                self._connection = open_writer(self._path, "control")
                self._file, self._was_there = _identity(self._path), True
            yield self._connection
        except (sqlite3.Error, OSError) as exc:
            self.close()
            raise TryLater(
                f"the control store '{self._path}' cannot be used ({exc}); see that the disk is"
                " there, has room and may be written"
            ) from exc


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _one(cursor: sqlite3.Cursor) -> Change | None:
    row = cursor.fetchone()
    return None if row is None else change_of(row)
