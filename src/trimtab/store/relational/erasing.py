"""Ending what is recorded, in whatever engine: erasures, and what is kept for a case.

Every step is safe to repeat: pieces of content go before the manifests that name them, and those
before the record that names the manifests. Which content survivors use is worked out from their
manifests: a table of uses would cost the recorder a row for each piece of each request.
"""

import json
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.record import Begin, Blob, Detail, RequestRecord
from trimtab.store.base import Batch, Cursor, Erased
from trimtab.store.content import pieces_of
from trimtab.store.relational.dialect import REFS, Connection
from trimtab.store.relational.recording import Recording
from trimtab.store.rollup import DAY_US

RECENT_US = 2 * DAY_US
"""Of a day that began since then, content may just be on its way, its record behind it."""
AT_ONCE = 20_000

_NOTHING = msgspec.msgpack.encode(Detail())
_ID, _TS_US, _TENANT, _FIRST_REF = range(4)
_begins = msgspec.msgpack.Decoder(Begin)
_C = TypeVar("_C", bound=Connection)
_Victim = tuple[Any, ...]
_Day = tuple[str, int]


class Erasing(Recording[_C]):
    """`store.base.Eraser` and `HoldStore` of one engine.

    State, while an erasure goes on: what survivors of a tenant's day use, as far as this process
    stored nothing of that day since.

    Attributes:
        host: Names the state directory to others that record in the same store.
    """

    host = ""

    def __init__(self, sql: Mapping[str, str]) -> None:
        """See `Recording`."""
        super().__init__(sql)
        self._used: dict[_Day, frozenset[bytes]] = {}

    @abstractmethod
    def blobs(self, connection: _C, day: _Day, refs: Collection[bytes]) -> Mapping[bytes, Blob]:
        """Find pieces of content of a tenant's day."""

    @abstractmethod
    def drop_blobs(self, connection: _C, day: _Day, refs: Collection[bytes]) -> int:
        """Delete pieces of content of a tenant's day, and what finds words in them."""

    @abstractmethod
    def drop_content(self, connection: _C, day_us: int, tenant_id: str | None, limit: int) -> int:
        """Delete some of the content of a day, of one tenant or of all; 0 at the end."""

    @abstractmethod
    def keep_blobs(self, connection: _C, tenant_id: str, blobs: Iterable[Blob]) -> None:
        """Copy pieces of content to where nothing ends them."""

    @abstractmethod
    def drop_kept(self, connection: _C, tenant_id: str, *, but: Collection[bytes]) -> int:
        """Delete the copies of a tenant, but for some."""

    @abstractmethod
    def kept(self, connection: _C, tenant_id: str) -> Mapping[bytes, Blob]:
        """Give the copies of a tenant."""

    @abstractmethod
    def kept_tenants(self, connection: _C) -> list[str]:
        """List the tenants that have copies."""

    async def erase(
        self, erasure: Erasure, *, now_us: int, after: Cursor | None = None, limit: int = 1_000
    ) -> Erased:
        """See `Eraser.erase`."""
        place = Cursor(-1, "") if after is None else after
        values = {**_values(erasure, now_us), "after_us": place.ts_us, "after_id": place.request_id}
        return await self.do(lambda it: self._erase(it, erasure.scope, {**values, "limit": limit}))

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

    async def carried_out(self) -> frozenset[str]:
        """See `Eraser.carried_out`."""
        values = (self.host,)
        rows = await self.do(lambda it: it.execute(self.sql["carried_out"], values).fetchall())
        return frozenset(erasure_id for (erasure_id,) in rows)

    async def carry_out(self, erasure_id: str, *, done_us: int, held: int) -> None:
        """See `Eraser.carry_out`."""
        values = (erasure_id, self.host, done_us, held)
        await self.do(lambda it: it.execute(self.sql["carry_out"], values))

    async def hold(
        self, case_id: str, records: Sequence[RequestRecord], *, author: str, until_us: int | None
    ) -> None:
        """See `HoldStore.hold`."""
        rows = [
            (case_id, it.request_id, it.tenant_id, it.ts_us, author, until_us) for it in records
        ]
        victims: list[_Victim] = [
            (it.request_id, it.ts_us, it.tenant_id, *(getattr(it, name) for name in REFS))
            for it in records
        ]

        def hold(connection: _C) -> None:
            said = self._said(connection, victims)
            for day, of_day in _by_day(victims).items():
                refs = _refs(of_day) | {it for victim in of_day for it in said[victim[_ID]]}
                found = self._reached(connection, day, refs)
                self.keep_blobs(connection, day[0], found.values())
            with self.transaction(connection):
                self.put(connection, "hold", rows)

        await self.do(hold)

    async def holds(self, request_id: str, *, now_us: int) -> tuple[tuple[str, str], ...]:
        """See `HoldStore.holds`."""
        values = (request_id, now_us)
        rows = await self.do(lambda it: it.execute(self.sql["holds"], values).fetchall())
        return tuple((case_id, author) for case_id, author in rows)

    async def release(self, case_id: str | None, *, now_us: int) -> int:
        """See `HoldStore.release`."""

        def release(connection: _C) -> int:
            name, value = ("overdue", now_us) if case_id is None else ("release", case_id)
            with self.transaction(connection):
                n = connection.execute(self.sql[name], (value,)).rowcount
                if n:
                    connection.execute(self.sql["carry_out_again"])
            for tenant_id in self.kept_tenants(connection) if n else ():
                self._let_go(connection, tenant_id)
            return n

        return await self.do(release)

    def _erase(self, connection: _C, scope: ErasureScope, values: Mapping[str, Any]) -> Erased:
        found = connection.execute(self._of("victims", scope), values).fetchall()
        if not found:
            self._used.clear()
            return Erased(None)
        victims = self._with_descendants(connection, found, values["now_us"])
        own = {victim[_ID] for victim in found}
        deleted = Counter[str](records_scrubbed=len(victims))
        said = self._said(connection, victims)
        for day, of_day in _by_day(victims).items():
            ids = {**values, "ids": _ids(of_day), "tenant_id": day[0]}
            span = {**ids, "day_us": day[1], "next_us": day[1] + DAY_US}
            refs = _refs(of_day) | {it for victim in of_day for it in said[victim[_ID]]}
            is_own = all(victim[_ID] in own for victim in of_day)
            used = self._used.get(day) if is_own else None
            if used is None:
                used = self._in_use(connection, scope, day, span)
            if is_own:
                # With descendants the next step knows more victims than this one.
                self._used[day] = used
            if used or day[1] + RECENT_US > values["now_us"]:
                deleted["blobs"] += self._drop(connection, day, refs, used)
            else:
                deleted["blobs"] += self._drop_all(connection, day)
        ids = {"ids": _ids(victims), "detail": _NOTHING}
        with self.transaction(connection):
            deleted["annotations"] += connection.execute(self.sql["unsay"], ids).rowcount
            for name in ("scrub_detail", "scrub_attempts", "scrub"):
                connection.execute(self.sql[name], ids)
            self.put(connection, "scrub_line", [(it[_ID], it[_ID]) for it in victims])
            ((lines,),) = connection.execute(self.sql["lines_of"], ids).fetchall()
        last = found[-1]
        place = Cursor(last[_TS_US], last[_ID])
        return Erased(place, deleted, int(lines), tuple(it[_ID] for it in victims))

    def _with_descendants(
        self, connection: _C, found: Sequence[_Victim], now_us: int
    ) -> list[_Victim]:
        """Add what carries the text of others, as far as that goes."""
        known = {victim[_ID]: victim for victim in found}
        fresh: Sequence[_Victim] = found
        while fresh:
            values = {"ids": _ids(fresh), "now_us": now_us}
            rows = connection.execute(self.sql["descendants"], values).fetchall()
            fresh = [row for row in rows if row[_ID] not in known]
            known.update((row[_ID], row) for row in fresh)
        return list(known.values())

    def _said(self, connection: _C, victims: Sequence[_Victim]) -> defaultdict[str, set[bytes]]:
        found = defaultdict[str, set[bytes]](set)
        values = {"ids": _ids(victims)}
        for request_id, ref in connection.execute(self.sql["said"], values).fetchall():
            found[request_id].add(ref)
        return found

    def _drop(self, connection: _C, day: _Day, refs: set[bytes], used: frozenset[bytes]) -> int:
        """Delete what victims refer to in a tenant's day, and survivors do not."""
        going = self._reached(connection, day, refs).keys() - used
        # Manifests go last: what they name is found again if this is cut short.
        pieces = self.drop_blobs(connection, day, going - refs)
        return pieces + self.drop_blobs(connection, day, going & refs)

    def _drop_all(self, connection: _C, day: _Day) -> int:
        """Delete all content of a tenant's day, of which nothing is used any more."""
        total = 0
        while n := self.drop_content(connection, day[1], day[0], AT_ONCE):
            total += n
        return total

    def _in_use(
        self, connection: _C, scope: ErasureScope, day: _Day, span: Mapping[str, Any]
    ) -> frozenset[bytes]:
        """Tell what survivors of a tenant's day use."""
        rows = connection.execute(self._of("survivors", scope), span).fetchall()
        said = connection.execute(self._of("said_of_survivors", scope), span).fetchall()
        used = _refs(rows, first=0) | _refs(said, first=0) | self._open_refs(connection, day)
        return frozenset(used | self._reached(connection, day, used).keys())

    def _open_refs(self, connection: _C, day: _Day) -> set[bytes]:
        begins = (
            _begins.decode(begin)
            for _, begin, _, _ in connection.execute(self.sql["opened"]).fetchall()
        )
        return {
            it.input_ref
            for it in begins
            if it.input_ref and (it.tenant_id, it.ts_us - it.ts_us % DAY_US) == day
        }

    def _reached(self, connection: _C, day: _Day, refs: Collection[bytes]) -> dict[bytes, Blob]:
        """Find content by its refs, with all that it is put together of."""
        manifests = self.blobs(connection, day, refs)
        pieces = {piece for it in manifests.values() for piece in pieces_of(it)}
        return {**manifests, **self.blobs(connection, day, pieces - manifests.keys())}

    def _let_go(self, connection: _C, tenant_id: str) -> None:
        """Delete the copies that no record that is still kept needs."""
        rows = connection.execute(self.sql["kept_records"], (tenant_id, tenant_id)).fetchall()
        said = connection.execute(self.sql["kept_annotations"], (tenant_id,)).fetchall()
        used = _refs(rows, first=0) | _refs(said, first=0)
        copies = self.kept(connection, tenant_id)
        pieces = {it for ref in used & copies.keys() for it in pieces_of(copies[ref])}
        self.drop_kept(connection, tenant_id, but=used | pieces)

    def _of(self, name: str, scope: ErasureScope) -> str:
        return self.sql[name].replace("/*of*/", condition(scope))


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


def _values(erasure: Erasure, now_us: int) -> dict[str, Any]:
    scope = erasure.scope
    return {
        "of_tenant": scope.tenant_id,
        "of_user": scope.user_hash,
        "of_request": scope.request_id,
        "until_us": erasure.until_us,
        "now_us": now_us,
    }


def _ids(victims: Iterable[_Victim]) -> str:
    return json.dumps([victim[_ID] for victim in victims])


def _refs(rows: Iterable[Sequence[Any]], *, first: int = _FIRST_REF) -> set[bytes]:
    return {bytes(ref) for row in rows for ref in row[first:] if ref is not None}


def _by_day(victims: Iterable[_Victim]) -> Mapping[_Day, list[_Victim]]:
    days = defaultdict[_Day, list[_Victim]](list)
    for victim in victims:
        ts_us = victim[_TS_US]
        days[victim[_TENANT], ts_us - ts_us % DAY_US].append(victim)
    return days
