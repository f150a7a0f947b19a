"""A site with tenants that spend as told, over the records in memory."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from tests.records import finish, line_of, tenant_key
from tests.telemetry.shapes import attempt

from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.budget import Budget
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.money import NANO_PER_USD
from trimtab.domain.tenant import ContentPolicy, Durability, Key, Limits, Tenant, Tier
from trimtab.jobs.spending import Ledger
from trimtab.store.alerts import MemoryAlerts
from trimtab.store.base.limits import Spending
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.memory.spend import MemorySpend

TODAY = date(2026, 11, 23)
"""A Monday."""


def at(hour: float, day: date = TODAY, zone: str = "UTC") -> int:
    """Give an instant, by the clocks of a zone."""
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return round((start.astimezone(UTC) + timedelta(hours=hour)).timestamp() * 1e6)


class Site:
    """State: its records, its alerts, its tenants, and how many requests it had."""

    def __init__(self) -> None:
        self.records = MemoryRecords(tenant_key)
        self.spend = MemorySpend(self.records)
        self.alerts = MemoryAlerts()
        self.tenants: dict[TenantId, Tenant] = {}
        self.grants: dict[KeyId, Grant] = {}
        self.site_budget = Budget()
        self.tiers = {"smb": Tier(name="smb"), "large": Tier(name="large")}
        self.count = 0
        self.tenant("acme")

    def tenant(
        self,
        name: str,
        *,
        zone: str = "UTC",
        tier: str = "smb",
        budget: Budget | None = None,
        features: Mapping[str, Budget] | None = None,
    ) -> None:
        tenant = TenantId(name)
        self.tenants[tenant] = Tenant(
            id=tenant,
            tier=tier,
            timezone=zone,
            budget=budget or Budget(),
            features=features or {},
        )

    def key(
        self, name: str, budget: Budget, *, tenant: str = "acme", revoked: bool = False
    ) -> None:
        """Make a key, whose id is its name."""
        of = self.tenants[TenantId(tenant)]
        key = Key(
            id=KeyId(name), name=name, tenant=of.id, sha256="", budget=budget, revoked=revoked
        )
        self.grants[key.id] = Grant(
            key=key,
            tenant=of,
            tier=self.tiers[of.tier],
            models=frozenset(),
            limits=Limits(),
            content=ContentPolicy.FULL,
            durability=Durability.GROUP,
            suspensions={},
        )

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(
            tiers=self.tiers,
            tenants=self.tenants,
            grants=self.grants,
            site_budget=self.site_budget,
        )

    async def spent(self, of: Spending) -> int:
        """Sum up what the lines of a budget cost."""
        page = await self.records.page(RecordFilter(), limit=1000)
        found = [await self.records.find(it.request_id) for it in page]
        lines = (line for stored in found if stored is not None for line in stored.lines)
        wanted = {"tenant_id": of.tenant_id, "feature": of.feature, "key_id": of.key_id}
        return sum(
            line.cost_nano or 0
            for line in lines
            if of.since_us <= line.ts_us < of.until_us
            and all(it in (None, getattr(line, name)) for name, it in wanted.items())
        )

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.spend, self.alerts, lambda: self.snapshot)

    async def spends(
        self,
        usd: float,
        at_us: int,
        tenant: str = "acme",
        *,
        line: Mapping[str, Any] | None = None,
        body: str = "",
        **fields: object,
    ) -> str:
        """Book a request, and give its id."""
        self.count += 1
        zone = self.tenants[TenantId(tenant)].timezone if tenant in self.tenants else "UTC"
        day = datetime.fromtimestamp(at_us / 1e6, ZoneInfo(zone)).date().isoformat()
        nano = round(usd * NANO_PER_USD)
        made = finish(
            self.count,
            day_local=day,
            **{"tenant_id": tenant, "ts_us": at_us, "cost_nano": nano, **fields},
        )
        request_id = f"r_{self.count:026d}"
        record = replace(made.record, request_id=request_id)
        kept = replace(
            made,
            record=record,
            attempts=(attempt(sent_hash=body or str(self.count)),),
            lines=(line_of(record, day_local=day, **(line or {})),),
        )
        await self.records.commit(Batch(finishes=(kept,)))
        return request_id

    async def spends_daily(
        self, usd: float, days: int, tenant: str = "acme", *, hour: float = 12, until: date = TODAY
    ) -> None:
        """Spend the same on each of the days before one, in one request."""
        zone = self.tenants[TenantId(tenant)].timezone
        for n in range(days, 0, -1):
            await self.spends(usd, at(hour, until - timedelta(days=n), zone), tenant)
