"""Reading records and content from a ClickHouse, and what adds up from the Postgres beside it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.clickhouse.content import get
from trimtab.store.clickhouse.dialect import DIALECT, SQL
from trimtab.store.clickhouse.search import found
from trimtab.store.clickhouse.session import Archive
from trimtab.store.content import Unseal, no_key
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.relational.dialect import Connection
from trimtab.store.relational.filtering import conditions
from trimtab.store.rollup import HOUR_US

_REMEDY = "narrow the question, or see that ClickHouse runs, can be reached and lets us in"
_WIDER = 8

_T = TypeVar("_T")


class ClickHouseReading(PostgresReading):
    """`store.relational.reading.Reading` of a database of several hosts and its archive.

    State: the connections. A query that takes more than 5 s is given up.
    """

    def __init__(
        self, url: str, host: str, tenant_key: Callable[[str], bytes], archive: Archive
    ) -> None:
        """Connect to nothing yet. Raises as `PostgresReading`."""
        super().__init__(url, host, tenant_key, DIALECT)
        self._archive = archive

    def close(self) -> None:
        """See `Reading.close`."""
        super().close()
        self._archive.close()

    async def kept(self, work: Callable[[Connection], _T]) -> _T:
        """See `Reading.kept`: in the archive."""
        return await asyncio.to_thread(self._archive.use, work, _REMEDY)

    def listed(
        self,
        connection: Connection,
        name: str,
        where: RecordFilter,
        after: Cursor | None,
        limit: int,
    ) -> list[Any]:
        """See `Reading.listed`: from the newest hour on, for the first that fit are enough."""
        oldest_us, newest_us, n = connection.execute(SQL["extent"]).fetchone()
        if n == 0:
            return []
        ends = (newest_us + 1, where.until_us, None if after is None else after.ts_us + 1)
        until_us = min(it for it in ends if it is not None)
        starts_us = max(oldest_us, where.since_us or oldest_us)
        rows: list[Any] = []
        span_us = HOUR_US
        while len(rows) < limit and until_us > starts_us:
            since_us = max(starts_us, until_us - span_us)
            within = replace(where, since_us=since_us, until_us=until_us)
            made, values = conditions(self.dialect, within, after)
            if where.phrases:
                also, more = found(within)
                made, values = f"{made} AND {also}", values + more
            rows += self.run(connection, name, made, (*values, limit - len(rows)))
            until_us, span_us = since_us, span_us * _WIDER
        return rows

    async def stored(
        self, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key
    ) -> bytes | None:
        """See `Reading.stored`: what is kept for a case, and gone here, is in Postgres."""
        found = await self.kept(lambda it: get(it, tenant_id, ts_us, ref, unseal))
        if found is not None:
            return found
        return await super().stored(tenant_id, ts_us, ref, unseal)
