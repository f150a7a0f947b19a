"""Tenants: what each may do, did today, and whether its kill switch is on."""

from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.console.changes import find_change, read_seq
from trimtab.console.overview import DAY_US
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import TryLater
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Limits, Tenant


@dataclass(frozen=True, slots=True)
class Row:
    """One tenant, with what it did today."""

    tenant: Tenant
    limits: Limits
    models: tuple[str, ...]
    keys: int
    suspension: Suspension | None
    state: str
    n: int
    cost_nano: int


async def show(visit: Visit) -> Response:
    """List all tenants; after a change, say what was done and offer to undo it."""
    console = visit.console
    snapshot = await console.control.snapshot()
    now_us = console.clock.now_us()
    today_us = now_us - now_us % DAY_US
    away = ""
    used: dict[str, tuple[int, int]] = {}
    try:
        costs = await console.rollups.costs(
            since_us=today_us, until_us=today_us + DAY_US, group_by=("tenant_id",)
        )
        used = {row.group[0]: (row.n, row.cost_nano) for row in costs}
    except TryLater as exc:
        away = str(exc)
    context = {
        "away": away,
        "site": switch_on(snapshot, WHOLE_SITE, now_us),
        "rows": [
            _row(snapshot, tenant, used.get(tenant.id, (0, 0)), now_us)
            for _, tenant in sorted(snapshot.tenants.items())
        ],
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("tenants.html", context)


def switch_on(snapshot: Snapshot, scope: Scope, now_us: int) -> Suspension | None:
    """Find the kill switch of a scope, if it is on."""
    found = snapshot.suspensions.get(scope)
    return found if found is not None and found.is_on(now_us) else None


def state_of(suspension: Suspension | None) -> str:
    """Name what a switch does that is on, or that nothing is."""
    if suspension is None:
        return "active"
    return "suspended" if suspension.requests_per_minute is None else "throttled"


def _row(snapshot: Snapshot, tenant: Tenant, used: tuple[int, int], now_us: int) -> Row:
    tier = snapshot.tiers.get(tenant.tier)
    n, cost_nano = used
    suspension = switch_on(snapshot, Scope(ScopeKind.TENANT, tenant.id), now_us)
    return Row(
        tenant=tenant,
        limits=tenant.limits.over(tier.limits) if tier else tenant.limits,
        models=tenant.models if tenant.models is not None else tier.models if tier else (),
        keys=sum(
            grant.tenant.id == tenant.id and not grant.key.revoked
            for grant in snapshot.grants.values()
        ),
        suspension=suspension,
        state=state_of(suspension),
        n=n,
        cost_nano=cost_nano,
    )
