"""What every tenant spent day by day, by its own calendar, as the rules need it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from statistics import median_low
from zoneinfo import ZoneInfo

from trimtab.control.snapshot import Snapshot
from trimtab.cost.baseline import FULL, WEEK, Past
from trimtab.domain.ids import TenantId
from trimtab.store.rollup import HOUR_US
from trimtab.store.spend import Spent

LOOK_BACK_DAYS = 2 * FULL
GRACE_US = 600_000_000
"""So long after midnight a day is complete: what is spooled then is stored."""

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Days:
    """What one tenant spent.

    Attributes:
        by_day: Nano-USD by date; a day without any is not there.
    """

    tenant_id: str
    tier: str
    zone: str
    by_day: Mapping[date, int]

    @property
    def first(self) -> date:
        """The first day known."""
        return min(self.by_day)

    def before(self, day: date) -> Sequence[int]:
        """Give up to 28 days before one, oldest first, from the tenant's first on."""
        if not self.by_day:
            return []
        known = min(FULL, max(0, (day - self.first).days))
        return [self.by_day.get(day - timedelta(days=n), 0) for n in range(known, 0, -1)]


@dataclass(frozen=True, slots=True)
class History:
    """What all tenants spent, and which of their days were spikes.

    Attributes:
        flagged: Tenant and date of every spike.
        typical: What was worked out of tiers.
    """

    tenants: Mapping[str, Days]
    flagged: Collection[tuple[str, date]]
    typical: dict[tuple[str, date], int | None] = field(default_factory=dict, compare=False)

    def past(self, tenant: Days, day: date) -> Past:
        """Give what is known of a tenant before a day."""
        days = tenant.before(day)
        flagged = [
            (tenant.tenant_id, day - timedelta(days=n)) in self.flagged
            for n in range(len(days), 0, -1)
        ]
        return Past(days, flagged, self._typical(tenant.tier, day))

    def _typical(self, tier: str, day: date) -> int | None:
        """Give the median of what tenants of a tier spend a day, of those that are known a week."""
        if (tier, day) not in self.typical:
            means = [
                sum(days) // len(days)
                for it in self.tenants.values()
                if it.tier == tier and len(days := it.before(day)) >= WEEK
            ]
            self.typical[tier, day] = median_low(means) if means else None
        return self.typical[tier, day]


def history(
    spent: Sequence[Spent], snapshot: Snapshot, flagged: Collection[tuple[str, date]]
) -> History:
    """Sort sums of days by tenant. One that is not configured any more lives in UTC."""
    days: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for tenant_id, day_us, nano in spent:
        days[tenant_id][date_of(day_us)] = nano
    tenants = {
        tenant_id: Days(tenant_id, *_tier_and_zone(snapshot, tenant_id), by_day)
        for tenant_id, by_day in days.items()
    }
    return History(tenants, flagged)


def today(zone: str, now_us: int) -> date:
    """Tell the date of an instant by the clocks of a time zone."""
    return datetime.fromtimestamp(now_us / _US, ZoneInfo(zone)).date()


def date_of(day_us: int) -> date:
    """Read a day that is named by the first instant of its date in UTC."""
    return datetime.fromtimestamp(day_us // _US, UTC).date()


def span_of(day: date, zone: str) -> tuple[int, int]:
    """Give the first instants of a day and of the next, by the clocks of a time zone."""
    following = day + timedelta(days=1)
    starts = (datetime(it.year, it.month, it.day, tzinfo=ZoneInfo(zone)) for it in (day, following))
    since_s, until_s = (round(it.timestamp()) for it in starts)
    return since_s * _US, until_s * _US


@lru_cache(maxsize=1024)
def same_hours(zone: str, hour_us: int, weeks: int) -> tuple[int, ...]:
    """Give the hours that the clock showed alike on the same weekday in the weeks before."""
    at = datetime.fromtimestamp(hour_us // _US, ZoneInfo(zone))
    before = ((at - timedelta(days=WEEK * n)).timestamp() for n in range(1, weeks + 1))
    return tuple(round(it) * _US // HOUR_US * HOUR_US for it in before)


def _tier_and_zone(snapshot: Snapshot, tenant_id: str) -> tuple[str, str]:
    tenant = snapshot.tenants.get(TenantId(tenant_id))
    return ("", "UTC") if tenant is None else (tenant.tier, tenant.timezone)
