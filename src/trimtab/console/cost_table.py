"""Costs as people read them: a stack for each day, and tables that add up."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from trimtab.console.chart import Chart, Line
from trimtab.console.text import usd
from trimtab.cost.breakdown import Breakdown
from trimtab.domain.money import NANO_PER_USD
from trimtab.store.base.ledger import CostRow
from trimtab.store.rollup import midnight_us

ROWS = 50
SERIES = 5
NONE, OTHERS = "none", "others"

_US = 1_000_000
_Group = tuple[str, ...]


class Row(NamedTuple):
    """One group: what people call it, its id if that is another, and its sums."""

    name: str
    id: str
    cost: CostRow


class Table(NamedTuple):
    """Groups, dearest first, that add up to `total`.

    Attributes:
        by: What they are groups of, in a word.
        others: Sums of those beyond `ROWS`; `None` if there are none.
        n_others: How many those are.
    """

    by: str
    rows: tuple[Row, ...]
    others: CostRow | None
    n_others: int
    total: CostRow


class DaySum(NamedTuple):
    """What one day cost."""

    day: date
    n: int
    cost_nano: int


def without_days(found: Breakdown) -> tuple[CostRow, ...]:
    """Add up what was broken down by day first, dearest first."""
    groups: defaultdict[_Group, list[CostRow]] = defaultdict(list)
    for row in found.rows:
        groups[row.group[1:]].append(row)
    sums = [_sum(group, rows) for group, rows in groups.items()]
    return tuple(sorted(sums, key=lambda row: (-row.cost_nano, row.group)))


def by_day(found: Breakdown) -> Mapping[date, DaySum]:
    """Add up each day; one without traffic is not there."""
    days: dict[str, tuple[int, int]] = {}
    for row in found.rows:
        n, cost_nano = days.get(row.group[0], (0, 0))
        days[row.group[0]] = n + row.n, cost_nano + row.cost_nano
    named = ((date.fromisoformat(day), sums) for day, sums in sorted(days.items()))
    return {day: DaySum(day, *sums) for day, sums in named}


def table(rows: Sequence[CostRow], by: str, names: Mapping[str, str]) -> Table:
    """Make a table; `names` are what ids are called."""
    shown, rest = rows[:ROWS], rows[ROWS:]
    return Table(
        by=by,
        rows=tuple(_row(row, names) for row in shown),
        others=_sum((), rest) if rest else None,
        n_others=len(rest),
        total=_sum((), rows),
    )


def stack(
    found: Breakdown, sums: Sequence[CostRow], today: date, names: Mapping[str, str]
) -> Chart:
    """Draw what each day cost, the dearest of the groups by themselves."""
    dearest = [row.group for row in sums[:SERIES]]
    days = found.days.each()
    values: defaultdict[_Group, dict[str, int]] = defaultdict(dict)
    for row in found.rows:
        of_group = values[row.group[1:] if row.group[1:] in dearest else (OTHERS,)]
        of_group[row.group[0]] = of_group.get(row.group[0], 0) + row.cost_nano
    drawn = [(_named(group, names), f"c{n}", values[group]) for n, group in enumerate(dearest, 1)]
    if (OTHERS,) in values and (OTHERS,) not in dearest:
        drawn.append((OTHERS, "c0", values[OTHERS,]))
    most = max(by_day(found).values(), key=lambda it: it.cost_nano, default=None)
    dearest_day = f"; dearest day {most.day}, {usd(most.cost_nano)}" if most else ""
    return Chart(
        "stack",
        "USD",
        f"cost of each day in USD, {usd(found.cost_nano)} in all{dearest_day}",
        tuple(midnight_us(day.isoformat()) // _US for day in days),
        tuple(Line(name, tone, _values(days, of, today)) for name, tone, of in drawn),
        step="day",
    )


def _values(days: Sequence[date], of: Mapping[str, int], today: date) -> tuple[float | None, ...]:
    return tuple(
        of.get(day.isoformat(), 0) / NANO_PER_USD if day <= today else None for day in days
    )


def _row(row: CostRow, names: Mapping[str, str]) -> Row:
    plain = _named(row.group, {})
    name = _named(row.group, names)
    return Row(name, plain if plain != name else "", row)


def _named(group: _Group, names: Mapping[str, str]) -> str:
    return " ".join(names.get(part, part) for part in group if part) or NONE


def _sum(group: _Group, rows: Sequence[CostRow]) -> CostRow:
    columns = zip(*(_figures(row) for row in rows), strict=True)
    n, estimated, unpriced, read, cached, written, cost = map(sum, columns) if rows else (0,) * 7
    return CostRow(
        group=group,
        n=n,
        n_estimated=estimated,
        n_unpriced=unpriced,
        input_tokens=read,
        cached_tokens=cached,
        output_tokens=written,
        cost_nano=cost,
    )


def _figures(row: CostRow) -> tuple[int, ...]:
    tokens = row.input_tokens, row.cached_tokens, row.output_tokens
    return row.n, row.n_estimated, row.n_unpriced, *tokens, row.cost_nano
