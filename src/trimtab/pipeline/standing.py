"""How a tenant's budgets stand: what each allows now, and when it will be empty at this pace."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.budget import QUARTER_US, Budget, Downgrade, WhenEmpty
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import Tenant
from trimtab.pipeline.money import SITE, Claim, Payer, claims_of

_SHORTEST_US = 3_600_000_000
"""A pace is told of an hour at least; that of the first minutes would say nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget and how far it is spent.

    Attributes:
        claim: The budget, as requests of this instant meet it.
        spent_nano: What counts against it.
        empties_us: When it is empty at the pace so far; `None` if that is after its end.
    """

    claim: Claim
    spent_nano: int
    empties_us: int | None

    @property
    def left_nano(self) -> int:
        """What is left of it; below zero is debt."""
        return self.claim.need.size - self.spent_nano


def windows(snapshot: Snapshot, tenant_id: TenantId, at_us: int) -> Iterator[Claim]:
    """Name the budgets that requests of a tenant count against, but for those of its end users."""
    tenant = snapshot.tenants[tenant_id]
    of_tenant = (it for it in snapshot.grants.values() if it.tenant.id == tenant_id)
    payers = [*_payers(snapshot, tenant), *_keys(of_tenant)]
    yield from _windows(payers, tenant.timezone, at_us)
    yield from _windows([(SITE, snapshot.site_budget)], "UTC", at_us)


def all_windows(snapshot: Snapshot, at_us: int) -> Iterator[Claim]:
    """Name the budgets that requests of anybody count against, but for those of end users."""
    for tenant in snapshot.tenants.values():
        if tenant.tier in snapshot.tiers:
            yield from _windows(_payers(snapshot, tenant), tenant.timezone, at_us)
    for grant in snapshot.grants.values():
        yield from _windows(_keys([grant]), grant.tenant.timezone, at_us)
    yield from _windows([(SITE, snapshot.site_budget)], "UTC", at_us)


def standing(claim: Claim, spent_nano: int, at_us: int) -> Standing:
    """Tell how a budget stands, given what was spent of it."""
    left = claim.need.size - spent_nano
    passed_us = max(at_us - claim.spending.since_us, _SHORTEST_US)
    if left <= 0:
        return Standing(claim, spent_nano, at_us)
    if spent_nano <= 0:
        return Standing(claim, spent_nano, None)
    empties_us = at_us + left * passed_us // spent_nano
    return Standing(claim, spent_nano, empties_us if empties_us < claim.spending.until_us else None)


def then(claim: Claim) -> str:
    """Say what becomes of a request that a budget has no room for."""
    match claim.downgrade, claim.need.enforced:
        case Downgrade(to=model), _:
            return f"then {model}"
        case _, True:
            return WhenEmpty.BLOCK
        case _:
            return WhenEmpty.WARN


def _windows(payers: Iterable[tuple[Payer, Budget]], timezone: str, at_us: int) -> Iterator[Claim]:
    for payer, budget in payers:
        for claim in claims_of(payer, budget, timezone, at_us // QUARTER_US):
            if claim.need.kind == "window":
                yield claim


def _payers(snapshot: Snapshot, tenant: Tenant) -> Iterator[tuple[Payer, Budget]]:
    of_tier = snapshot.tiers[tenant.tier].budget
    yield Payer("tenant", tenant.id, tenant.id), tenant.budget.over(of_tier)
    for name, budget in sorted(tenant.features.items()):
        yield Payer("feature", name, tenant.id), budget


def _keys(grants: Iterable[Grant]) -> Iterator[tuple[Payer, Budget]]:
    for grant in grants:
        if not grant.key.revoked:
            yield Payer("key", grant.key.id, grant.key.name), grant.key.budget
