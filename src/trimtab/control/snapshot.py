"""The immutable view of all configuration at one sequence number.

Workers fold the change log into a state, build a snapshot of it and swap it whole. What a key may
do is worked out here once per change, so that admission is a look-up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from trimtab.control.prompts import NO_PROMPTS, Prompts, prompts_in
from trimtab.domain.adjustment import Adjustment
from trimtab.domain.billing import Closing
from trimtab.domain.budget import NO_BUDGET, Budget
from trimtab.domain.change import Change, Pointer, PointerKind
from trimtab.domain.erasure import Erasure, Hold, Receipt
from trimtab.domain.health import BreakerOrder
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.model import Model, ModelKind, Provider, Target, read_target
from trimtab.domain.prompt import (
    Approval,
    Evidence,
    Label,
    PromptVersion,
    RegistryPolicy,
    Yank,
)
from trimtab.domain.record import Correction
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind, Suspension, scope_of
from trimtab.domain.tenant import (
    ContentPolicy,
    Durability,
    Key,
    Limits,
    Tenant,
    Tier,
    WhenAway,
    WhenFull,
)

SITE_BUDGET = "budget"
PRICE_OVERRIDES, PRICE_LIST = "overrides", "list"

TYPES: Mapping[PointerKind, type[Any]] = {
    PointerKind.PROVIDER: Provider,
    PointerKind.MODEL: Model,
    PointerKind.TIER: Tier,
    PointerKind.TENANT: Tenant,
    PointerKind.KEY: Key,
    PointerKind.SUSPENSION: Suspension,
    PointerKind.BREAKER: BreakerOrder,
    PointerKind.PRICES: dict[str, Any],
    PointerKind.SITE: Budget,
    PointerKind.REGISTRY: RegistryPolicy,
    PointerKind.PROMPT: PromptVersion,
    PointerKind.LABEL: Label,
    PointerKind.YANK: Yank,
    PointerKind.APPROVAL: Approval,
    PointerKind.EVIDENCE: Evidence,
    PointerKind.ADJUSTMENT: Adjustment,
    PointerKind.LEDGER: Correction,
    PointerKind.BILL: Closing,
    PointerKind.ERASURE: Erasure,
    PointerKind.RECEIPT: Receipt,
    PointerKind.HOLD: Hold,
}
"""What the value of a pointer decodes to."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a pointer stands: the change that moved it last, and its value."""

    change: Change
    value: Any


State = Mapping[Pointer, Entry]


def fold(state: State, changes: Iterable[Change]) -> State:
    """Apply changes to a state, oldest first. Removed pointers disappear; what is final stays."""
    entries = dict(state)
    for change in changes:
        if change.pointer.kind.is_final and change.pointer in entries:
            continue
        if change.after is None:
            entries.pop(change.pointer, None)
        else:
            kind = TYPES[change.pointer.kind]
            entries[change.pointer] = Entry(change, msgspec.json.decode(change.after, type=kind))
    return entries


Suspensions = Mapping[Scope, Suspension]


