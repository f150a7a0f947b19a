"""The rules about amounts, asked of the records: days, hours and budgets of every tenant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

from msgspec.structs import replace

from trimtab.control.snapshot import Snapshot
from trimtab.cost.baseline import (
    WEEKS,
    Excess,
    Spent,
    Terms,
    explain,
    is_3x,
    is_spike,
    rate,
)
from trimtab.domain.alert import Finding, Rule
from trimtab.domain.budget import Period
from trimtab.domain.ids import TenantId
from trimtab.domain.money import usd_text
from trimtab.jobs.history import (
    GRACE_US,
    LOOK_BACK_DAYS,
    Days,
    History,
    history,
    same_hours,
    span_of,
    today,
)
from trimtab.store.alerts import Alerts
from trimtab.store.rollup import DAY_US, HOUR_US, midnight_us
from trimtab.store.spend import PartSpent, SpendReader

_CENT_NANO = 10_000_000
_HOURS_SEEN = 3


class Ledger:
    """What tenants spent day by day, and what of it was a spike.

    State: what was read in this hour: complete days do not change any more.
    """

    def __init__(self, spend: SpendReader, alerts: Alerts, current: Callable[[], Snapshot]) -> None:
        self.spend = spend
        self.current = current
        self._alerts = alerts
        self._read: tuple[int, History] | None = None

    async def history(self, now_us: int) -> History:
        """Give the days up to now; the running ones are as old as an hour."""
        hour = now_us // HOUR_US
        if self._read is None or self._read[0] != hour:
            since_us = now_us - now_us % DAY_US - (LOOK_BACK_DAYS + 1) * DAY_US
            spent = await self.spend.days(since_us=since_us, until_us=now_us + 2 * DAY_US)
            flagged = await self._flagged()
            self._read = hour, history(spent, self.current(), flagged)
        return self._read[1]

    async def _flagged(self) -> set[tuple[str, date]]:
        spikes = await self._alerts.alerts(rule=Rule.SPEND_SPIKE)
        found = (it.finding for it in spikes)
        return {(it.tenant_id, date.fromisoformat(it.window.removeprefix("day:"))) for it in found}


@dataclass(frozen=True, slots=True)
class DayRules:
    """Judges the last complete day of every tenant."""

    ledger: Ledger
    terms: Terms

    async def find(self, now_us: int) -> list[Finding]:
        """Judge them all; what was found is explained from the records."""
        known = await self.ledger.history(now_us)
        found: list[Finding] = []
        for tenant in known.tenants.values():
            yesterday = today(tenant.zone, now_us - GRACE_US) - timedelta(days=1)
            for rule, excess in judged(known, tenant, yesterday, self.terms):
                found.append(await self._explained(rule, excess, known, tenant, yesterday))
        return found

    async def _explained(
        self, rule: Rule, excess: Excess, known: History, tenant: Days, day: date
    ) -> Finding:
        past = known.past(tenant, day)
        days = [day - timedelta(days=n) for n in range(len(past.days), 0, -1)]
        usual_days = [it for it, flag in zip(days, past.flagged, strict=True) if not flag]
        spend, tenant_id = self.ledger.spend, tenant.tenant_id
        now = await spend.parts_of_days(tenant_id, [midnight_us(str(day))])
        usual = await spend.parts_of_days(tenant_id, [midnight_us(str(it)) for it in usual_days])
        finding = day_finding(tenant, day, rule, excess)
        return await explained(
            finding, now, _each(usual, len(usual_days)), span_of(day, tenant.zone), spend
        )


def judged(known: History, tenant: Days, day: date, terms: Terms) -> Iterator[tuple[Rule, Excess]]:
    """Judge a complete day by both rules; one on which nothing was spent is as it should be."""
    spent = tenant.by_day.get(day, 0)
    if not spent:
        return
    past = known.past(tenant, day)
    for rule, judge in ((Rule.SPEND_3X_28D, is_3x), (Rule.SPEND_SPIKE, is_spike)):
        excess = judge(spent, past, terms)
        if excess is not None:
            yield rule, excess


@dataclass(frozen=True, slots=True)
class HourRules:
    """Judges the running hour of every tenant with the two before it."""

    ledger: Ledger
    terms: Terms

    async def find(self, now_us: int) -> list[Finding]:
        """Judge all that spent anything in these hours."""
        known = await self.ledger.history(now_us)
        hours = hours_until(now_us)
        zones = {it.zone for it in known.tenants.values()} | {"UTC"}
        same = [same_hours(zone, hour, WEEKS) for zone in zones for hour in hours]
        read = await self.ledger.spend.hours({*hours, *chain(*same)})
        spent = {(it.tenant_id, it.bucket_us): it.cost_nano for it in read}
        found: list[Finding] = []
        for tenant_id in sorted({it.tenant_id for it in read if it.bucket_us in hours}):
            tenant = known.tenants.get(tenant_id) or unknown(tenant_id, self.ledger.current())
            amounts = [excess_of(known, tenant, hour, spent) for hour in hours]
            excess = rate(amounts, self.terms, monthly_nano(self.ledger.current(), tenant_id))
            if excess is not None:
                found.append(await self._explained(excess, tenant, hours, now_us))
        return found

    async def _explained(
        self, excess: Excess, tenant: Days, hours: Sequence[int], now_us: int
    ) -> Finding:
        spend, tenant_id = self.ledger.spend, tenant.tenant_id
        same = [it for hour in hours for it in same_hours(tenant.zone, hour, WEEKS)]
        now = await spend.parts_of_hours(tenant_id, hours)
        usual = await spend.parts_of_hours(tenant_id, same)
        span = (hours[0], hours[-1] + HOUR_US)
        finding = rate_finding(tenant, excess, now_us)
        return await explained(finding, now, _each(usual, WEEKS), span, spend)


def excess_of(
    known: History, tenant: Days, hour: int, spent: Mapping[tuple[str, int], int]
) -> Excess:
    """Give what a tenant spent in an hour and what is usual then; sums are by tenant and hour."""
    same = [
        spent.get((tenant.tenant_id, it), 0)
        for it in same_hours(tenant.zone, hour, WEEKS)
        if tenant.by_day and today(tenant.zone, it) >= tenant.first
    ]
    usual = known.past(tenant, today(tenant.zone, hour)).usual_hour(same)
    return Excess(spent.get((tenant.tenant_id, hour), 0), usual)


def rate_finding(tenant: Days, excess: Excess, now_us: int) -> Finding:
    """Write down that money is being spent too fast; one alert for each of the tenant's days."""
    told = f"{amount(excess.actual_nano)} USD in an hour or two, {times(excess)}"
    window = f"day:{today(tenant.zone, now_us)}"
    return of_excess(Rule.SPEND_RATE, tenant.tenant_id, window, told, excess)


