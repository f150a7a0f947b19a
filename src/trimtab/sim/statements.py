"""What the simulator tells about its bill: rows of calls, in buckets of time, page by page.

The rows are the bill's own sums by minute; `bill_faults` says what goes wrong on the way. How they
are written is the provider's: `openai_statements`, `anthropic_statements`.
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from trimtab.sim.bill import Bill, Costs, Usage
from trimtab.sim.bill_faults import BillBoard, BillFaults
from trimtab.sim.request import Refused

HOUR_S, DAY_S = 3_600, 86_400
WIDTHS = {"1m": 60, "1h": HOUR_S, "1d": DAY_S}
LIMITS = {"1m": (60, 1_440), "1h": (24, 168), "1d": (7, 31)}
STRANGER = "elsewhere"
"""The account of calls that came from outside."""

_OTHER_DATE = "2026-06-01"


class Row(NamedTuple):
    """Calls of one minute that are alike."""

    at_s: int
    desk: str
    account: str
    model: str
    calls: int
    usage: Usage
    costs: Costs


class Asked(NamedTuple):
    """What a report is asked for; instants are Unix seconds."""

    start_s: int
    end_s: int
    width_s: int
    limit: int
    group_by: frozenset[str]
    page: str | None


class Bucket(NamedTuple):
    """The rows of a span of time."""

    start_s: int
    end_s: int
    rows: list[Row]


class Page(NamedTuple):
    """Buckets, whether more follow, and where."""

    buckets: list[Bucket]
    has_more: bool
    next_page: str | None


@dataclass(frozen=True, slots=True)
class Statements:
    """Makes pages of the bill. `clock` tells Unix time in seconds."""

    bill: Bill
    board: BillBoard
    clock: Callable[[], float]

    def page(self, asked: Asked, desks: Iterable[str], *, is_usage: bool) -> Page:
        """Give one page of the calls at some desks.

        Raises:
            Refused: the page that is asked for is none.
        """
        faults = self.board.faults
        rows = [] if faults.empty and is_usage else self._rows(set(desks), is_usage=is_usage)
        width_s, start_s = asked.width_s, _read_page(asked.page, asked.start_s)
        starts = range(start_s - start_s % width_s, asked.end_s, width_s)
        shown = starts[: asked.limit]
        buckets = [
            Bucket(
                it, it + width_s, [row for row in rows if it <= self._bucketed(row) < it + width_s]
            )
            for it in shown
        ]
        has_more = len(starts) > len(shown)
        if faults.gap:
            buckets = buckets[:-1]
        if faults.cut:
            return Page(buckets, has_more=True, next_page=None)
        if faults.twice:
            return Page(buckets, has_more=True, next_page=_page(start_s))
        return Page(buckets, has_more, _page(starts[asked.limit]) if has_more else None)

    def _bucketed(self, row: Row) -> int:
        return row.at_s + self.board.faults.shift_h * HOUR_S

    def _rows(self, desks: set[str], *, is_usage: bool) -> list[Row]:
        faults = self.board.faults
        rows = [
            Row(slot.minute_s, slot.desk, slot.account, slot.model.removeprefix("sim/"), *counted)
            for slot, counted in self.bill.slots()
            if slot.desk in desks
        ]
        latest_s = self.clock() - faults.late_h * HOUR_S
        rows = [it for it in rows if not faults.late_h or it.at_s < latest_s]
        rows = [it for it in rows if not faults.dropped or faults.dropped not in it.model]
        if faults.revised:
            rows = [self._revised(it, is_usage=is_usage) for it in rows]
        if faults.outside:
            rows += _strangers(rows, faults)
        if faults.alias:
            rows = [part for it in rows for part in _two_names(it)]
        if faults.price != 1:
            rows = [it._replace(costs=_times(it.costs, faults.price)) for it in rows]
        return rows

    def _revised(self, row: Row, *, is_usage: bool) -> Row:
        known = (f"{row.desk} {row.account} {row.model} {is_usage}", row.at_s)
        if known in self.board.told:
            return row
        self.board.told.add(known)
        return _halves(row)[0]


def money(row: Row) -> int:
    """What calls cost, in nano-USD."""
    return sum(row.costs)


def grouped(rows: Iterable[Row], group: Callable[[Row], tuple[Any, ...]]) -> list[list[Row]]:
    """Put rows together that have the same group."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(group(row), []).append(row)
    return list(groups.values())


def summed(rows: list[Row]) -> Row:
    """Make one row of several that are alike."""
    return rows[0]._replace(
        calls=sum(it.calls for it in rows),
        usage=Usage(*(sum(it) for it in zip(*(row.usage for row in rows), strict=True))),
        costs=Costs(*(sum(it) for it in zip(*(row.costs for row in rows), strict=True))),
    )


def project_of(account: str) -> str | None:
    """Name the project or workspace of a key: what stands before its colon, if it has one."""
    project, colon, _ = account.partition(":")
    return project if colon else None


def read_limit(text: str | None, default: int, most: int) -> int:
    """Read how many buckets a page shall have.

    Raises:
        Refused: it is no such number.
    """
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refused(400, f"limit must be a number from 1 to {most}")
    return int(text)


def _halves(row: Row) -> tuple[Row, Row]:
    one = row._replace(
        usage=Usage(*(it // 2 for it in row.usage)), costs=Costs(*(it // 2 for it in row.costs))
    )
    other = row._replace(
        usage=Usage(*(all_ - it for all_, it in zip(row.usage, one.usage, strict=True))),
        costs=Costs(*(all_ - it for all_, it in zip(row.costs, one.costs, strict=True))),
    )
    return one, other


def _two_names(row: Row) -> tuple[Row, Row]:
    one, other = _halves(row)
    family = row.model[: -len(_OTHER_DATE) - 1]
    return one, other._replace(model=f"{family}-{_OTHER_DATE}")


def _strangers(rows: list[Row], faults: BillFaults) -> list[Row]:
    """Make a call of a stranger beside the first of each day and desk."""
    first: dict[tuple[int, str], Row] = {}
    for row in rows:
        first.setdefault((row.at_s // DAY_S, row.desk), row)
    return [
        row._replace(
            account=STRANGER,
            calls=1,
            usage=Usage(input=faults.outside),
            costs=Costs(input=faults.outside * 1_000),
        )
        for row in first.values()
    ]


def _times(costs: Costs, factor: Fraction) -> Costs:
    return Costs(*(round(it * factor) for it in costs))


def _page(start_s: int) -> str:
    return f"page_{base64.urlsafe_b64encode(b'%d' % start_s).decode().rstrip('=')}"


def _read_page(page: str | None, start_s: int) -> int:
    if page is None:
        return start_s
    text = page.removeprefix("page_")
    try:
        return int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise Refused(400, "page is none of ours") from None
