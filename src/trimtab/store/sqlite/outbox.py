"""What of bills is still to be passed on, in `records.db` beside the ledger it is made of."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from trimtab.domain.billing import MeterEvent, Pushed
from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.store.relational.rows import Table
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.statements import statements

_EVENT, _PUSHED = Table(MeterEvent), Table(Pushed)
_SQL = statements("sqlite/outbox", event=_EVENT.columns, pushed=_PUSHED.columns)

_T = TypeVar("_T")


class SqliteOutbox:
    """`store.outbox.Outbox` in a file. State: the file, once it was asked for.

    Its work is done in threads, one piece at a time: the recorder writes the same file.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "records.db"
        self._connection: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()

    async def pushed(self) -> tuple[Pushed, ...]:
        """See `Outbox.pushed`."""
        rows = await self._do(lambda it: it.execute(_SQL["pushed"]).fetchall())
        return tuple(_PUSHED.struct(row) for row in rows)

    async def begin(self, tenant_id: str, month: str) -> None:
        """See `Outbox.begin`."""
        values = {"tenant_id": tenant_id, "month": month}
        await self._do(lambda it: it.execute(_SQL["begin"], values))

    async def put(self, event: MeterEvent, *, pushed_cents: int) -> bool:
        """See `Outbox.put`."""
        month = event.tenant_id, event.month

        def put(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                connection.execute(_SQL["reach"], month)
                values = (event.cents, *month, pushed_cents)
                if connection.execute(_SQL["count"], values).rowcount != 1:
                    return False
                connection.execute(_SQL["put"], _EVENT.row(event))
            return True

        return await self._do(put)

    async def events(self) -> tuple[MeterEvent, ...]:
        """See `Outbox.events`."""
        rows = await self._do(lambda it: it.execute(_SQL["events"]).fetchall())
        return tuple(_EVENT.struct(row) for row in rows)

    async def hold(self, event: MeterEvent) -> None:
        """See `Outbox.hold`."""
        stands = (event.customer, event.due_us, event.tries, event.error, event.doubt_us)
        await self._do(lambda it: it.execute(_SQL["hold"], (*stands, event.state, event.id)))

    async def taken(self, event_id: str) -> bool:
        """See `Outbox.taken`."""
        return await self._do(lambda it: it.execute(_SQL["taken"], (event_id,)).rowcount == 1)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        async with self._turn:
            return await asyncio.to_thread(self._in_thread, work)

    def _in_thread(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            if self._connection is None:
                self._connection = open_writer(self._path, "records")
            return work(self._connection)
        except (sqlite3.Error, SchemaTooNew, OSError) as exc:
            self.close()
            raise TryLater(
                f"the outbox in '{self._path}' cannot be used ({exc}); see that the disk is there,"
                " has room and may be written"
            ) from exc
