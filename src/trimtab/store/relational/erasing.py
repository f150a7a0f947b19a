"""Ending what is recorded, in whatever engine, on request.

Every step is safe to repeat: pieces of content go before the manifests that name them, and those
before the row that names the manifests. Which content survivors use is worked out from their
manifests: a table of uses would cost the recorder a row for each piece of each request.
"""

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.ids import ulid_ms
from trimtab.domain.record import Begin, Detail
from trimtab.store.base.ending import Erased, SpanKey
from trimtab.store.base.reading import Cursor
from trimtab.store.base.recording import Batch
from trimtab.store.relational.dialect import Writing
from trimtab.store.relational.holding import (
    ID,
    TS_US,
    Day,
    Holding,
    Victim,
    by_day,
    day_of,
    ids_of,
    refs_of,
)
from trimtab.store.rollup import DAY_US

RECENT_US = 2 * DAY_US
"""Of a day that began since then, content may just be on its way, its record behind it."""
AT_ONCE = 20_000

_NOTHING = msgspec.msgpack.encode(Detail())
_begins = msgspec.msgpack.Decoder(Begin)
_C = TypeVar("_C", bound=Writing)


class Dropped(NamedTuple):
    """How much of the content of a day a step deleted."""

    words: int = 0
    blobs: int = 0


class _Going(NamedTuple):
    """What one step takes, and of which erasure.

    Attributes:
        victims: Records, with those of others that carry their text.
        is_own: Whether all of them are of the scope itself.
        spans: Rows of spans as those of records; their ids are keys.
        claims: Rows of claims about requests that never came, likewise.
    """

    scope: ErasureScope
    values: Mapping[str, Any]
    victims: Sequence[Victim] = ()
    is_own: bool = True
    spans: Sequence[Victim] = ()
    claims: Sequence[Victim] = ()


