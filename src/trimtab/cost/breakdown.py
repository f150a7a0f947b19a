"""What live traffic cost, broken down: commands, calls, pages and files all tell this answer."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.money import usd_text
from trimtab.store.base.ledger import CostRow
from trimtab.store.base.sums import RollupReader
from trimtab.store.rollup import midnight_us

GROUPS = (
    *("tenant_id", "feature", "model", "provider", "key_id", "prompt_name", "prompt_version"),
    *("experiment", "arm", "day"),
)
"""What costs are kept by."""

_FIGURES = (
    *("requests", "input_tokens", "cached_tokens", "output_tokens", "cost_nano", "cost_usd"),
    "unpriced_requests",
)
_ONE = timedelta(days=1)
_US = 1_000_000


class Days(NamedTuple):
    """Days of a calendar, up to and without `after`."""

    first: date
    after: date

    @property
    def last(self) -> date:
        """The last of them."""
        return self.after - _ONE

    @property
    def since_us(self) -> int:
        """Name the first as sums do: by the first instant of its date in UTC."""
        return midnight_us(self.first.isoformat())

    @property
    def until_us(self) -> int:
        """Name the first day after them."""
        return midnight_us(self.after.isoformat())

    @property
    def month(self) -> str | None:
        """Name the month, as `2026-10`, if they are one."""
        return f"{self.first:%Y-%m}" if self == month_of(self.first) else None

    def each(self) -> list[date]:
        """List them."""
        return [self.first + n * _ONE for n in range((self.after - self.first).days)]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Costs of some days by group, dearest first.

    Attributes:
        tenant: Whose, by its own calendar; `None` is everybody's, by that of UTC.
    """

    groups: tuple[str, ...]
    days: Days
    tenant: str | None
    rows: tuple[CostRow, ...]

    @property
    def cost_nano(self) -> int:
        """What all of it cost; equal to the sum of ledger lines."""
        return sum(row.cost_nano for row in self.rows)

    @property
    def n(self) -> int:
        """How many requests it was."""
        return sum(row.n for row in self.rows)

    @property
    def n_estimated(self) -> int:
        """How many of them have token counts that are, at least in part, our guess."""
        return sum(row.n_estimated for row in self.rows)

    @property
    def n_unpriced(self) -> int:
        """How many of them have no price; the cost leaves them out."""
        return sum(row.n_unpriced for row in self.rows)

    def members(self) -> dict[str, object]:
        """Write it for programs."""
        return {
            "tenant": self.tenant,
            "since_us": self.days.since_us,
            "until_us": self.days.until_us,
            "group_by": self.groups,
            "cost_nano": self.cost_nano,
            "cost_usd": usd_text(self.cost_nano),
            "requests": self.n,
            "unpriced_requests": self.n_unpriced,
            "estimated_requests": self.n_estimated,
            "rows": [_members(self.groups, row) for row in self.rows],
        }

    def csv(self) -> str:
        """Write it for spreadsheets."""
        text = StringIO()
        out = csv.writer(text, lineterminator="\n")
        out.writerow([*self.groups, *_FIGURES])
        for row in self.rows:
            out.writerow([_cell(it) for it in _members(self.groups, row).values()])
        return text.getvalue()


async def break_down(
    rollups: RollupReader, groups: Sequence[str], days: Days, tenant: str | None
) -> Breakdown:
    """Read what some days cost. Raises `TryLater`."""
    rows = await rollups.costs(
        since_us=days.since_us, until_us=days.until_us, group_by=groups, tenant_id=tenant
    )
    return Breakdown(tuple(groups), days, tenant, rows)


def read_groups(text: str) -> tuple[str, ...]:
    """Read what costs shall be grouped by, as `feature,model`.

    Raises:
        InvalidRequest: they are not kept by that.
    """
    groups = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise InvalidRequest(
            f"cannot group by {unknown[0][:32]!r}; choose of {', '.join(GROUPS)}", param="by"
        )
    return tuple(dict.fromkeys(groups))


def read_days(month: str, first: str, last: str, today: date) -> Days:
    """Read a span: a month, or a first day and perhaps the last; empty is this month.

    Raises:
        InvalidRequest: it is none.
    """
    if not first and not last:
        return month_of(_read(f"{month}-01", "month", month) if month else today)
    if month or not first:
        raise InvalidRequest("give a month, or the first day and perhaps the last", param="from")
    begins = _read(first, "day", first)
    ends = _read(last, "day", last) if last else today
    if ends < begins:
        raise InvalidRequest(f"{last or ends} is before {first}; the first day comes first")
    return Days(begins, ends + _ONE)


def month_of(day: date) -> Days:
    """Give the month of a day."""
    first = day.replace(day=1)
    return Days(first, (first + 31 * _ONE).replace(day=1))


def today(timezone: str, now_us: int) -> date:
    """Tell the date of an instant by the clocks of a time zone."""
    return datetime.fromtimestamp(now_us // _US, ZoneInfo(timezone)).date()


def _read(text: str, kind: str, said: str) -> date:
    form = "2026-10-01" if kind == "day" else "2026-10"
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        found = date.max
    # The last year has no day after it.
    if found.year == date.max.year:
        raise InvalidRequest(f"{kind} {said[:32]!r} cannot be read; write it as {form}", param=kind)
    return found


def _members(groups: Sequence[str], row: CostRow) -> dict[str, object]:
    return {
        **dict(zip(groups, row.group, strict=True)),
        "requests": row.n,
        "input_tokens": row.input_tokens,
        "cached_tokens": row.cached_tokens,
        "output_tokens": row.output_tokens,
        "cost_nano": row.cost_nano,
        "cost_usd": usd_text(row.cost_nano),
        "unpriced_requests": row.n_unpriced,
    }


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula."""
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t")
    return f"'{value}" if is_formula else value