@dataclass(frozen=True, slots=True)
class Grant:
    """What one key may do for one tenant, inheritance resolved: key over tenant over tier.

    Attributes:
        models: Model names and `provider/*` patterns.
        suspensions: Where to look its kill switches up; empty if none concerns it.
        budget: What the tenant may spend.
        when_redis_is_down: What a worker does without shared limits; `None` leaves it to the site.
    """

    key: Key
    tenant: Tenant
    tier: Tier
    models: frozenset[str]
    limits: Limits
    content: ContentPolicy
    durability: Durability
    suspensions: Suspensions
    budget: Budget = NO_BUDGET
    when_redis_is_down: WhenAway | None = None
    when_spool_is_full: WhenFull = WhenFull.CLOSED

    @property
    def has_budget(self) -> bool:
        """Whether anything that it is used for may count against a budget."""
        tenant = self.tenant
        budgets = (self.budget, tenant.each_end_user, self.key.budget)
        return bool(tenant.features) or any(budget != NO_BUDGET for budget in budgets)

    def allows(self, model: str) -> bool:
        """Whether the key may call a model by that name."""
        return _covers(self.models, model)

    def may_use(self, tool: str) -> bool:
        """Whether the tenant may have a tool run at a provider."""
        own = self.tenant.server_tools
        return tool in (self.tier.server_tools if own is None else own)

    def limits_at(self, at_us: int) -> Limits:
        """Give the limits at an instant: those of the tenant, slower while it is throttled."""
        if not self.suspensions:
            return self.limits
        found = self.suspensions.get(Scope(ScopeKind.TENANT, self.tenant.id))
        if found is None or found.requests_per_minute is None or not found.is_on(at_us):
            return self.limits
        own = self.limits.requests_per_minute
        least = found.requests_per_minute if own is None else min(own, found.requests_per_minute)
        return msgspec.structs.replace(self.limits, requests_per_minute=least)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides how requests behave, at one `config_seq`.

    Attributes:
        grants: What each key of a tenant may do.
        acting: Keys that act for many tenants.
        price_list: What another price list lays over the shipped one.
        breakers: What somebody decided about the breakers of targets.
        prompts: What is published, and where labels point.
        site_budget: What all tenants together may spend.
        erasures: What was to be erased, ever, by its id.
    """

    config_seq: int = 0
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    tiers: Mapping[str, Tier] = field(default_factory=dict[str, Tier])
    tenants: Mapping[TenantId, Tenant] = field(default_factory=dict[TenantId, Tenant])
    suspensions: Suspensions = field(default_factory=dict[Scope, Suspension])
    grants: Mapping[KeyId, Grant] = field(default_factory=dict[KeyId, Grant])
    acting: Mapping[KeyId, Key] = field(default_factory=dict[KeyId, Key])
    price_overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    price_list: Mapping[str, Any] = field(default_factory=dict[str, Any])
    breakers: Mapping[str, BreakerOrder] = field(default_factory=dict[str, BreakerOrder])
    prompts: Prompts = NO_PROMPTS
    site_budget: Budget = NO_BUDGET
    erasures: Mapping[str, Erasure] = field(default_factory=dict[str, Erasure])

    def key(self, key_id: KeyId) -> Key | None:
        """Find a key by its id."""
        grant = self.grants.get(key_id)
        return self.acting.get(key_id) if grant is None else grant.key

    def grant(self, key_id: KeyId, tenant: TenantId) -> Grant | None:
        """Find what a key may do for a tenant: its own, or one it acts for."""
        acting = self.acting.get(key_id)
        return self.grants.get(key_id) if acting is None else self.acted_for(acting, tenant)

    def acted_for(self, key: Key, tenant: TenantId) -> Grant | None:
        """Work out what a key may do for a tenant; `None` if there is no such tenant."""
        found = self.tenants.get(tenant)
        tier = self.tiers.get(found.tier) if found else None
        return _grant(key, found, tier, self.suspensions) if found and tier else None

    def target_stopped(self, target: Target, at_us: int) -> Scope | None:
        """Name the kill switch that keeps a target from being used, if one is on."""
        if not self.suspensions:
            return None
        direct = f"{target.provider}/{target.model.partition('!')[0]}"
        scopes = Scope(ScopeKind.MODEL, direct), Scope(ScopeKind.PROVIDER, target.provider)
        return first_stopped(self.suspensions, scopes, at_us)

    def model_stopped(self, name: str, at_us: int) -> Scope | None:
        """Name the kill switch of a model's name, if it is on."""
        if not self.suspensions:
            return None
        return first_stopped(self.suspensions, (Scope(ScopeKind.MODEL, name),), at_us)

    def model(self, name: str) -> Model | None:
        """Find a model by name; `provider/model` of a known provider is a direct one.

        A suffix from the first `!` on asks a simulator for a fault: it goes along to the
        provider, and leads where the name before it leads.
        """
        plain, mark, fault = name.partition("!")
        found = self.models.get(plain)
        if found is not None:
            if not mark:
                return found
            target = Target(found.to.provider, f"{found.to.model}!{fault}")
            return msgspec.structs.replace(found, to=target, shares=())
        direct = read_target(name)
        if direct is not None and direct.provider in self.providers:
            return Model(name=plain, kind=ModelKind.DIRECT, to=direct)
        return None


