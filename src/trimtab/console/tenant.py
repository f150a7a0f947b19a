"""One tenant: what it costs, whether its budgets last, what was wrong, and its switches."""

from collections.abc import Mapping

from starlette.responses import Response

from trimtab.console.base import Console, Visit
from trimtab.console.budgets import bars_of
from trimtab.console.cost_table import by_day, stack, table, without_days
from trimtab.console.costs import waiting
from trimtab.console.tenants import state_of, switch_on
from trimtab.control.snapshot import Snapshot
from trimtab.cost.bill.due import closed_bills
from trimtab.cost.bill.focus import cents_text
from trimtab.cost.breakdown import break_down, month_of, today
from trimtab.cost.forecast import forecast
from trimtab.domain.alert import RULES
from trimtab.domain.errors import NotFound, TryLater
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.domain.tenant import Tenant

_ALERTS, _BILLS = 10, 12


async def show(visit: Visit) -> Response:
    """Show the page."""
    console, name = visit.console, visit.param("id")
    snapshot = await console.control.snapshot()
    tenant = next((it for it in snapshot.tenants.values() if it.id == name), None)
    if tenant is None:
        raise NotFound(f"no tenant is called '{name}'; look at the list of tenants")
    now_us = console.clock.now_us()
    suspension = switch_on(snapshot, Scope(ScopeKind.TENANT, tenant.id), now_us)
    tier = snapshot.tiers.get(tenant.tier)
    context: dict[str, object] = {
        "tenant": tenant,
        "suspension": suspension,
        "state": state_of(suspension),
        "limits": tenant.limits.over(tier.limits) if tier else tenant.limits,
        "models": tenant.models if tenant.models is not None else tier.models if tier else (),
        "today": today(tenant.timezone, now_us),
        "bills": await _bills(console, tenant),
        "rules": RULES,
        "waiting_bytes": waiting(console),
        "reconciled_to": console.reconciled_to(),
        "away": "",
        "view": None,
    }
    try:
        context |= await _figures(console, snapshot, tenant, now_us)
    except TryLater as exc:
        context["away"] = str(exc)
    return visit.page("tenant.html", context)


async def _bills(console: Console, tenant: Tenant) -> list[Mapping[str, object]]:
    found = closed_bills(await console.control.state(), tenant.id)[::-1][:_BILLS]
    return [
        {"month": it.month, "usd": cents_text(it.total_cents), "n_unpriced": it.n_unpriced}
        for it in found
    ]


async def _figures(
    console: Console, snapshot: Snapshot, tenant: Tenant, now_us: int
) -> dict[str, object]:
    this = today(tenant.timezone, now_us)
    found = await break_down(console.rollups, ("day", "feature"), month_of(this), tenant.id)
    sums, features = by_day(found), without_days(found)
    costs = {day: it.cost_nano for day, it in sums.items()}
    return {
        "view": found,
        "chart": stack(found, features, this, {}),
        "features": table(features, "feature", {}),
        "days": tuple(sums.values()),
        "today_nano": costs.get(this, 0),
        "forecast": forecast(costs, found.days, this),
        "bars": await bars_of(console, snapshot, tenant, {"feature": found.rows}, now_us),
        "alerts": await console.alerts.alerts(tenant_id=tenant.id, limit=_ALERTS),
    }