class Erasing(Holding[_C]):
    """`store.base.Eraser` of one engine.

    State, while an erasure goes on: what survivors of a tenant's day use, as far as this process
    stored nothing of that day since.

    Attributes:
        host: Names the state directory to others that record in the same store.
    """

    host = ""

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

    async def erase(
        self, erasure: Erasure, *, now_us: int, after: Cursor | None = None, limit: int = 1_000
    ) -> Erased:
        """See `Eraser.erase`."""
        place = Cursor(-1, "") if after is None else after
        values = {
            **_values(erasure, now_us),
            "after_us": place.ts_us,
            "after_id": place.request_id,
            "limit": limit,
        }
        return await self.do(lambda it: self._erase(it, erasure.scope, values))

    async def commit(self, batch: Batch) -> int:
        """See `RecordWriter.commit`."""
        if self._used:
            self._used.clear()
        return await super().commit(batch)

    async def count(self, erasure: Erasure, *, now_us: int) -> tuple[int, int]:
        """See `Eraser.count`."""
        sql, values = self._of("count", erasure.scope), _values(erasure, now_us)
        ((n, held),) = await self.do(lambda it: it.execute(sql, values).fetchall())
        return int(n), int(held)

    async def erased(self, request_ids: Collection[str]) -> frozenset[str]:
        """See `Eraser.erased`."""
        values = (json.dumps(list(request_ids)),)
        rows = await self.do(lambda it: it.execute(self.sql["erased"], values).fetchall())
        return frozenset(request_id for (request_id,) in rows)

    async def told(self, spans: Collection[SpanKey]) -> frozenset[SpanKey]:
        """See `Eraser.told`."""
        traces = {(tenant_id, trace_id) for tenant_id, trace_id, _ in spans}

        def look(connection: _C) -> frozenset[SpanKey]:
            return frozenset(
                SpanKey(*trace, span_id)
                for trace in traces
                for (span_id,) in connection.execute(self.sql["told"], trace).fetchall()
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

    def _erase(self, connection: _C, scope: ErasureScope, values: Mapping[str, Any]) -> Erased:
        if _is_tenant(scope) and values["after_us"] < 0:
            told = self._told(connection, scope, values)
            if told.spans or told.claims:
                return Erased(Cursor(-1, ""), self._take(connection, told))
        found = connection.execute(self._of("victims", scope), values).fetchall()
        if not found:
            self._used.clear()
            return Erased(None)
        victims = self._with_descendants(connection, found, values["now_us"])
        own = {victim[ID] for victim in found}
        # All spans of a tenant went before its records.
        around = [it for it in victims if it[ID] not in own or not _is_tenant(scope)]
        spans = self._around(connection, around, values["now_us"]) if around else []
        is_own = len(victims) == len(found)
        deleted = self._take(connection, _Going(scope, values, victims, is_own, spans))
        ids = {"ids": ids_of(victims)}
        ((lines,),) = connection.execute(self.sql["lines_of"], ids).fetchall()
        last = found[-1]
        place = Cursor(last[TS_US], last[ID])
        return Erased(place, deleted, int(lines), tuple(it[ID] for it in victims))

    def _told(self, connection: _C, scope: ErasureScope, values: Mapping[str, Any]) -> _Going:
        """Find what a tenant told of its own work, and of requests that never came."""
        spans = connection.execute(self.sql["spans_of_tenant"], values).fetchall()
        claims = connection.execute(self.sql["claims_of_tenant"], values).fetchall()
        return _Going(
            scope, values, spans=_span_rows(spans), claims=[_claim_row(*it) for it in claims]
        )

    def _around(self, connection: _C, victims: Sequence[Victim], now_us: int) -> list[Victim]:
        """Find the spans of the traces that some records are in, or that name them."""
        values = {"ids": ids_of(victims), "now_us": now_us}
        return _span_rows(connection.execute(self.sql["spans_around"], values).fetchall())

    def _take(self, connection: _C, going: _Going) -> Mapping[str, int]:
        """Delete content, then what names it; tells how much of what."""
        deleted = Counter[str]()
        said = dict(self.said(connection, going.victims)) if going.victims else {}
        words = by_day(going.victims)
        for day, of_day in by_day([*going.victims, *going.spans, *going.claims]).items():
            refs = refs_of(of_day).union(*(said[it[ID]] for it in of_day if it[ID] in said))
            asked = [it[ID] for it in words.get(day, ())]
            deleted.update(self._take_content(connection, going, day, refs, asked))
        ids = {"ids": ids_of(going.victims), "detail": _NOTHING}
        with self.transaction(connection):
            if going.victims:
                deleted["records_scrubbed"] += len(going.victims)
                deleted["annotations"] += self._scrub(connection, going.victims, ids)
            if going.claims:
                gone = {"ids": ids_of(going.claims)}
                deleted["annotations"] += connection.execute(self.sql["unclaim"], gone).rowcount
            if going.spans:
                self.put(connection, "untell", [it[ID] for it in going.spans])
                deleted["spans"] += len(going.spans)
        return deleted

    def _scrub(self, connection: _C, victims: Sequence[Victim], ids: Mapping[str, Any]) -> int:
        # First: whoever makes words findable meanwhile waits for these rows, and sees them erased.
        for name in ("scrub", "scrub_detail", "scrub_attempts", "undue"):
            connection.execute(self.sql[name], ids)
        self.put(connection, "scrub_line", [(it[ID], it[ID]) for it in victims])
        names = ("unsay", "unsay_claims")
        return sum(connection.execute(self.sql[name], ids).rowcount for name in names)

    def _take_content(
        self, connection: _C, going: _Going, day: Day, refs: set[bytes], asked: Sequence[str]
    ) -> Mapping[str, int]:
        # Of descendants, and of traces, the next step knows more than this one.
        is_known = going.is_own and (_is_tenant(going.scope) or not going.spans)
        used = self._used.get(day) if is_known else None
        if used is None:
            used = self._in_use(connection, going, day)
        if is_known:
            self._used[day] = used
        if used or day[1] + RECENT_US > going.values["now_us"]:
            words = self.drop_words(connection, day, asked) if asked else 0
            return {"words": words, "blobs": self._drop(connection, day, refs, used)}
        return self._drop_all(connection, day)

    def _with_descendants(
        self, connection: _C, found: Sequence[Victim], now_us: int
    ) -> list[Victim]:
        """Add what carries the text of others, as far as that goes."""
        known = {victim[ID]: victim for victim in found}
        fresh: Sequence[Victim] = found
        while fresh:
            values = {"ids": ids_of(fresh), "now_us": now_us}
            rows = connection.execute(self.sql["descendants"], values).fetchall()
            fresh = [row for row in rows if row[ID] not in known]
            known.update((row[ID], row) for row in fresh)
        return list(known.values())

    def _drop(self, connection: _C, day: Day, refs: set[bytes], used: frozenset[bytes]) -> int:
        """Delete what victims refer to in a tenant's day, and survivors do not."""
        going = self.reached(connection, day, refs).keys() - used
        # Manifests go last: what they name is found again if this is cut short.
        pieces = self.drop_blobs(connection, day, going - refs)
        return pieces + self.drop_blobs(connection, day, going & refs)

    def _drop_all(self, connection: _C, day: Day) -> Mapping[str, int]:
        """Delete all content of a tenant's day, of which nothing is used any more."""
        words = blobs = 0
        while any(dropped := self.drop_content(connection, day[1], day[0], AT_ONCE)):
            words, blobs = words + dropped.words, blobs + dropped.blobs
        return {"words": words, "blobs": blobs}

    def _in_use(self, connection: _C, going: _Going, day: Day) -> frozenset[bytes]:
        """Tell what survivors of a tenant's day use."""
        values = {
            **going.values,
            "tenant_id": day[0],
            "day_us": day[1],
            "next_us": day[1] + DAY_US,
            "ids": ids_of(going.victims),
            "spans": json.dumps(["/".join(it[ID]) for it in going.spans]),
            "claims": ids_of(going.claims),
        }
        used = self._open_refs(connection, day)
        for name in ("survivors", "said_of_survivors", "claims_of_survivors", "spans_of_survivors"):
            sql = self._of(name, going.scope)
            used |= refs_of(connection.execute(sql, values).fetchall(), first=0)
        return frozenset(used | self.reached(connection, day, used).keys())

    def _open_refs(self, connection: _C, day: Day) -> set[bytes]:
        begins = (
            _begins.decode(begin)
            for _, begin, _, _ in connection.execute(self.sql["opened"]).fetchall()
        )
        return {
            it.input_ref
            for it in begins
            if it.input_ref and (it.tenant_id, day_of(it.ts_us)) == day
        }

    def _of(self, name: str, scope: ErasureScope) -> str:
        of_all = "TRUE" if _is_tenant(scope) else "FALSE"
        return self.sql[name].replace("/*of*/", condition(scope)).replace("/*of_all*/", of_all)


def condition(scope: ErasureScope) -> str:
    """Write the condition on a record that it is of a scope; it is never unknown."""
    terms = {
        "tenant_id = :of_tenant": scope.tenant_id,
        "coalesce(user_hash, '') = :of_user": scope.user_hash,
        "(request_id = :of_request OR coalesce(origin_request_id, '') = :of_request)": (
            scope.request_id
        ),
    }
    return " AND ".join(term for term, value in terms.items() if value) or "FALSE"


def _is_tenant(scope: ErasureScope) -> bool:
    return bool(scope.tenant_id) and not (scope.user_hash or scope.request_id)


def _values(erasure: Erasure, now_us: int) -> dict[str, Any]:
    scope = erasure.scope
    return {
        "of_tenant": scope.tenant_id,
        "of_user": scope.user_hash,
        "of_request": scope.request_id,
        "until_us": erasure.until_us,
        "now_us": now_us,
    }


def _span_rows(rows: Sequence[Sequence[Any]]) -> list[Victim]:
    return [
        ((tenant_id, trace_id, span_id), received_us, tenant_id, ref)
        for tenant_id, trace_id, span_id, received_us, ref in rows
    ]


def _claim_row(annotation_id: str, request_id: str, tenant_id: str, ref: bytes | None) -> Victim:
    # What was said of a request lies with the content of that.
    return annotation_id, (ulid_ms(request_id) or 0) * 1000, tenant_id, ref
