"""Adds the ledger up anew, and holds it against the sums by hour and day that are kept of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from trimtab.store.relational.dialect import Connection, Values
from trimtab.store.relational.reading import Reading
from trimtab.store.rollup import DAY_US, HOUR_US
from trimtab.store.statements import statements

_WRITES = "coalesce(cache_write_5m, 0) + coalesce(cache_write_30m, 0) + coalesce(cache_write_1h, 0)"
_COLUMNS: Mapping[str, str] = {
    "cost_nano": "cost_nano",
    "input_tokens": "input_tokens",
    "cached_tokens": "cached_tokens",
    "cache_write_tokens": f"{_WRITES} + coalesce(cache_write_12h, 0)",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
_SQL = statements(
    "relational/verify",
    lines=[f"coalesce(sum({of_line}), 0)" for of_line in _COLUMNS.values()],
    sums=[f"sum({name})" for name in _COLUMNS],
)


_A_DAY = timedelta(days=1)


class Group(NamedTuple):
    """What sums are compared by; what lines say of features and models, sums may say otherwise."""

    tenant_id: str
    key_id: str
    provider: str
    origin: str


class Difference(NamedTuple):
    """A sum that is not what its lines add up to.

    Attributes:
        table: Which kind of sum.
        since: Its first instant, or its date.
        column: What is summed up.
    """

    table: str
    since: str
    group: Group
    column: str
    of_lines: int
    kept: int


_Sums = Counter[tuple[Group, str]]


async def days_kept(reading: Reading) -> tuple[date, date] | None:
    """Give the first and last day that there is anything of.

    Raises:
        TryLater: the file cannot be read.
    """
    ((first, last),) = await reading.do(partial(_fetched, _SQL["days"], ()))
    return None if first is None else (_day(first), _day(last))


async def verify(reading: Reading, first: date, last: date) -> list[Difference]:
    """Compare the days from one to another, of UTC and of tenants, and their hours.

    Raises:
        TryLater: the file cannot be read.
    """
    found: list[Difference] = []
    # What has ended cannot be compared; nor can sums whose requests have.
    ended_us = dict(await reading.do(partial(_fetched, _SQL["whole"], ())))
    local: defaultdict[date, _Sums] = defaultdict(Counter)
    # A tenant's day may begin up to 14 hours from that of UTC.
    day = first - _A_DAY
    while day <= last + _A_DAY:
        start_us, ended = _midnight_us(day), day - _A_DAY
        hours = {
            hour_us: await _booked(reading, hour_us, local)
            for hour_us in range(start_us, start_us + DAY_US, HOUR_US)
        }
        if first <= day <= last:
            whole = _Sums()
            for hour_us, sums in hours.items():
                # `+` would leave out what is below nothing.
                whole.update(sums)
                found += await _differing(reading, "rollup_hour", hour_us, HOUR_US, sums)
            found += await _differing(reading, "rollup_day", start_us, DAY_US, whole)
        of_day = local.pop(ended, _Sums())
        if first <= ended <= last:
            at_us = _midnight_us(ended)
            found += await _differing(reading, "rollup_day_local", at_us, DAY_US, of_day)
        day += _A_DAY
    return [it for it in found if not _has_ended(it, ended_us)]


def _has_ended(difference: Difference, ended_us: Mapping[str, int]) -> bool:
    since = datetime.fromisoformat(difference.since).replace(tzinfo=UTC)
    whole_us = max(ended_us.get(difference.table, 0), ended_us.get("request", 0))
    # Around the edge a tenant's own day is cut by that of UTC.
    return round((since - _A_DAY).timestamp()) * 1_000_000 < whole_us


async def _booked(reading: Reading, hour_us: int, local: defaultdict[date, _Sums]) -> _Sums:
    """Add up the lines of an hour, and put them to the tenants' days, too."""
    booked = _Sums()
    sql = _SQL["lines"].replace("/*day*/", reading.dialect.day("of_us"))
    span = {"since_us": hour_us, "until_us": hour_us + HOUR_US}
    for *group, day, cost, fresh, cached, writes, output, reasoning in await reading.do(
        partial(_fetched, sql, span)
    ):
        found = _named(Group(*group), [cost, fresh, cached, writes, output, reasoning])
        booked.update(found)
        local[date.fromisoformat(day)].update(found)
    return booked


async def _differing(
    reading: Reading, table: str, since_us: int, long_us: int, booked: _Sums
) -> list[Difference]:
    sql = _SQL["sums"].replace("/*table*/", table)
    rows = await reading.do(partial(_fetched, sql, (since_us, since_us + long_us)))
    kept = _Sums()
    for *group, cost, fresh, cached, writes, output, reasoning in rows:
        kept.update(_named(Group(*group), [cost, fresh, cached, writes, output, reasoning]))
    instant = f"{datetime.fromtimestamp(since_us // 1_000_000, UTC):%Y-%m-%d %H:%M}"
    since = instant if table == "rollup_hour" else instant[:10]
    return [
        Difference(table, since, *at, booked[at], kept[at])
        for at in sorted(booked.keys() | kept.keys())
        if booked[at] != kept[at]
    ]


def _fetched(sql: str, values: Values, connection: Connection) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def _named(group: Group, sums: list[int]) -> dict[tuple[Group, str], int]:
    return {(group, name): amount for name, amount in zip(_COLUMNS, sums, strict=True)}


def _day(at_us: int) -> date:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).date()


def _midnight_us(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
