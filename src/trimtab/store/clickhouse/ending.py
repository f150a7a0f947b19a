"""Ending what is recorded, where single requests are in a ClickHouse and the rest in a Postgres.

ClickHouse is told to rewrite the parts that rows are in. It does so behind our backs, and though we
or it be killed: what it was told lies in its files. So each step begins by waiting for the one
before, and not until then is anything said to be gone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.errors import TryLater
from trimtab.domain.record import Blob
from trimtab.store.base.ending import Erased
from trimtab.store.base.reading import Cursor
from trimtab.store.clickhouse.content import blobs
from trimtab.store.clickhouse.dialect import SQL
from trimtab.store.clickhouse.session import Archive, Session
from trimtab.store.postgres.content import day_of as iso_of
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.postgres.session import Session as Postgres
from trimtab.store.relational.dialect import REFS
from trimtab.store.relational.erasing import NOTHING, Dropped
from trimtab.store.relational.finding import Going
from trimtab.store.relational.holding import ID, TS_US, Day, Victim, day_of
from trimtab.store.relational.scope import scoped
from trimtab.store.rollup import DAY_US
from trimtab.store.statements import statements

REMEDY = "see that ClickHouse runs, can be reached from here, lets us in and has room"
AT_ONCE = 50_000
FINISH_S = 60.0
UNLINK_S = 30.0
POLL_S, RARELY_S = 0.02, 0.5

# Postgres is kept waiting while blocks of seven tables are put on disk.
PATIENCE_S = 60.0
_RECORDS = ("request_detail", "attempt", "request")
_SQL = statements("clickhouse/erasing", refs=REFS)
_REWRITING = statements("clickhouse/rewriting")
_GOING = ("host", "part", "name")
_ALL_HELD_US = -1


class ClickHouseEnding(PostgresRecording):
    """`store.base.Eraser`, `HoldStore` and `RetentionStore` over both. State: the connections."""

    at_once = AT_ONCE

    def __init__(self, url: str, host: str, archive: Archive, *, is_keeper: bool) -> None:
        """Connect to nothing yet. Arguments and errors are those of `PostgresRecording`."""
        super().__init__(url, host, is_keeper=is_keeper, patience_s=PATIENCE_S)
        self.sql = {**self.sql, **SQL}
        self.archive = archive

    def close(self) -> None:
        """See `Recording.close`."""
        super().close()
        self.archive.close()

    def ask(
        self,
        connection: Postgres,  # noqa: ARG002 -- elsewhere, here and below
        name: str,
        values: Mapping[str, Any],
        scope: ErasureScope = ErasureScope(),  # noqa: B008 -- frozen
    ) -> list[Any]:
        """See `Holding.ask`."""
        return self._ask(name, values, scope)

    def blobs(
        self,
        connection: Postgres,  # noqa: ARG002
        day: Day,
        refs: Collection[bytes],
    ) -> Mapping[bytes, Blob]:
        """See `Holding.blobs`."""
        places = [(day[0], ref) for ref in refs]
        found = self.archive.use(lambda it: blobs(it, iso_of(day[1]), places), REMEDY)
        return {ref: blob for (_, ref), blob in found.items()}

    def drop_blobs(self, connection: Postgres, day: Day, refs: Collection[bytes]) -> int:  # noqa: ARG002
        """See `Erasing.drop_blobs`."""
        if not refs:
            return 0
        self._name(day[1], (ref.hex() for ref in refs))
        return self._rewrite("drop_content", {"tenant_id": day[0]}, day[1])

    def drop_words(self, connection: Postgres, day: Day, request_ids: Collection[str]) -> int:  # noqa: ARG002
        """See `Erasing.drop_words`."""
        self._name(day[1], request_ids)
        return self._rewrite("drop_words", {"tenant_id": day[0]}, day[1])

    def drop_all(self, connection: Postgres, day: Day) -> Dropped:
        """See `Erasing.drop_all`."""
        return self.drop_content(connection, day[1], day[0], AT_ONCE)

    def drop_content(
        self,
        connection: Postgres,  # noqa: ARG002
        day_us: int,
        tenant_id: str | None,
        limit: int,  # noqa: ARG002 -- all at once
    ) -> Dropped:
        """See `Erasing.drop_content`."""
        if tenant_id is None:
            return Dropped(*(self._drop_day(it, day_us) for it in ("search", "content")))
        values = {"tenant_id": tenant_id}
        words = self._rewrite("drop_words_of", values, day_us)
        return Dropped(words, self._rewrite("drop_content_of", values, day_us))

    def scrub(self, connection: Postgres, going: Going) -> int:  # noqa: ARG002
        """See `Erasing.scrub`: the records last, for by them all is found again."""
        ids, spans = _by_day(going.victims), _by_day(going.spans)
        for day_us, victims in ids.items():
            self._name(day_us, victims)
            for name in ("scrub_detail", "scrub_attempts"):
                self._rewrite(name, {"detail": NOTHING.hex()}, day_us)
        said = self._rewrite("unsay", {}) if ids else 0
        for day_us, told in spans.items():
            self._name(day_us, ("/".join(it) for it in told))
            self._rewrite("untell", {}, day_us)
        for day_us in ids:
            self._rewrite("scrub", {}, day_us)
        return said

    async def erase(
        self,
        erasure: Erasure,
        *,
        now_us: int,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Erased:
        """See `Eraser.erase`."""
        await self._finish()
        await asyncio.to_thread(self._forget)
        return await super().erase(erasure, now_us=now_us, after=after, limit=limit)

    async def shred(self) -> tuple[str, ...]:
        """See `Eraser.shred`."""
        told = await super().shred()
        await self._finish()
        left = await self._unlinked()
        try:
            async with asyncio.timeout(UNLINK_S):
                while left:
                    await asyncio.to_thread(self._unlink, sorted({table for table, _ in left}))
                    left &= await self._unlinked()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            told += ("somebody reads ClickHouse: what was deleted is in its files until then",)
        return (*told, "ClickHouse has what was deleted in its backups; they age out")

    async def expire(self, what: str, before_us: int, *, limit: int) -> int:
        """See `RetentionStore.expire`: of single requests a day at once."""
        if what not in ("record", "annotation", "span"):
            return await super().expire(what, before_us, limit=limit)
        await self._finish()
        if what == "span":
            return await asyncio.to_thread(self._end_spans, before_us)
        return await self.do(lambda it: self._end_old(it, what, before_us))

    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """See `RetentionStore.content_of`: day by day, for the recorder writes in between."""
        found: list[tuple[int, str]] = []
        for (part,) in await asyncio.to_thread(self._ask, "content_days", {}):
            rows = await asyncio.to_thread(self._ask, "content_tenants", {"part": part})
            found += [(_instant(part), tenant_id) for (tenant_id,) in rows]
        return tuple(found)

    async def expire_content(self, day_us: int, tenant_id: str | None, *, limit: int) -> int:
        """See `RetentionStore.expire_content`: all at once."""
        await self._finish()
        return await super().expire_content(day_us, tenant_id, limit=limit)

    def _end_old(self, connection: Postgres, what: str, before_us: int) -> int:
        # As long as nobody let go of it, overdue or not.
        values = {"before_us": before_us, "held": self.held(connection, _ALL_HELD_US)}
        if what == "annotation":
            return self._rewrite("end_annotations", values)
        ((oldest_us, n),) = self._ask("oldest_request", values)
        if n:
            n = self._end_records(day_of(oldest_us), before_us, values)
            connection.execute(self.sql["whole_since"], ("request", before_us))
        return n

    def _end_records(self, day_us: int, before_us: int, values: Mapping[str, Any]) -> int:
        """End the records of a day."""
        held = [it for (it,) in self._ask("held_of_day", {**values, "part": _part(day_us)})]
        if not held and day_us + DAY_US <= before_us:
            return [self._drop_day(it, day_us) for it in _RECORDS][-1]
        of_day = {**values, "held": held}
        names = ("end_details", "end_attempts", "end_requests")
        return [self._rewrite(it, of_day, day_us) for it in names][-1]

    def _end_spans(self, before_us: int) -> int:
        values = {"before_us": before_us}
        ((oldest_us, n),) = self._ask("oldest_span", values)
        day_us = day_of(oldest_us)
        if n and day_us + DAY_US <= before_us:
            return self._drop_day("span", day_us)
        return self._rewrite("end_spans", values, day_us) if n else 0

    def _ask(
        self,
        name: str,
        values: Mapping[str, Any],
        scope: ErasureScope = ErasureScope(),  # noqa: B008 -- frozen
    ) -> list[Any]:
        sql = scoped(_SQL[name], scope)
        return self.archive.use(lambda it: it.execute(sql, values).fetchall(), REMEDY)

    def _rewrite(self, name: str, values: Mapping[str, Any], day_us: int | None = None) -> int:
        within = {} if day_us is None else {"part": _part(day_us)}
        told = {**values, **within, "host": self.host}
        return self.archive.use(lambda it: it.rewrite(_REWRITING[name], told), REMEDY)

    def _name(self, day_us: int, names: Iterable[str]) -> None:
        """Say what of a day is to go."""
        rows = [(self.host, _part(day_us), it) for it in names]
        self.archive.use(lambda it: it.insert(it.block("going", _GOING, rows)), REMEDY)

    def _forget(self) -> None:
        """Forget what was to go: it is gone."""
        values = {"host": self.host}
        if self._ask("named", values) != [(0,)]:
            self.archive.use(lambda it: it.tell(_SQL["forget"], values), REMEDY)

    def _drop_day(self, table: str, day_us: int) -> int:
        """Drop a day of a table; tells how many rows it had."""
        values = {"part": _part(day_us)}
        count, drop = (_SQL[it].replace("/*table*/", table) for it in ("rows_of_day", "drop_day"))

        def run(session: Session) -> int:
            ((n,),) = session.execute(count, values).fetchall()
            if n:
                session.tell(drop, values)
            return int(n)

        return self.archive.use(run, REMEDY)

    async def _finish(self) -> None:
        """Wait until ClickHouse has done what it was told, by whomever.

        Raises:
            TryLater: it takes long, and goes on.
        """
        n, why, poll_s = 0, "", POLL_S
        try:
            async with asyncio.timeout(FINISH_S):
                while found := await asyncio.to_thread(self._ask, "unfinished", {}):
                    ((n, why),) = found
                    if not n:
                        return
                    await asyncio.sleep(poll_s)
                    poll_s = min(RARELY_S, poll_s * 1.5)
        except TimeoutError as exc:
            raise TryLater(
                f"ClickHouse has not finished {n} mutations ({why.partition(chr(10))[0] or 'busy'})"
                " and goes on with them; if that stays so, look into system.mutations"
            ) from exc

    async def _unlinked(self) -> set[tuple[str, str]]:
        return {(table, name) for table, name in await asyncio.to_thread(self._ask, "unlinked", {})}

    def _unlink(self, tables: Iterable[str]) -> None:
        for table in tables:
            sql = _SQL["unlink"].replace("/*table*/", table)
            self.archive.use(lambda it, sql=sql: it.tell(sql), REMEDY)


def _by_day(victims: Iterable[Victim]) -> Mapping[int, list[Any]]:
    """Group ids by the instant their day begins at."""
    days = defaultdict[int, list[Any]](list)
    for victim in victims:
        days[day_of(victim[TS_US])].append(victim[ID])
    return days


def _part(day_us: int) -> str:
    """Name the partition of a day."""
    return iso_of(day_us).replace("-", "")


def _instant(part: str) -> int:
    return round(datetime.strptime(part, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 1_000_000
