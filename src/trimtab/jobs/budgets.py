"""The rules about budgets: those that will not last, and those that are spent so far."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from trimtab.control.snapshot import Snapshot
from trimtab.cost.baseline import WEEK
from trimtab.cost.oddity import empty_at_us
from trimtab.domain.alert import SITE, Finding, Rule
from trimtab.domain.budget import NO_BUDGET, Budget, Period, Span, span
from trimtab.domain.tenant import Tenant
from trimtab.jobs.history import today
from trimtab.jobs.spending import Ledger, amount, hours_until
from trimtab.store.base.limits import Spending
from trimtab.store.rollup import DAY_US, HOUR_US, midnight_us

_US = 1_000_000
_ALL = 100

Spent = Callable[[Spending], Awaitable[int]]
"""Sums up lines of the ledger."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose budget it is, and what counts against it.

    Attributes:
        tenant_id: The tenant; `SITE` for all of them.
        words: Names a part of the tenant, as `feature bot`.
    """

    tenant_id: str
    budget: Budget
    zone: str
    spending: Spending
    feature: str = ""
    words: str = ""

    @property
    def is_summed_up(self) -> bool:
        """Whether its days are summed up as they are booked."""
        return self.tenant_id != SITE and self.spending.key_id is None


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """Tells when a budget of a month or a day will be empty, and when parts of one are spent.

    The pace of a tenant's month is that of its last seven days and today, so a weekend does not
    matter; that of its day is that of the last hours. All others are as fast as they were so far.
    That an hour will be empty is not told: it is over before anybody has read of it.
    """

    ledger: Ledger
    spent: Spent

    async def find(self, now_us: int) -> list[Finding]:
        """Judge all budgets but those of end users, of whom there are too many."""
        found: list[Finding] = []
        for owner in _owners(self.ledger.current()):
            found += await self._judge(owner, now_us)
        return found

    async def _judge(self, owner: Owner, now_us: int) -> list[Finding]:
        budget, period = owner.budget, owner.budget.per or Period.MONTH
        is_forecast = owner.is_summed_up and period is not Period.HOUR
        if budget.nano is None or not (is_forecast or budget.thresholds):
            return []
        running = span(period, owner.zone, now_us)
        look = self._by_day if is_forecast else self._by_line
        spent, pace = await look(owner, running, now_us)
        empty_us = empty_at_us(running, budget.nano, spent, pace, now_us)
        until = None if empty_us is None else _until(empty_us, owner.zone, now_us)
        found: list[Finding] = []
        if until is not None and is_forecast:
            told = f"{_named(owner)} {until}; {amount(spent)} USD are spent"
            found.append(_finding(Rule.BUDGET_FORECAST, owner, running, told, spent))
        for share in budget.thresholds:
            if spent * _ALL >= budget.nano * share:
                then = f"it {until or 'will last at this pace'}"
                told = f"{share} % of {_named(owner)}: {amount(spent)} USD are spent; {then}"
                crossed = _finding(Rule.BUDGET_THRESHOLD, owner, running, told, spent, share)
                found.append(crossed)
        return found

    async def _by_day(
        self, owner: Owner, running: Span, now_us: int
    ) -> tuple[int, tuple[int, int]]:
        """Give what was spent in a span, and the pace: so much in so many microseconds."""
        zone, day = owner.zone, today(owner.zone, now_us)
        first = today(zone, running.since_us)
        days = [midnight_us(str(first + timedelta(days=n))) for n in range((day - first).days + 1)]
        spent = await self._days(owner, days)
        if running.name.startswith(Period.DAY):
            hours = hours_until(now_us)
            parts = await self.ledger.spend.parts_of_hours(owner.tenant_id, hours)
            nano = sum(it.cost_nano for it in parts if owner.feature in ("", it.feature))
            return spent, (nano, max(1, now_us - hours[0]))
        lately = [midnight_us(str(day - timedelta(days=n))) for n in range(WEEK + 1)]
        elapsed_us = now_us - span(Period.DAY, zone, now_us).since_us
        return spent, (await self._days(owner, lately), WEEK * DAY_US + elapsed_us)

    async def _days(self, owner: Owner, days: list[int]) -> int:
        parts = await self.ledger.spend.parts_of_days(owner.tenant_id, days)
        return sum(it.cost_nano for it in parts if owner.feature in ("", it.feature))

    async def _by_line(
        self, owner: Owner, running: Span, now_us: int
    ) -> tuple[int, tuple[int, int]]:
        of = replace(owner.spending, since_us=running.since_us, until_us=running.ends_us)
        spent = await self.spent(of)
        passed_us = max(now_us - running.since_us, HOUR_US // 4)
        return spent, (spent, passed_us)


def _owners(snapshot: Snapshot) -> Iterator[Owner]:
    if snapshot.site_budget != NO_BUDGET:
        yield Owner(SITE, snapshot.site_budget, "UTC", Spending(), words="the whole site")
    for tenant in snapshot.tenants.values():
        tier = snapshot.tiers.get(tenant.tier)
        if tier is not None:
            yield from _of_tenant(tenant, tenant.budget.over(tier.budget))
    for grant in snapshot.grants.values():
        key, tenant = grant.key, grant.tenant
        if key.budget != NO_BUDGET and not key.revoked:
            of = Spending(key_id=key.id)
            yield Owner(tenant.id, key.budget, tenant.timezone, of, words=f"key {key.name}")


def _of_tenant(tenant: Tenant, own: Budget) -> Iterator[Owner]:
    yield Owner(tenant.id, own, tenant.timezone, Spending(tenant_id=tenant.id))
    for name, budget in tenant.features.items():
        of = Spending(tenant_id=tenant.id, feature=name)
        yield Owner(tenant.id, budget, tenant.timezone, of, name, f"feature {name}")


def _finding(
    rule: Rule, owner: Owner, running: Span, told: str, spent: int, share: int | None = None
) -> Finding:
    threshold = "" if share is None else f"{share} %"
    return Finding(
        rule=rule,
        tenant_id=owner.tenant_id,
        window=running.name,
        subject=", ".join(filter(None, (owner.words, threshold))),
        told=told,
        actual_nano=spent,
        expected_nano=owner.budget.nano,
        feature=owner.feature,
    )


def _named(owner: Owner) -> str:
    whose = ""
    if owner.words:
        kind, _, name = owner.words.partition(" ")
        whose = f"of {kind} '{name}' " if owner.tenant_id != SITE else "of the whole site "
    period = owner.budget.per or Period.MONTH
    return f"the budget {whose}of {amount(owner.budget.nano or 0)} USD a {period}"


def _until(empty_us: int, zone: str, now_us: int) -> str:
    if empty_us <= now_us:
        return "is empty"
    at = datetime.fromtimestamp(empty_us // _US, ZoneInfo(zone))
    return f"will be empty on {at:%d %b %H:%M} ({zone}) at this pace"
