"""Ending what is recorded, in whatever engine, on request.

Every step is safe to repeat: content goes before the rows that name it, and what adds up before the
row of a record. Which content survivors use is worked out from their manifests: a table of uses
would cost the recorder a row for each piece of each request.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.ids import ulid_ms
from trimtab.domain.record import Detail
from trimtab.store.base.ending import Erased, SpanKey
from trimtab.store.base.reading import Cursor
from trimtab.store.base.recording import Batch
from trimtab.store.relational.dialect import Writing
from trimtab.store.relational.finding import Finding, Going, of_few_days
from trimtab.store.relational.holding import (
    ID,
    TS_US,
    Day,
    by_day,
    ids_of,
    plain,
    refs_of,
    time_of,
)
from trimtab.store.relational.scope import is_tenant, values_of
from trimtab.store.rollup import DAY_US

RECENT_US = 2 * DAY_US
"""Of a day that began since then, content may just be on its way, its record behind it."""
AT_ONCE = 20_000

NOTHING = msgspec.msgpack.encode(Detail())
_C = TypeVar("_C", bound=Writing)


class Dropped(NamedTuple):
    """How much of the content of a day a step deleted."""

    words: int = 0
    blobs: int = 0


class Erasing(Finding[_C]):
    """`store.base.Eraser` of one engine.

    State, while an erasure goes on: what survivors of a tenant's day use, as far as this process
    stored nothing of that day since.

    Attributes:
        host: Names the state directory to others that record in the same store.
        at_once: How many records a step takes, if nobody says.
    """

    host = ""
    at_once = 1_000

    def __init__(self, sql: Mapping[str, str]) -> None:
        """See `Recording`."""
        super().__init__(sql)
        self._used: dict[Day, frozenset[bytes]] = {}

    @abstractmethod
    def drop_blobs(self, connection: _C, day: Day, refs: Collection[bytes]) -> int:
        """Delete pieces of content of a tenant's day."""

    @abstractmethod
    def drop_words(self, connection: _C, day: Day, request_ids: Collection[str]) -> int:
        """Delete by what requests of a tenant's day are found."""

    @abstractmethod
    def drop_content(
        self, connection: _C, day_us: int, tenant_id: str | None, limit: int
    ) -> Dropped:
        """Delete some of the content of a day, of one tenant or of all; nothing at the end."""

    def drop_all(self, connection: _C, day: Day) -> Dropped:
        """Delete all content of a tenant's day."""
        words = blobs = 0
        while any(dropped := self.drop_content(connection, day[1], day[0], AT_ONCE)):
            words, blobs = words + dropped.words, blobs + dropped.blobs
        return Dropped(words, blobs)

    def scrub(self, connection: _C, going: Going) -> int:
        """Take what they say of people out of records, and delete spans.

        Annotations of the records go with it; tells how many.
        """
        ids = {"ids": ids_of(going.victims), "detail": NOTHING}
        said = 0
        with self.transaction(connection):
            if going.victims:
                for name in ("scrub_detail", "scrub_attempts", "scrub"):
                    connection.execute(self.sql[name], plain(ids))
                said = connection.execute(self.sql["unsay"], plain(ids)).rowcount
            self.put(connection, "untell", [it[ID] for it in going.spans])
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
        place = Cursor(-1, "") if after is None else after
        values = {
            **values_of(erasure),
            "after_us": place.ts_us,
            "after_id": place.request_id,
            "limit": limit or self.at_once,
        }

        def erase(connection: _C) -> Erased:
            held = self.held(connection, now_us)
            return self._erase(connection, erasure.scope, {**values, "held": held}, now_us)

        return await self.do(erase)

    async def commit(self, batch: Batch) -> int:
        """See `RecordWriter.commit`."""
        if self._used:
            self._used.clear()
        return await super().commit(batch)

    async def count(self, erasure: Erasure, *, now_us: int) -> tuple[int, int]:
        """See `Eraser.count`."""

        def count(connection: _C) -> tuple[int, int]:
            values = {**values_of(erasure), "held": self.held(connection, now_us)}
            ((n, held),) = self.ask(connection, "count", values, erasure.scope)
            return int(n), int(held)

        return await self.do(count)

    async def erased(self, request_ids: Collection[str]) -> frozenset[str]:
        """See `Eraser.erased`."""
        # What has no time in its id is no request.
        times = {it: ms * 1000 for it in request_ids if (ms := ulid_ms(it)) is not None}
        if not times:
            return frozenset()
        values = {"ids": list(times), **time_of(list(times.items()))}
        rows = await self.do(lambda it: self.ask(it, "erased", values))
        return frozenset(request_id for (request_id,) in rows)

    async def told(self, spans: Collection[SpanKey]) -> frozenset[SpanKey]:
        """See `Eraser.told`."""
        traces = {(tenant_id, trace_id) for tenant_id, trace_id, _ in spans}

        def look(connection: _C) -> frozenset[SpanKey]:
            return frozenset(
                SpanKey(tenant_id, trace_id, span_id)
                for tenant_id, trace_id in traces
                for (span_id,) in self.ask(
                    connection, "told", {"tenant_id": tenant_id, "trace_id": trace_id}
                )
            )

        return (await self.do(look)) & frozenset(spans)

    async def carried_out(self) -> frozenset[str]:
        """See `Eraser.carried_out`."""
        values = (self.host,)
        rows = await self.do(lambda it: it.execute(self.sql["carried_out"], values).fetchall())
        return frozenset(erasure_id for (erasure_id,) in rows)

    async def carry_out(self, erasure_id: str, *, done_us: int, held: int) -> None:
        """See `Eraser.carry_out`."""
        values = (erasure_id, self.host, done_us, held)
        await self.do(lambda it: it.execute(self.sql["carry_out"], values))

    def _erase(
        self, connection: _C, scope: ErasureScope, values: Mapping[str, Any], now_us: int
    ) -> Erased:
        going = Going(scope, values, recent_us=now_us - RECENT_US)
        if is_tenant(scope) and values["after_us"] < 0:
            told = self.told_by_tenant(connection, going)
            if told.spans or told.claims:
                return Erased(Cursor(-1, ""), self._take(connection, told))
        found = of_few_days(self.ask(connection, "victims", values, scope))
        if not found:
            self._used.clear()
            return Erased(None)
        victims = self.with_descendants(connection, found, values)
        own = {victim[ID] for victim in found}
        # All spans of a tenant went before its records.
        around = [it for it in victims if it[ID] not in own or not is_tenant(scope)]
        spans = self.around(connection, around, values) if around else []
        is_own = len(victims) == len(found)
        deleted = self._take(
            connection, going._replace(victims=victims, is_own=is_own, spans=spans)
        )
        ids = plain({"ids": ids_of(victims)})
        with self.transaction(connection):
            connection.execute(self.sql["by_key"])
            ((lines,),) = connection.execute(self.sql["lines_of"], ids).fetchall()
        last = found[-1]
        place = Cursor(last[TS_US], last[ID])
        return Erased(place, deleted, int(lines), tuple(it[ID] for it in victims))

    def _take(self, connection: _C, going: Going) -> Mapping[str, int]:
        """Delete content, then what names it; tells how much of what."""
        deleted = Counter[str]()
        words = by_day(going.victims)
        ids = plain({"ids": ids_of(going.victims)})
        # First: whoever makes words findable meanwhile waits for this, or is waited for.
        connection.execute(self.sql["undue"], ids)
        said = dict(self.said(connection, going.victims)) if going.victims else {}
        for day, of_day in by_day([*going.victims, *going.spans, *going.claims]).items():
            refs = refs_of(of_day).union(*(said[it[ID]] for it in of_day if it[ID] in said))
            asked = [it[ID] for it in words.get(day, ())]
            deleted.update(self._take_content(connection, going, day, refs, asked))
        with self.transaction(connection):
            connection.execute(self.sql["by_key"])
            connection.execute(self.sql["scrub_lines"], ids)
            claims = plain({"ids": ids_of(going.claims)})
            for name, values in (("unsay_claims", ids), ("unclaim", claims)):
                deleted["annotations"] += connection.execute(self.sql[name], values).rowcount
        deleted["annotations"] += self.scrub(connection, going)
        deleted["records_scrubbed"] += len(going.victims)
        deleted["spans"] += len(going.spans)
        return deleted

    def _take_content(
        self, connection: _C, going: Going, day: Day, refs: set[bytes], asked: Sequence[str]
    ) -> Mapping[str, int]:
        # Of descendants, and of traces, the next step knows more than this one.
        is_known = going.is_own and (is_tenant(going.scope) or not going.spans)
        used = self._used.get(day) if is_known else None
        if used is None:
            used = self.in_use(connection, going, day)
        if is_known:
            self._used[day] = used
        if used or day[1] > going.recent_us:
            words = self.drop_words(connection, day, asked) if asked else 0
            going_refs = self.with_pieces(connection, day, refs) - used
            return {"words": words, "blobs": self.drop_blobs(connection, day, going_refs)}
        return self.drop_all(connection, day)._asdict()
