"""Finding what an erasure takes, and what others still use, in whatever engine."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from trimtab.domain.erasure import ErasureScope
from trimtab.domain.ids import ulid_ms
from trimtab.domain.record import Begin
from trimtab.store.content import pieces_of
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
    plain,
    refs_of,
    time_of,
)
from trimtab.store.relational.scope import scoped
from trimtab.store.rollup import DAY_US

MOST_DAYS = 31
"""Where days lie apart, each costs a step something."""

_begins = msgspec.msgpack.Decoder(Begin)
_C = TypeVar("_C", bound=Writing)


class Going(NamedTuple):
    """What one step takes, and of which erasure.

    Attributes:
        values: Of its statements.
        victims: Records, with those of others that carry their text.
        is_own: Whether all of them are of the scope itself.
        spans: Rows of spans as those of records; their ids are keys.
        claims: Rows of claims about requests that never came, likewise.
        recent_us: From when on content may just be on its way, its record behind it.
    """

    scope: ErasureScope
    values: Mapping[str, Any]
    victims: Sequence[Victim] = ()
    is_own: bool = True
    spans: Sequence[Victim] = ()
    claims: Sequence[Victim] = ()
    recent_us: int = 0


class Finding(Holding[_C]):
    """What is asked before anything goes."""

    def told_by_tenant(self, connection: _C, going: Going) -> Going:
        """Find what a tenant told of its own work, and of requests that never came."""
        spans = self.ask(connection, "spans_of_tenant", going.values)
        claims = connection.execute(self.sql["claims_of_tenant"], plain(going.values)).fetchall()
        return going._replace(spans=_span_rows(spans), claims=[_claim_row(*it) for it in claims])

    def around(
        self, connection: _C, victims: Sequence[Victim], values: Mapping[str, Any]
    ) -> list[Victim]:
        """Find the spans of the traces that some records are in, or that name them."""
        asked = {**values, "ids": ids_of(victims), **time_of(victims)}
        return _span_rows(self.ask(connection, "spans_around", asked))

    def with_descendants(
        self, connection: _C, found: Sequence[Victim], values: Mapping[str, Any]
    ) -> list[Victim]:
        """Add what carries the text of others, as far as that goes."""
        known = {victim[ID]: victim for victim in found}
        fresh: Sequence[Victim] = found
        while fresh:
            asked = {**values, "ids": ids_of(fresh), **time_of(fresh)}
            rows = self.ask(connection, "descendants", asked)
            fresh = [row for row in rows if row[ID] not in known]
            known.update((row[ID], row) for row in fresh)
        return list(known.values())

    def with_pieces(self, connection: _C, day: Day, refs: Collection[bytes]) -> set[bytes]:
        """Add what manifests name."""
        if not refs:
            return set()
        manifests = self.blobs(connection, day, refs)
        return {*refs, *(piece for it in manifests.values() for piece in pieces_of(it))}

    def in_use(self, connection: _C, going: Going, day: Day) -> frozenset[bytes]:
        """Tell what survivors of a tenant's day use."""
        values = {
            **going.values,
            "tenant_id": day[0],
            "day_us": day[1],
            "next_us": day[1] + DAY_US,
            "ids": ids_of(going.victims),
            "spans": ["/".join(it[ID]) for it in going.spans],
            "claims": ids_of(going.claims),
        }
        used = self._open_refs(connection, day) | self._claimed(connection, going, values)
        of_day = {**values, "ids": ids_of(by_day(going.victims).get(day, ()))}
        for name in ("survivors", "said_of_survivors", "spans_of_survivors"):
            used |= refs_of(self.ask(connection, name, of_day, going.scope), first=0)
        return frozenset(self.with_pieces(connection, day, used))

    def _claimed(self, connection: _C, going: Going, values: Mapping[str, Any]) -> set[bytes]:
        """Tell what claims refer to, but for those about what the erasure takes."""
        sql = scoped(self.sql["claims_of_others"], going.scope)
        claims = connection.execute(sql, plain(values)).fetchall()
        asked = {**values, "ids": sorted({request_id for request_id, _ in claims})}
        rows = self.ask(connection, "of_scope", asked, going.scope) if claims else []
        taken = {request_id for (request_id,) in rows}
        return {bytes(ref) for request_id, ref in claims if request_id not in taken}

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


def of_few_days(found: Sequence[Victim]) -> Sequence[Victim]:
    """Give the first of some records, which are in order of time."""
    days: set[int] = set()
    for n, victim in enumerate(found):
        days.add(day_of(victim[TS_US]))
        if len(days) > MOST_DAYS:
            return found[:n]
    return found


def _span_rows(rows: Sequence[Sequence[Any]]) -> list[Victim]:
    return [
        ((tenant_id, trace_id, span_id), received_us, tenant_id, ref)
        for tenant_id, trace_id, span_id, received_us, ref in rows
    ]


def _claim_row(annotation_id: str, request_id: str, tenant_id: str, ref: bytes | None) -> Victim:
    # What was said of a request lies with the content of that.
    return annotation_id, (ulid_ms(request_id) or 0) * 1000, tenant_id, ref
