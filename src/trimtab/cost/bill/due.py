"""Finds what a bill is made of: the plan in force, months that are closed, sums of the ledger."""

from trimtab.control.snapshot import State
from trimtab.cost.bill.bill import Bill, bill, reopened
from trimtab.domain.billing import AT_COST, Closing, Plan
from trimtab.domain.change import Pointer, PointerKind
from trimtab.domain.tenant import Tenant, Tier
from trimtab.store.base.ledger import LineReader


def closed_bills(state: State, tenant: str) -> list[Closing]:
    """List the closed bills of a tenant, the oldest month first."""
    values = [it.value for pointer, it in state.items() if pointer.kind is PointerKind.BILL]
    found = [it for it in values if isinstance(it, Closing) and it.tenant == tenant]
    return sorted(found, key=lambda it: it.month)


async def due(
    state: State, ledger: LineReader, tenant: Tenant, month: str, *, with_late: bool = True
) -> Bill:
    """Give the bill of a month, as `2026-10`; a closed one as it was closed.

    Args:
        state: Where every pointer stands.
        ledger: What was booked.
        tenant: Who owes it.
        month: Which month of the tenant's calendar.
        with_late: Whether it bills what came of months that are closed. Of several open months
            only one may, where bills are added up.

    Raises:
        TryLater: the ledger cannot be read.
    """
    closings = closed_bills(state, tenant.id)
    for closing in closings:
        if closing.month == month:
            return reopened(closing)
    closings = closings if with_late else []
    months = {month, *(it.month for it in closings)}
    sums = await ledger.sums(tenant_id=tenant.id, months=months)
    plan, plan_seq = _plan(state, tenant)
    return bill(tenant.id, month, sums, plan, plan_seq=plan_seq, closings=closings)


def _plan(state: State, tenant: Tenant) -> tuple[Plan, int]:
    """Find the plan of a tenant, or of its tier, and the change that last moved it."""
    of_tenant = state[Pointer(PointerKind.TENANT, tenant.id)]
    if tenant.plan is not None:
        return tenant.plan, of_tenant.change.seq
    of_tier = state.get(Pointer(PointerKind.TIER, tenant.tier))
    if of_tier is not None and isinstance(of_tier.value, Tier) and of_tier.value.plan is not None:
        return of_tier.value.plan, of_tier.change.seq
    return AT_COST, 0
