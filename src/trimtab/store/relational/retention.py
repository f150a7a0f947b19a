"""Ending what is old enough, a little at a time: the recorder writes in between."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import TypeVar

from trimtab.store.relational.dialect import Writing
from trimtab.store.relational.erasing import Erasing
from trimtab.store.rollup import HOUR_US

KINDS = ("record", "annotation", "span", "rollup_minute", "rollup_hour", "rollup_day", "ledger")
"""What ends by itself, as `RetentionStore.expire` knows it; content apart."""

_PARTS = ("end_details", "end_attempts", "end_requests")
_ROWS: Mapping[str, str] = {
    "annotation": "end_annotations",
    "span": "end_spans",
    "ledger": "end_lines",
}
_SUMS: Mapping[str, tuple[str, ...]] = {
    "rollup_minute": ("rollup_minute",),
    "rollup_hour": ("rollup_hour",),
    "rollup_day": ("rollup_day", "rollup_day_local"),
}
_C = TypeVar("_C", bound=Writing)


class Ending(Erasing[_C]):
    """`store.base.RetentionStore` of one engine."""

    @abstractmethod
    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """See `RetentionStore.content_of`."""

    async def expire(self, what: str, before_us: int, *, limit: int) -> int:
        """See `RetentionStore.expire`."""
        return await self.do(lambda it: self._expire(it, what, before_us, limit))

    async def expire_content(self, day_us: int, tenant_id: str | None, *, limit: int) -> int:
        """See `RetentionStore.expire_content`."""
        return await self.do(lambda it: sum(self.drop_content(it, day_us, tenant_id, limit)))

    def may_end_lines(self, connection: _C, before_us: int) -> None:
        """Say in this transaction that lines before an instant have been kept long enough."""

    def _expire(self, connection: _C, what: str, before_us: int, limit: int) -> int:
        with self.transaction(connection):
            if what in _SUMS:
                return sum(self._end_bucket(connection, it, before_us) for it in _SUMS[what])
            if what in _ROWS:
                if what == "ledger":
                    self.may_end_lines(connection, before_us)
                return connection.execute(self.sql[_ROWS[what]], (before_us, limit)).rowcount
            rows = connection.execute(self.sql["old_requests"], (before_us, limit)).fetchall()
            ids = json.dumps([request_id for (request_id,) in rows])
            for name in _PARTS if rows else ():
                connection.execute(self.sql[name], (ids,))
            if rows:
                connection.execute(self.sql["whole_since"], ("request", before_us))
            return len(rows)

    def _end_bucket(self, connection: _C, table: str, before_us: int) -> int:
        """Delete the oldest hour or day of sums; whoever checks sums is told how far."""
        sql = self.sql["oldest_bucket"].replace("/*table*/", table)
        ((bucket_us,),) = connection.execute(sql, (before_us,)).fetchall()
        if bucket_us is None:
            return 0
        connection.execute(self.sql["whole_since"], (table, before_us))
        sql = self.sql["end_bucket"].replace("/*table*/", table)
        span = (bucket_us, min(bucket_us + HOUR_US, before_us))
        return connection.execute(sql, span).rowcount
