"""The immutable view of all configuration at one sequence number.

Workers fold the change log into a state, build a snapshot of it and swap it whole. What a key may
do is worked out here once per change, so that admission is a look-up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from trimtab.domain.change import Change, Pointer, PointerKind
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.model import Model, ModelKind, Provider, Target
from trimtab.domain.tenant import (
    ContentPolicy,
    Durability,
    Key,
    Limits,
    Suspension,
    Tenant,
    Tier,
)

TYPES: Mapping[PointerKind, type[Any]] = {
    PointerKind.PROVIDER: Provider,
    PointerKind.MODEL: Model,
    PointerKind.TIER: Tier,
    PointerKind.TENANT: Tenant,
    PointerKind.KEY: Key,
    PointerKind.SUSPENSION: Suspension,
    PointerKind.PRICES: dict[str, Any],
}
"""What the value of a pointer decodes to."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a pointer stands: the change that moved it last, and its value."""

    change: Change
    value: Any


State = Mapping[Pointer, Entry]


def fold(state: State, changes: Iterable[Change]) -> State:
    """Apply changes to a state, oldest first. Removed pointers disappear."""
    entries = dict(state)
    for change in changes:
        if change.after is None:
            entries.pop(change.pointer, None)
        else:
            kind = TYPES[change.pointer.kind]
            entries[change.pointer] = Entry(change, msgspec.json.decode(change.after, type=kind))
    return entries


@dataclass(frozen=True, slots=True)
class Grant:
    """What one key may do, inheritance resolved: key over tenant over tier.

    Attributes:
        models: Model names and `provider/*` patterns.
        suspension: The kill switch, if it is on.
    """

    key: Key
    tenant: Tenant
    tier: Tier
    models: frozenset[str]
    limits: Limits
    content: ContentPolicy
    durability: Durability
    suspension: Suspension | None

    def allows(self, model: str) -> bool:
        """Whether the key may call a model by that name."""
        return _covers(self.models, model)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides how requests behave, at one `config_seq`."""

    config_seq: int = 0
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    tiers: Mapping[str, Tier] = field(default_factory=dict[str, Tier])
    tenants: Mapping[TenantId, Tenant] = field(default_factory=dict[TenantId, Tenant])
    suspensions: Mapping[TenantId, Suspension] = field(default_factory=dict[TenantId, Suspension])
    grants: Mapping[KeyId, Grant] = field(default_factory=dict[KeyId, Grant])
    price_overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])

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
        provider, slash, model = name.partition("/")
        if slash and model and provider in self.providers:
            return Model(name=plain, kind=ModelKind.DIRECT, to=Target(provider, model))
        return None


def build(config_seq: int, state: State) -> Snapshot:
    """Build the snapshot of a state; keys whose tenant or tier is missing open nothing."""
    by_kind: dict[PointerKind, dict[Any, Any]] = {kind: {} for kind in PointerKind}
    for pointer, entry in state.items():
        by_kind[pointer.kind][pointer.name] = entry.value
    tiers: dict[str, Tier] = by_kind[PointerKind.TIER]
    tenants: dict[TenantId, Tenant] = by_kind[PointerKind.TENANT]
    suspensions: dict[TenantId, Suspension] = by_kind[PointerKind.SUSPENSION]
    grants: dict[KeyId, Grant] = {}
    for key_id, key in by_kind[PointerKind.KEY].items():
        tenant = tenants.get(key.tenant)
        tier = tiers.get(tenant.tier) if tenant else None
        if tenant and tier:
            grants[KeyId(key_id)] = _grant(key, tenant, tier, suspensions.get(tenant.id))
    return Snapshot(
        config_seq,
        by_kind[PointerKind.PROVIDER],
        by_kind[PointerKind.MODEL],
        tiers,
        tenants,
        suspensions,
        grants,
        by_kind[PointerKind.PRICES].get("overrides", {}),
    )


def _grant(key: Key, tenant: Tenant, tier: Tier, suspension: Suspension | None) -> Grant:
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
        suspension,
    )


def _covers(models: frozenset[str], name: str) -> bool:
    """Whether a list names a model, or has a pattern for all of its provider."""
    provider, slash, _ = name.partition("/")
    return name in models or (slash != "" and f"{provider}/*" in models)
