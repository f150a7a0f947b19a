"""The rule about budgets that will not last, for tenants and their features."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from trimtab.cost.baseline import WEEK
from trimtab.cost.oddity import empty_at_us
from trimtab.domain.alert import Finding, Rule
from trimtab.domain.budget import Budget, Period, Span, span
from trimtab.domain.tenant import Tenant
from trimtab.jobs.history import DAY_US, bucket_of, today
from trimtab.jobs.spending import Ledger, amount, hours_until

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """Tells when a budget of a month or a day will be empty at the present pace.

    The pace of a month is that of its last seven days and today, so a weekend does not matter; that
    of a day is that of the last hours. An hour is over before anybody has read of it.
    """

    ledger: Ledger

    async def find(self, now_us: int) -> list[Finding]:
        """Judge the budgets of all tenants and of their features."""
        snapshot = self.ledger.current()
        found: list[Finding] = []
        for tenant in snapshot.tenants.values():
            tier = snapshot.tiers.get(tenant.tier)
            if tier is None:
                continue
            for feature, budget in _budgets(tenant, tenant.budget.over(tier.budget)):
                told = await self._judge(tenant, feature, budget, now_us)
                if told is not None:
                    found.append(told)
        return found

    async def _judge(
        self, tenant: Tenant, feature: str | None, budget: Budget, now_us: int
    ) -> Finding | None:
        period = budget.per or Period.MONTH
        size = budget.nano
        if size is None or period is Period.HOUR:
            return None
        running = span(period, tenant.timezone, now_us)
        spent, pace = await self._spent(tenant, feature, running, now_us)
        empty_us = empty_at_us(running, size, spent, pace, now_us)
        if empty_us is None:
            return None
        whose = f"of feature '{feature}' " if feature else ""
        told = (
            f"the budget {whose}of {amount(size)} USD a {period} {_until(empty_us, tenant, now_us)}"
        )
        return Finding(
            rule=Rule.BUDGET_FORECAST,
            tenant_id=tenant.id,
            window=running.name,
            subject=f"feature {feature}" if feature else "",
            told=f"{told}; {amount(spent)} USD are spent",
            actual_nano=spent,
            expected_nano=size,
            feature=feature or "",
        )

    async def _spent(
        self, tenant: Tenant, feature: str | None, running: Span, now_us: int
    ) -> tuple[int, tuple[int, int]]:
        """Give what was spent in a span, and the pace: so much in so many microseconds."""
        zone, day = tenant.timezone, today(tenant.timezone, now_us)
        first = today(zone, running.since_us)
        days = [bucket_of(first + timedelta(days=n)) for n in range((day - first).days + 1)]
        spent = await self._days(tenant.id, feature, days)
        if running.name.startswith(Period.DAY):
            hours = hours_until(now_us)
            parts = await self.ledger.spend.parts_of_hours(tenant.id, hours)
            nano = sum(it.cost_nano for it in parts if feature in (None, it.feature))
            return spent, (nano, max(1, now_us - hours[0]))
        lately = [bucket_of(day - timedelta(days=n)) for n in range(WEEK + 1)]
        elapsed_us = now_us - span(Period.DAY, zone, now_us).since_us
        return spent, (
            await self._days(tenant.id, feature, lately),
            WEEK * DAY_US + elapsed_us,
        )

    async def _days(self, tenant_id: str, feature: str | None, days: list[int]) -> int:
        parts = await self.ledger.spend.parts_of_days(tenant_id, days)
        return sum(it.cost_nano for it in parts if feature in (None, it.feature))


def _budgets(tenant: Tenant, own: Budget) -> Iterator[tuple[str | None, Budget]]:
    yield None, own
    yield from tenant.features.items()


def _until(empty_us: int, tenant: Tenant, now_us: int) -> str:
    if empty_us <= now_us:
        return "is empty"
    at = datetime.fromtimestamp(empty_us // _US, ZoneInfo(tenant.timezone))
    return f"will be empty on {at:%d %b %H:%M} ({tenant.timezone}) at this pace"
