"""What the rules about amounts would have raised over past days; nothing of it is kept or told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from trimtab.control.snapshot import Snapshot
from trimtab.cost.baseline import FULL, HOURS, Terms, rate
from trimtab.domain.alert import Finding, Rule
from trimtab.jobs.history import LOOK_BACK_DAYS, Days, History, history, today
from trimtab.jobs.spending import (
    day_finding,
    excess_of,
    hours_until,
    judged,
    monthly_nano,
    rate_finding,
)
from trimtab.store.rollup import DAY_US, HOUR_US
from trimtab.store.spend import SpendReader


@dataclass(frozen=True, slots=True)
class Replay:
    """Judges every complete day of the last so many, and every hour of them."""

    spend: SpendReader
    snapshot: Snapshot
    terms: Terms
    days: int

    async def run(self, now_us: int) -> list[Finding]:
        """Give what would have been raised, oldest first."""
        since_us = now_us - now_us % DAY_US - (self.days + LOOK_BACK_DAYS) * DAY_US
        spent = await self.spend.days(since_us=since_us, until_us=now_us + 2 * DAY_US)
        flagged: set[tuple[str, date]] = set()
        known = history(spent, self.snapshot, flagged)
        found: dict[str, Finding] = {}
        for tenant in known.tenants.values():
            for finding in self._by_day(known, tenant, flagged, now_us):
                found[finding.alert_id] = finding
        hours = await self._hours(now_us)
        for finding in self._by_hour(known, hours, now_us):
            found.setdefault(finding.alert_id, finding)
        order = list(Rule)
        return sorted(
            found.values(), key=lambda it: (it.window, it.tenant_id, order.index(it.rule))
        )

    def _by_day(
        self, known: History, tenant: Days, flagged: set[tuple[str, date]], now_us: int
    ) -> Iterator[Finding]:
        """Judge the days; spikes before them are found first, for they are not usual."""
        last = today(tenant.zone, now_us)
        for n in range(self.days + FULL, 0, -1):
            day = last - timedelta(days=n)
            for rule, excess in judged(known, tenant, day, self.terms):
                if rule is Rule.SPEND_SPIKE:
                    flagged.add((tenant.tenant_id, day))
                if n <= self.days:
                    yield day_finding(tenant, day, rule, excess)

    def _by_hour(
        self, known: History, spent: Mapping[tuple[str, int], int], now_us: int
    ) -> Iterator[Finding]:
        since_us = now_us - self.days * DAY_US
        for tenant_id, hour in sorted(spent):
            tenant = known.tenants.get(tenant_id)
            if tenant is None or hour < since_us:
                continue
            amounts = [excess_of(known, tenant, it, spent) for it in hours_until(hour)]
            excess = rate(amounts, self.terms, monthly_nano(self.snapshot, tenant_id))
            if excess is not None:
                yield rate_finding(tenant, excess, hour)

    async def _hours(self, now_us: int) -> Mapping[tuple[str, int], int]:
        count = (self.days + FULL + 1) * HOURS
        running = now_us - now_us % HOUR_US
        read = await self.spend.hours([running - n * HOUR_US for n in range(count)])
        return {(it.tenant_id, it.bucket_us): it.cost_nano for it in read}
