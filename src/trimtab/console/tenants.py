"""Tenants and their kill switch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.changes import find_change, read_reason, read_seq
from trimtab.console.overview import DAY_US, HOUR_US, traffic
from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.change import Change, Pointer, PointerKind
from trimtab.domain.errors import ChangeConflict, InvalidRequest, NotFound, TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import Limits, Suspension, Tenant
from trimtab.store.base import RecordFilter

PATH = "/console/tenants"
PERIODS = (("", "until resumed"), ("1", "for 1 hour"), ("4", "for 4 hours"), ("24", "for 24 hours"))


@dataclass(frozen=True, slots=True)
class Row:
    """One tenant, with what it did today."""

    tenant: Tenant
    limits: Limits
    models: tuple[str, ...]
    keys: int
    suspension: Suspension | None
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
        "rows": [_row(snapshot, tenant, used) for _, tenant in sorted(snapshot.tenants.items())],
        "done": await _done(visit),
    }
    return visit.page("tenants.html", context)


async def ask_suspend(visit: Visit) -> Response:
    """Show who a suspension would stop, and ask why."""
    return await _ask(visit, "suspend")


async def ask_resume(visit: Visit) -> Response:
    """Show who may call again, and ask why."""
    return await _ask(visit, "resume")


async def suspend(visit: Visit) -> Response:
    """Throw the kill switch."""
    try:
        reason, until_us = read_reason(visit.form.get("reason", "")), _until_us(visit)
    except InvalidRequest as exc:
        return await _ask(visit, "suspend", str(exc))
    change = await visit.console.control.suspend_tenant(
        TenantId(visit.param("id")),
        reason=reason,
        author=visit.author,
        source=visit.source,
        until_us=until_us,
    )
    return see_other(f"{PATH}?done={change.seq}")


async def resume(visit: Visit) -> Response:
    """Take a suspension back."""
    try:
        reason = read_reason(visit.form.get("reason", ""))
    except InvalidRequest as exc:
        return await _ask(visit, "resume", str(exc))
    try:
        change = await visit.console.control.resume_tenant(
            TenantId(visit.param("id")),
            reason=reason,
            author=visit.author,
            source=visit.source,
            expected_seq=read_seq(visit.form.get("seq", "")),
        )
    except ChangeConflict as exc:
        return await _ask(visit, "resume", str(exc))
    return see_other(f"{PATH}?done={change.seq}")


def _until_us(visit: Visit) -> int | None:
    hours = visit.form.get("hours", "")
    if hours not in dict(PERIODS):
        raise InvalidRequest(f"'{hours}' is not a period; choose one of the list", param="hours")
    return visit.console.clock.now_us() + int(hours) * HOUR_US if hours else None


async def _ask(visit: Visit, verb: str, problem: str = "") -> Response:
    console = visit.console
    snapshot = await console.control.snapshot()
    tenant = snapshot.tenants.get(TenantId(visit.param("id")))
    if tenant is None:
        raise NotFound(f"no tenant is called '{visit.param('id')}'; look at the list of tenants")
    now_us = console.clock.now_us()
    # The kill switch must not depend on figures.
    points, features, away = (), (), ""
    try:
        points = await console.rollups.series(
            since_us=now_us - HOUR_US, until_us=now_us, tenant_id=tenant.id
        )
        features = await _features(console, tenant.id, now_us)
    except TryLater as exc:
        away = str(exc)
    context = {
        "away": away,
        "verb": verb,
        "tenant": tenant,
        "suspension": snapshot.suspensions.get(tenant.id),
        "seq": await _suspended_by(console, tenant.id),
        "grants": _grants(snapshot, tenant.id),
        "features": features,
        "traffic": traffic(points),
        "periods": PERIODS,
        "problem": problem,
    }
    return visit.page("tenant_switch.html", context, status=400 if problem else 200)


async def _suspended_by(console: Console, tenant_id: TenantId) -> int | None:
    """Tell which change the visitor sees and would take back."""
    entry = (await console.control.state()).get(Pointer(PointerKind.SUSPENSION, tenant_id))
    return None if entry is None else entry.change.seq


async def _features(
    console: Console, tenant_id: TenantId, now_us: int
) -> Sequence[tuple[str, int]]:
    """Name what of the tenant's product runs now: features of its last 50 requests this hour."""
    records = await console.records.page(
        RecordFilter(tenant_id=tenant_id, since_us=now_us - HOUR_US), limit=50
    )
    return Counter(record.feature for record in records).most_common()


def _grants(snapshot: Snapshot, tenant_id: TenantId) -> tuple[Grant, ...]:
    return tuple(grant for grant in snapshot.grants.values() if grant.tenant.id == tenant_id)


def _row(snapshot: Snapshot, tenant: Tenant, used: Mapping[str, tuple[int, int]]) -> Row:
    tier = snapshot.tiers.get(tenant.tier)
    n, cost_nano = used.get(tenant.id, (0, 0))
    return Row(
        tenant=tenant,
        limits=tenant.limits.over(tier.limits) if tier else tenant.limits,
        models=tenant.models if tenant.models is not None else tier.models if tier else (),
        keys=sum(not grant.key.revoked for grant in _grants(snapshot, tenant.id)),
        suspension=snapshot.suspensions.get(tenant.id),
        n=n,
        cost_nano=cost_nano,
    )


async def _done(visit: Visit) -> Change | None:
    """Find the change that the visitor has just made."""
    return await find_change(visit.console, read_seq(visit.query("done")))
