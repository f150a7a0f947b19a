"""Words of content in the file of its day: written behind the recorder, found newest first."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from json import dumps
from zlib import crc32

from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.filtering import terms_of
from trimtab.store.relational.recording import Wording
from trimtab.store.rollup import DAY_US
from trimtab.store.statements import statements
from trimtab.store.terms import Op

_SQL = statements("sqlite/content")
MERGED_PAGES = 500
"""Written by one step of merging, which takes some hundredths of a second."""

_WORKED = 2
_BITS = 26
_LOW = (1 << _BITS) - 1


def put_words(connection: sqlite3.Connection, wordings: Iterable[Wording]) -> None:
    """Make requests findable, each once. Raises `sqlite3.Error`."""
    for it in wordings:
        if connection.execute(_SQL["place_of"], (it.request_id,)).fetchone() is not None:
            continue
        place = _free_place(connection, it)
        connection.execute(_SQL["put_searched"], (place, it.request_id, it.tenant_id))
        row = (place, _scope(it.tenant_id), " ".join(it.asked), " ".join(it.answered))
        connection.execute(_SQL["put_words"], row)


def forget(connection: sqlite3.Connection, request_ids: Collection[str]) -> int:
    """Make requests unfindable; tells how many were. Raises `sqlite3.Error`."""
    ids = dumps(list(request_ids))
    return _forget(connection, connection.execute(_SQL["places_of"], (ids,)).fetchall())


def forget_tenant(connection: sqlite3.Connection, tenant_id: str, limit: int) -> int:
    """Make some requests of a tenant unfindable; tells how many. Raises `sqlite3.Error`."""
    values = (tenant_id, limit)
    return _forget(connection, connection.execute(_SQL["places_of_tenant"], values).fetchall())


def merge(connection: sqlite3.Connection, *, begin: bool) -> bool:
    """Do some of the work after which no deleted word is in the index; whether there is more."""
    before = connection.total_changes
    connection.execute(_SQL["merge"], (-MERGED_PAGES if begin else MERGED_PAGES,))
    # A step that found nothing to do changes one row, its own.
    return connection.total_changes - before >= _WORKED


def find(
    connection: sqlite3.Connection,
    day_us: int,
    where: RecordFilter,
    after: Cursor | None,
    at_once: int,
) -> Iterator[list[str]]:
    """Give the ids of requests of a day whose words fit, newest first, so many at once.

    All of one instant come together, in no order.
    """
    if connection.execute(_SQL["has_search"]).fetchone() is None:
        return
    query = _query(where)
    low, high = (_bound(day_us, it) for it in _span(where, after))
    while True:
        found = connection.execute(_SQL["find"], (query, low, high, at_once)).fetchall()
        if len(found) == at_once:
            # Whoever else is of the last instant comes with it.
            first = found[-1][0] & ~_LOW
            rest = (query, max(low, first), found[-1][0], _LOW)
            found += connection.execute(_SQL["find"], rest).fetchall()
            high = first
        yield [request_id for _, request_id in found]
        if len(found) < at_once:
            return


def among(
    connection: sqlite3.Connection, where: RecordFilter, request_ids: Collection[str]
) -> list[str]:
    """Tell which requests of a day have words that fit, in no order."""
    if connection.execute(_SQL["has_search"]).fetchone() is None:
        return []
    values = (dumps(list(request_ids)), _query(where))
    return [request_id for (request_id,) in connection.execute(_SQL["among"], values).fetchall()]


def _forget(connection: sqlite3.Connection, places: Sequence[tuple[int]]) -> int:
    connection.executemany(_SQL["forget_words"], places)
    connection.executemany(_SQL["forget_place"], places)
    return len(places)


def _free_place(connection: sqlite3.Connection, of: Wording) -> int:
    first = (of.ts_us % DAY_US) << _BITS
    low = crc32(of.request_id.encode()) & _LOW
    while connection.execute(_SQL["is_taken"], (first | low,)).fetchone() is not None:
        low = (low + 1) & _LOW
    return first | low


def _span(where: RecordFilter, after: Cursor | None) -> tuple[int, int]:
    until_us = (1 << 62) if where.until_us is None else where.until_us
    return where.since_us or 0, until_us if after is None else min(until_us, after.ts_us + 1)


def _bound(day_us: int, at_us: int) -> int:
    return max(0, min(DAY_US, at_us - day_us)) << _BITS


def _query(where: RecordFilter) -> str:
    """Write what FTS5 matches. Words are letters and digits, so nothing in them is syntax."""
    wanted = [f'{{asked answered}} : "{" ".join(phrase)}"' for phrase in where.phrases]
    for term in terms_of(where):
        if term.column == "tenant_id" and term.op is Op.IN and not term.negated:
            scopes = " OR ".join(_scope(str(it)) for it in term.values)
            wanted.append(f"scope : ({scopes})")
    return " AND ".join(wanted)


def _scope(tenant_id: str) -> str:
    return f"t{tenant_id.encode().hex()}"
