"""The change log, people, the audit and content keys in Postgres, for several hosts.

The database is away at times and comes back: whatever fails closes the connection, and the next
call opens another.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from trimtab.domain.audit import Reading
from trimtab.domain.change import Change, Draft
from trimtab.domain.errors import TryLater
from trimtab.store.base.control import Account, Acknowledgement, ContentKey
from trimtab.store.chain import link, refuse_moved_on
from trimtab.store.change_row import change_of, row_of
from trimtab.store.postgres.connect import Row, one, open_database, patient, place_of
from trimtab.store.reading_row import LAST, reading_of, values_of
from trimtab.store.statements import statements

DATABASE = "postgres_control"
POLL_S = 0.5

_SQL = {name: sql.encode() for name, sql in statements("postgres/control").items()}


class PostgresControl:
    """`store.base.SharedControlStore` over one connection, used by one call at a time.

    State: the connection, and what this process acknowledged last; it says so again in a new
    session, for an acknowledgement counts as long as its session lives.
    """

    def __init__(self, url: str) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsInvalid: libpq does not understand the URL. It is not repeated.
        """
        self._url = url
        self._place = place_of(url, "gateway.store")
        self._alone = asyncio.Lock()
        self._connection: AsyncConnection[Row] | None = None
        self._said: Acknowledgement | None = None

    async def close(self) -> None:
        """See `SharedControlStore.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

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
        async with self._opened() as connection, connection.transaction():
            await connection.execute(_SQL["alone"])
            head = await _change(await connection.execute(_SQL["head"]))
            refuse_moved_on(head, at)
            for draft, change_id in zip(drafts, change_ids, strict=True):
                where = (draft.pointer.kind.value, draft.pointer.name)
                change = link(
                    draft,
                    last=await _change(await connection.execute(_SQL["last"], where)),
                    head=head,
                    ts_us=ts_us,
                    change_id=change_id,
                )
                if change is not None:
                    await connection.execute(_SQL["append"], row_of(change))
                    made.append(change)
                    head = change
            if made:
                await connection.execute(_SQL["tell"])
        return tuple(made)

    async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
        """See `ChangeLog.changes`."""
        return tuple(change_of(row) for row in await self._rows("changes", after, limit))

    async def head(self) -> int:
        """See `ChangeLog.head`."""
        [(seq,)] = await self._rows("newest_seq")
        return int(seq)

    async def moved(self) -> None:
        """See `ChangeLog.moved`: `NOTIFY` is the hint."""
        async with self._alone:
            if self._connection is not None:
                try:
                    async with patient(self._connection):
                        await self._connection.execute(_SQL["listen"])
                        async for _ in self._connection.notifies(timeout=POLL_S, stop_after=1):
                            pass
                except (psycopg.Error, OSError):
                    await self.close()
                else:
                    return
        await asyncio.sleep(POLL_S)

    async def acknowledge(self, ack: Acknowledgement) -> None:
        """See `Acknowledgements.acknowledge`."""
        async with self._opened() as connection:
            await _acknowledge(connection, ack)
        self._said = ack

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """See `Acknowledgements.acknowledgements`. Workers whose session is gone are left out."""
        return tuple(
            Acknowledgement(worker_id=worker_id, config_seq=config_seq, ts_us=ts_us)
            for worker_id, config_seq, ts_us in await self._rows("acknowledgements")
        )

    async def put_account(self, account: Account) -> None:
        """See `Accounts.put_account`."""
        async with self._opened() as connection:
            kept = (account.name, account.role, account.password)
            await connection.execute(_SQL["put_account"], kept)

    async def account(self, name: str) -> Account | None:
        """See `Accounts.account`."""
        found = [_account(row) for row in await self._rows("account", name)]
        return found[0] if found else None

    async def accounts(self) -> tuple[Account, ...]:
        """See `Accounts.accounts`."""
        return tuple(_account(row) for row in await self._rows("accounts"))

    async def note(self, reading: Reading) -> None:
        """See `AuditLog.note`."""
        async with self._opened() as connection:
            await connection.execute(_SQL["note"], values_of(reading))

    async def readings(self, *, before: int | None = None, limit: int) -> tuple[Reading, ...]:
        """See `AuditLog.readings`."""
        return tuple(reading_of(row) for row in await self._rows("readings", before or LAST, limit))

    async def content_keys(self, tenant_id: str | None = None) -> tuple[ContentKey, ...]:
        """See `ContentKeys.content_keys`."""
        return tuple(
            ContentKey(tenant_id=of, key_id=key_id, wrapped=wrapped)
            for of, key_id, wrapped in await self._rows("content_keys", tenant_id, tenant_id)
        )

    async def content_keys_mark(self) -> tuple[int, int]:
        """See `ContentKeys.content_keys_mark`."""
        [(n, newest)] = await self._rows("content_keys_mark")
        return n, newest

    async def add_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """See `ContentKeys.add_content_keys`."""
        async with self._opened() as connection:
            await connection.execute(_SQL["add_content_keys"], _columns(keys))

    async def rewrap_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """See `ContentKeys.rewrap_content_keys`."""
        async with self._opened() as connection:
            await connection.execute(_SQL["rewrap_content_keys"], _columns(keys))
            await connection.execute(_SQL["clean_content_keys"])

    async def destroy_content_key(self, tenant_id: str) -> bool:
        """See `ContentKeys.destroy_content_key`. Archived logs of the server have copies."""
        async with self._opened() as connection:
            found = await connection.execute(_SQL["destroy_content_key"], (tenant_id,))
            await connection.execute(_SQL["clean_content_keys"])
            return found.rowcount > 0

    async def is_of(self, proof: str) -> bool:
        """See `SharedControlStore.is_of`."""
        async with self._opened() as connection:
            await connection.execute(_SQL["claim_site"], (proof,))
            return bool(await one(connection, _SQL["site"]) == proof)

    async def _rows(self, name: str, *values: object) -> list[Row]:
        async with self._opened() as connection:
            cursor = await connection.execute(_SQL[name], values)
            return await cursor.fetchall()

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[AsyncConnection[Row]]:
        """Give the connection, and say in our words what Postgres says."""
        async with self._alone:
            try:
                if self._connection is None:
                    self._connection = await self._open()
                async with patient(self._connection):
                    yield self._connection
            except (psycopg.Error, OSError) as exc:
                await self.close()
                why = str(exc).partition("\n")[0]
                raise TryLater(
                    f"the control store {self._place} cannot be used ({why}); see that Postgres"
                    " runs, can be reached from here and lets us in"
                ) from exc
            except asyncio.CancelledError:
                # Half of an answer may be on its way.
                await self.close()
                raise

    async def _open(self) -> AsyncConnection[Row]:
        connection = await open_database(self._url, DATABASE)
        if self._said is not None:
            await _acknowledge(connection, self._said)
        return connection


async def _acknowledge(connection: AsyncConnection[Row], ack: Acknowledgement) -> None:
    said = (ack.worker_id, ack.config_seq, ack.ts_us)
    await connection.execute(_SQL["acknowledge"], said)


async def _change(cursor: AsyncCursor[Row]) -> Change | None:
    row = await cursor.fetchone()
    return None if row is None else change_of(row)


def _columns(keys: Sequence[ContentKey]) -> tuple[list[str], list[bytes], list[bytes]]:
    return (
        [it.tenant_id for it in keys],
        [it.key_id for it in keys],
        [it.wrapped for it in keys],
    )


def _account(row: Row) -> Account:
    return Account(name=row[0], role=row[1], password=row[2])