def first_stopped(suspensions: Suspensions, scopes: Iterable[Scope], at_us: int) -> Scope | None:
    """Name the first of some scopes that is stopped at an instant."""
    for scope in scopes:
        found = suspensions.get(scope)
        if found is not None and found.stops(at_us):
            return scope
    return None


def build(config_seq: int, state: State) -> Snapshot:
    """Build the snapshot of a state; keys whose tenant or tier is missing open nothing."""
    by_kind: dict[PointerKind, dict[Any, Any]] = {kind: {} for kind in PointerKind}
    for pointer, entry in state.items():
        by_kind[pointer.kind][pointer.name] = entry.value
    suspensions = {
        scope_of(Pointer(PointerKind.SUSPENSION, name)): value
        for name, value in by_kind[PointerKind.SUSPENSION].items()
    }
    keys: dict[KeyId, Key] = by_kind[PointerKind.KEY]
    bare = Snapshot(
        config_seq,
        by_kind[PointerKind.PROVIDER],
        by_kind[PointerKind.MODEL],
        by_kind[PointerKind.TIER],
        by_kind[PointerKind.TENANT],
        suspensions,
        acting={key_id: key for key_id, key in keys.items() if key.tenant is None},
        price_overrides=by_kind[PointerKind.PRICES].get(PRICE_OVERRIDES, {}),
        price_list=by_kind[PointerKind.PRICES].get(PRICE_LIST, {}),
        breakers=by_kind[PointerKind.BREAKER],
        prompts=prompts_in(state),
        site_budget=by_kind[PointerKind.SITE].get(SITE_BUDGET, NO_BUDGET),
        erasures=by_kind[PointerKind.ERASURE],
    )
    return replace(bare, grants=_grants(bare, keys))


def _grants(bare: Snapshot, keys: Mapping[KeyId, Key]) -> Mapping[KeyId, Grant]:
    """Resolve what each key of a tenant may do. Most are concerned by no switch: they see none."""
    spared = replace(bare, suspensions={})
    parted = {scope.tenant for scope in bare.suspensions}
    grants: dict[KeyId, Grant] = {}
    for key_id, key in keys.items():
        if key.tenant is None:
            continue
        whole = WHOLE_SITE, Scope(ScopeKind.TENANT, key.tenant), Scope(ScopeKind.KEY, key_id)
        concerned = key.tenant in parted or any(scope in bare.suspensions for scope in whole)
        grant = (bare if concerned else spared).acted_for(key, key.tenant)
        if grant is not None:
            grants[key_id] = grant
    return grants


def keeps_content(snapshot: Snapshot, tenant_id: str) -> bool:
    """Whether what is written for a tenant is kept in full now; of one that is gone it is not."""
    tenant = snapshot.tenants.get(TenantId(tenant_id))
    tier = None if tenant is None else snapshot.tiers.get(tenant.tier)
    if tenant is None or tier is None:
        return False
    return (tenant.content or tier.content) is ContentPolicy.FULL


def _grant(key: Key, tenant: Tenant, tier: Tier, suspensions: Suspensions) -> Grant:
    models = frozenset(tier.models if tenant.models is None else tenant.models)
    if key.models is not None:
        narrow = frozenset(key.models)
        models = frozenset(
            {name for name in narrow if _covers(models, name)}
            | {name for name in models if _covers(narrow, name)}
        )
    return Grant(
        key,
        tenant,
        tier,
        models,
        tenant.limits.over(tier.limits),
        tenant.content or tier.content,
        tenant.durability or tier.durability,
        suspensions,
        tenant.budget.over(tier.budget),
        tenant.when_redis_is_down or tier.when_redis_is_down,
        tenant.when_spool_is_full or tier.when_spool_is_full,
    )


def _covers(models: frozenset[str], name: str) -> bool:
    """Whether a list names a model, or has a pattern for all of its provider."""
    provider, slash, _ = name.partition("/")
    return name in models or (slash != "" and f"{provider}/*" in models)