def day_finding(tenant: Days, day: date, rule: Rule, excess: Excess) -> Finding:
    """Write down that a complete day was too dear."""
    told = f"{amount(excess.actual_nano)} USD on {day}, {times(excess)}"
    return of_excess(rule, tenant.tenant_id, f"day:{day}", told, excess)


def hours_until(now_us: int) -> list[int]:
    """Name the two hours before the running one, and that."""
    running = now_us - now_us % HOUR_US
    return [running - n * HOUR_US for n in range(_HOURS_SEEN - 1, -1, -1)]


def monthly_nano(snapshot: Snapshot, tenant_id: str) -> int | None:
    """Tell what a tenant may spend in a month, if its budget says so."""
    tenant = snapshot.tenants.get(TenantId(tenant_id))
    tier = snapshot.tiers.get(tenant.tier) if tenant else None
    if tenant is None or tier is None:
        return None
    budget = tenant.budget.over(tier.budget)
    return budget.nano if budget.per in (None, Period.MONTH) else None


def of_excess(rule: Rule, tenant_id: str, window: str, told: str, excess: Excess) -> Finding:
    """Write down what a rule about an amount found."""
    return Finding(
        rule=rule,
        tenant_id=tenant_id,
        window=window,
        told=told,
        actual_nano=excess.actual_nano,
        expected_nano=excess.usual_nano,
    )


async def explained(
    finding: Finding,
    now: Sequence[PartSpent],
    usual: Spent,
    span: tuple[int, int],
    spend: SpendReader,
) -> Finding:
    """Add what explains most of an excess, and requests to look at."""
    part = explain({(it.feature, it.model): it.cost_nano for it in now}, usual)
    since_us, until_us = span
    samples = await spend.largest(
        finding.tenant_id,
        since_us=since_us,
        until_us=until_us,
        feature=part.feature if part else None,
        model=part.model if part else None,
    )
    if part is None:
        return replace(finding, samples=samples)
    feature, model, share_pct = part
    return replace(finding, feature=feature, model=model, share_pct=share_pct, samples=samples)


def amount(nano: int) -> str:
    """Write an amount for people: to the cent, and exactly if it is less than one."""
    return usd_text(nano) if abs(nano) < _CENT_NANO else f"{nano / 1e9:,.2f}"


def times(excess: Excess) -> str:
    """Say how much more than usual something is."""
    if excess.usual_nano is None:
        return "and nobody knows yet what is usual"
    if not excess.usual_nano:
        return "and usually nothing"
    factor = excess.actual_nano / excess.usual_nano
    return f"{factor:,.1f} times the usual {amount(excess.usual_nano)}"


def _each(parts: Sequence[PartSpent], count: int) -> Spent:
    return {(it.feature, it.model): it.cost_nano // max(1, count) for it in parts}


def unknown(tenant_id: str, snapshot: Snapshot) -> Days:
    """Give the days of a tenant that had none before: it is new in this hour."""
    tenant = snapshot.tenants.get(TenantId(tenant_id))
    return Days(tenant_id, *(("", "UTC") if tenant is None else (tenant.tier, tenant.timezone)), {})
