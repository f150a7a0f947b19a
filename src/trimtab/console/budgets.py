"""Budgets as bars: what is spent of each, and whether it will last."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from trimtab.console.base import Console
from trimtab.control.snapshot import Snapshot
from trimtab.cost.breakdown import Days, month_of, today
from trimtab.domain.budget import NO_BUDGET, QUARTER_US, WhenEmpty
from trimtab.domain.tenant import Tenant
from trimtab.pipeline.money import SITE, Claim, Payer, claims_of
from trimtab.pipeline.standing import Standing, standing, then, windows
from trimtab.store.base.ledger import CostRow

MOST = 12
_NEARLY_PCT = 80
_HOUR_US = 3_600_000_000
_ONE = timedelta(days=1)
_UTC = "UTC"

Costs = Mapping[str, Sequence[CostRow]]
"""Sums by day and by something else of the running month, by the name of that."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A budget, as it is drawn.

    Attributes:
        now_us: When it stands so.
    """

    standing: Standing
    now_us: int

    @property
    def spent_pct(self) -> float:
        """How much of it is spent; at most all of it is drawn."""
        return min(100.0, max(0.0, 100 * self.standing.spent_nano / self.size))

    @property
    def passed_pct(self) -> float:
        """How much of its window is over."""
        of = self.standing.claim.spending
        return 100 * (self.now_us - of.since_us) / (of.until_us - of.since_us)

    @property
    def size(self) -> int:
        """What may be spent, in nano-USD."""
        return self.standing.claim.need.size

    @property
    def state(self) -> str:
        """How it stands, in a word."""
        if self.standing.left_nano <= 0:
            return "empty"
        if self.standing.empties_us is not None:
            return "will not last"
        return "nearly empty" if self.spent_pct >= _NEARLY_PCT else "will last"

    @property
    def then(self) -> str:
        """What becomes of requests when it is empty."""
        match then(self.standing.claim):
            case WhenEmpty.BLOCK:
                return "then requests are refused"
            case WhenEmpty.WARN:
                return "then it only warns"
            case said:
                return f"{said} answers"


async def bars_of_all(console: Console, snapshot: Snapshot, now_us: int) -> list[Bar]:
    """Show the budgets of the site and of tenants by month or day, the emptiest first.

    Raises `TryLater`.
    """
    bars = await _of_site(console, snapshot, now_us)
    bounded = list(_own(snapshot, now_us))
    if not bounded:
        return bars
    # Where it is still yesterday, that may be last month; where it is tomorrow, the next.
    first = month_of(today(_UTC, now_us) - _ONE).first
    whole = Days(first, today(_UTC, now_us) + 2 * _ONE)
    by_tenant: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for it in await console.spend.days(since_us=whole.since_us, until_us=whole.until_us):
        by_tenant[it.tenant_id][it.bucket_us] = it.cost_nano
    for tenant, claim in bounded:
        days = _days(claim, tenant.timezone)
        since_us, until_us = days.since_us, days.until_us
        spent = sum(
            nano
            for bucket_us, nano in by_tenant[tenant.id].items()
            if since_us <= bucket_us < until_us
        )
        bars.append(Bar(standing(claim, spent, now_us), now_us))
    return sorted(bars, key=lambda bar: -bar.standing.spent_nano / bar.size)


async def bars_of(
    console: Console, snapshot: Snapshot, tenant: Tenant, costs: Costs, now_us: int
) -> list[Bar]:
    """Show every budget that requests of a tenant count against. Raises `TryLater`.

    Args:
        console: Where to look.
        snapshot: What is configured.
        tenant: Whose they are.
        costs: Sums that are known already; the others are read.
        now_us: When.
    """
    known = dict(costs)
    bars: list[Bar] = []
    for claim in windows(snapshot, tenant.id, now_us) if tenant.tier in snapshot.tiers else ():
        of = claim.spending
        if _is_hour(claim):
            spent = (await console.spent(of)).spent
        else:
            zone = tenant.timezone if of.tenant_id or of.key_id else _UTC
            kind = "key_id" if of.key_id else "feature" if of.tenant_id else ""
            if kind not in known:
                known[kind] = await _costs_by(console, kind, tenant, now_us)
            spent = _sum(known[kind], _days(claim, zone), of.key_id or of.feature)
        bars.append(Bar(standing(claim, spent, now_us), now_us))
    return bars


async def _of_site(console: Console, snapshot: Snapshot, now_us: int) -> list[Bar]:
    bars: list[Bar] = []
    for claim in claims_of(SITE, snapshot.site_budget, _UTC, now_us // QUARTER_US):
        if claim.need.kind == "window" and not _is_hour(claim):
            rows = await _costs_by(console, "", None, now_us)
            bars.append(Bar(standing(claim, _sum(rows, _days(claim, _UTC), None), now_us), now_us))
    return bars


async def _costs_by(
    console: Console, kind: str, tenant: Tenant | None, now_us: int
) -> tuple[CostRow, ...]:
    """Sum up a tenant's running month by day and feature or key; of nobody, everybody's by day."""
    days = month_of(today(tenant.timezone if kind and tenant else _UTC, now_us))
    return await console.rollups.costs(
        since_us=days.since_us,
        until_us=days.until_us,
        group_by=("day", kind) if kind else ("day",),
        tenant_id=tenant.id if kind and tenant else None,
    )


def _is_hour(claim: Claim) -> bool:
    """Whether it is over before anybody has read of it."""
    return claim.spending.until_us - claim.spending.since_us <= _HOUR_US


def _own(snapshot: Snapshot, now_us: int) -> Iterator[tuple[Tenant, Claim]]:
    for tenant in snapshot.tenants.values():
        tier = snapshot.tiers.get(tenant.tier)
        budget = tenant.budget.over(tier.budget) if tier else NO_BUDGET
        payer = Payer("tenant", tenant.id, tenant.id)
        for claim in claims_of(payer, budget, tenant.timezone, now_us // QUARTER_US):
            if claim.need.kind == "window" and not _is_hour(claim):
                yield tenant, claim


def _days(claim: Claim, zone: str) -> Days:
    """Give the days of a window."""
    of = claim.spending
    return Days(today(zone, of.since_us), today(zone, of.until_us))


def _sum(rows: Sequence[CostRow], days: Days, name: str | None) -> int:
    asked = {day.isoformat() for day in days.each()}
    return sum(
        row.cost_nano
        for row in rows
        if row.group[0] in asked and (name is None or row.group[1] == name)
    )
