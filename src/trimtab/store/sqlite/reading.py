"""Reading records, content and sums back while the keeper writes them."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import SpanOutline
from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.content import Unseal, no_key
from trimtab.store.relational.dialect import Connection
from trimtab.store.relational.filtering import conditions, leaves_out_ok
from trimtab.store.relational.reading import LONGEST_QUERY_S, Reading
from trimtab.store.sqlite.connect import open_reader
from trimtab.store.sqlite.content import CHECK_EVERY, ContentReader
from trimtab.store.sqlite.dialect import DIALECT

_CHECK_EVERY = 10_000
_HAS = "SELECT 1 FROM sqlite_master WHERE name = ?"

_AT_ONCE = 500
_OFTEN = 4
"""How many times so many have the words before they are said to narrow nothing."""
# The plus keeps the planner from walking through all there is in the order of time.
AMONG = "+ts_us >= 0 AND request_id IN (SELECT value FROM json_each(?))"

_T = TypeVar("_T")


class SqliteReading(Reading):
    """`store.relational.reading.Reading` of a directory.

    State: the open files, and when what is asked just now is given up. Files are opened when first
    asked, for the keeper may not have made them yet. A query that takes more than 5 s is given up:
    a long reader would keep the log from being cut.
    """

    def __init__(self, home: Path, tenant_key: Callable[[str], bytes], clock: Clock) -> None:
        super().__init__(DIALECT, tenant_key)
        self._path = home / "records.db"
        self._clock = clock
        self._content = ContentReader(home / "content")
        self._connection: sqlite3.Connection | None = None
        self._guard = threading.Lock()
        self._end_s = 0.0

    @property
    def exists(self) -> bool:
        """See `Reading.exists`."""
        return self._path.exists()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def annotations(self, request_id: str) -> tuple[Annotation, ...]:
        """See `AnnotationReader.annotations`: none where no keeper made a place for them yet."""
        return await super().annotations(request_id) if await self._has("annotation") else ()

    async def outline(
        self, tenant_id: str, trace_id: str, *, limit: int
    ) -> tuple[SpanOutline, ...]:
        """See `SpanReader.outline`: likewise."""
        if not await self._has("span"):
            return ()
        return await super().outline(tenant_id, trace_id, limit=limit)

    async def told_of(
        self, tenant_id: str, request_id: str, response_id: str | None
    ) -> tuple[str, str] | None:
        """See `SpanReader.told_of`: likewise."""
        if not await self._has("span"):
            return None
        return await super().told_of(tenant_id, request_id, response_id)

    async def do(self, work: Callable[[Connection], _T]) -> _T:
        """See `Reading.do`."""
        return await asyncio.to_thread(self._in_thread, work)

    async def stored(
        self, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key
    ) -> bytes | None:
        """See `Reading.stored`: in files of their own."""
        return await self.do(lambda _: self._content.get(tenant_id, ts_us, ref, unseal))

    async def _has(self, table: str) -> bool:
        return await self.do(lambda it: it.execute(_HAS, (table,)).fetchone()) is not None

    def listed(
        self,
        connection: Connection,
        name: str,
        where: RecordFilter,
        after: Cursor | None,
        limit: int,
    ) -> list[Any]:
        """See `Reading.listed`. Words are in the files of days: those found are asked for by id."""
        made, values = conditions(self.dialect, where, after)
        if not where.phrases:
            return self.run(connection, name, made, (*values, limit))
        rows: list[Any] = []
        at_once = max(limit, _AT_ONCE)
        with closing(self._content.find(where, after, at_once, self._is_late)) as parts:
            for n, found in enumerate(parts, 1):
                more = (*values, json.dumps(found), limit - len(rows))
                rows += self.run(connection, name, f"{made} AND {AMONG}", more)
                if len(rows) >= limit:
                    return rows
                if n == _OFTEN and leaves_out_ok(where):
                    break
            else:
                return rows
        return self._listed_by_status(connection, name, where, after, limit)

    def _listed_by_status(
        self,
        connection: Connection,
        name: str,
        where: RecordFilter,
        after: Cursor | None,
        limit: int,
    ) -> list[Any]:
        """Go through what is not ok, and look for the words in it.

        The words are in so much else that this is less; an index has what is not ok.
        """
        rows: list[Any] = []
        while True:
            made, values = conditions(self.dialect, where, after)
            few = self.run(connection, "places", made, (*values, _AT_ONCE))
            found = self._content.among(where, few, self._is_late)
            more = (*values, json.dumps(found), limit - len(rows))
            rows += self.run(connection, name, f"{made} AND {AMONG}", more)
            if len(rows) >= limit or len(few) < _AT_ONCE:
                return rows
            after = Cursor(*few[-1])

    def _in_thread(self, work: Callable[[Connection], _T]) -> _T:
        with self._guard, self._opened() as connection:
            self._end_s = self._clock.monotonic_s() + LONGEST_QUERY_S
            connection.set_progress_handler(self._is_late, CHECK_EVERY)
            return work(connection)

    def _is_late(self) -> bool:
        return self._clock.monotonic_s() > self._end_s

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = open_reader(self._path)
            yield self._connection
        except FileNotFoundError as exc:
            raise TryLater(
                f"nothing is recorded in '{self._path.parent}' yet; run `trimtab up`, or name"
                " another state directory with --home"
            ) from exc
        except sqlite3.DatabaseError as exc:
            self.close()
            raise TryLater(
                f"'{self._path}' cannot be read ({exc}); narrow the question, or see that the disk"
                " is well"
            ) from exc
