"""Keeping records for a case, in whatever engine: nothing ends the copies of their content."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from json import dumps
from typing import Any, TypeVar

from trimtab.domain.erasure import ErasureScope
from trimtab.domain.record import Blob, RequestRecord
from trimtab.store.content import pieces_of
from trimtab.store.relational.dialect import REFS, Writing
from trimtab.store.relational.recording import Recording
from trimtab.store.relational.scope import scoped
from trimtab.store.rollup import DAY_US

ID, TS_US, TENANT, FIRST_REF = range(4)
"""Where things are in the row of a victim; refs to content follow."""

Victim = tuple[Any, ...]
Day = tuple[str, int]
"""A tenant and the instant that a UTC day begins at."""

_EVERY = ErasureScope()
_C = TypeVar("_C", bound=Writing)


class Holding(Recording[_C]):
    """`store.base.HoldStore` of one engine, and finding content for whoever ends it."""

    @abstractmethod
    def blobs(self, connection: _C, day: Day, refs: Collection[bytes]) -> Mapping[bytes, Blob]:
        """Find pieces of content of a tenant's day."""

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

    async def hold(
        self, case_id: str, records: Sequence[RequestRecord], *, author: str, until_us: int | None
    ) -> None:
        """See `HoldStore.hold`."""
        rows = [
            (case_id, it.request_id, it.tenant_id, it.ts_us, author, until_us) for it in records
        ]
        victims: list[Victim] = [
            (it.request_id, it.ts_us, it.tenant_id, *(getattr(it, name) for name in REFS))
            for it in records
        ]

        def hold(connection: _C) -> None:
            said = self.said(connection, victims)
            for day, of_day in by_day(victims).items():
                refs = refs_of(of_day) | {it for victim in of_day for it in said[victim[ID]]}
                found = self.reached(connection, day, refs)
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

    def ask(
        self, connection: _C, name: str, values: Mapping[str, Any], scope: ErasureScope = _EVERY
    ) -> list[Any]:
        """Ask about single requests, where those are kept. A list stands for its members."""
        return connection.execute(scoped(self.sql[name], scope), plain(values)).fetchall()

    def held(self, connection: _C, now_us: int) -> list[str]:
        """List what is kept for cases."""
        return [it for (it,) in connection.execute(self.sql["held"], (now_us,)).fetchall()]

    def said(self, connection: _C, victims: Iterable[Victim]) -> defaultdict[str, set[bytes]]:
        """Tell what annotations of some records, and claims about them, refer to."""
        found = defaultdict[str, set[bytes]](set)
        values = {"ids": ids_of(victims)}
        claimed = connection.execute(self.sql["said_in_claims"], plain(values)).fetchall()
        for request_id, ref in [*self.ask(connection, "said", values), *claimed]:
            found[request_id].add(ref)
        return found

    def reached(self, connection: _C, day: Day, refs: Collection[bytes]) -> dict[bytes, Blob]:
        """Find content by its refs, with all that it is put together of."""
        manifests = self.blobs(connection, day, refs)
        pieces = {piece for it in manifests.values() for piece in pieces_of(it)}
        return {**manifests, **self.blobs(connection, day, pieces - manifests.keys())}

    def _let_go(self, connection: _C, tenant_id: str) -> None:
        """Delete the copies that no record that is still kept needs."""
        held: list[Victim] = connection.execute(self.sql["held_of_tenant"], (tenant_id,)).fetchall()
        values = {"ids": ids_of(held), **time_of(held)}
        used = refs_of(self.ask(connection, "kept_records", values) if held else (), first=0)
        used.update(*self.said(connection, held).values())
        copies = self.kept(connection, tenant_id)
        pieces = {it for ref in used & copies.keys() for it in pieces_of(copies[ref])}
        self.drop_kept(connection, tenant_id, but=used | pieces)


def plain(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write lists as JSON, as SQLite and Postgres take them alike."""
    return {name: dumps(it) if isinstance(it, list) else it for name, it in values.items()}


def ids_of(victims: Iterable[Victim]) -> list[str]:
    """List ids."""
    return [victim[ID] for victim in victims]


def time_of(victims: Collection[Victim]) -> Mapping[str, int]:
    """Tell in which time records are: none of another day need be looked at."""
    times = [victim[TS_US] for victim in victims] or [0]
    return {"first_us": min(times), "last_us": max(times)}


def refs_of(rows: Iterable[Sequence[Any]], *, first: int = FIRST_REF) -> set[bytes]:
    """Collect the refs in rows."""
    return {bytes(ref) for row in rows for ref in row[first:] if ref is not None}


def day_of(ts_us: int) -> int:
    """Give the instant that the UTC day of an instant begins at."""
    return ts_us - ts_us % DAY_US


def by_day(victims: Iterable[Victim]) -> Mapping[Day, list[Victim]]:
    """Group by tenant and day, where content lies."""
    days = defaultdict[Day, list[Victim]](list)
    for victim in victims:
        days[victim[TENANT], day_of(victim[TS_US])].append(victim)
    return days
