"""Reading records and content from a ClickHouse, and what adds up from the Postgres beside it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from trimtab.domain.record import Blob, RequestRecord
from trimtab.store.base import Cursor, RecordFilter
from trimtab.store.clickhouse.dialect import DIALECT, SQL
from trimtab.store.clickhouse.session import Archive
from trimtab.store.content import assemble, refs
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import day_of
from trimtab.store.relational.dialect import Connection
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

    async def page(
        self, where: RecordFilter, *, after: Cursor | None = None, limit: int = 50
    ) -> tuple[RequestRecord, ...]:
        """See `RecordReader.page`: from the newest hour on, for the first that fit are enough."""
        ((oldest_us, newest_us, n),) = await self.kept(partial(_fetched, SQL["extent"]))
        if n == 0:
            return ()
        ends = (newest_us + 1, where.until_us, None if after is None else after.ts_us + 1)
        until_us = min(it for it in ends if it is not None)
        starts_us = max(oldest_us, where.since_us or oldest_us)
        found: tuple[RequestRecord, ...] = ()
        span_us = HOUR_US
        while len(found) < limit and until_us > starts_us:
            since_us = max(starts_us, until_us - span_us)
            within = replace(where, since_us=since_us, until_us=until_us)
            found += await super().page(within, after=after, limit=limit - len(found))
            until_us, span_us = since_us, span_us * _WIDER
        return found

    def stored(
        self, connection: Connection, tenant_id: str, ts_us: int, ref: bytes
    ) -> bytes | None:
        """See `Reading.stored`: all pieces of a manifest at once."""
        day = day_of(ts_us)

        def blobs(asked: list[bytes]) -> dict[bytes, Blob]:
            rows = connection.execute(SQL["content"], (day, tenant_id, [it.hex() for it in asked]))
            return {ref: Blob(ref, codec, data) for ref, codec, data in rows}

        there = blobs([ref])
        if ref in there:
            there |= blobs(refs(there[ref]))
        return assemble(there.get, ref)


def _fetched(sql: str, connection: Connection) -> list[Any]:
    return connection.execute(sql).fetchall()
