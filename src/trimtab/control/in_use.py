"""What a load may not take from those who use it: calls that were served and no longer would be."""

from collections.abc import Iterable, Iterator

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.ids import KeyId, TenantId
from trimtab.store.base.sums import Use

MOST_TOLD = 5


def refuse_cut_off(before: Snapshot, after: Snapshot, used: Iterable[Use] | None) -> None:
    """Refuse a configuration under which calls that were made would not be served any more.

    Where nobody can tell which were made (`used` is `None`), all that may be made are taken for it.

    Raises:
        SettingsInvalid: one line for each tenant that would be cut off from a model.
    """
    uses = _possible(before) if used is None else used
    cut_off = sorted(
        {(it.tenant_id, it.model) for it in uses if _serves(before, it) and not _serves(after, it)}
    )
    if not cut_off:
        return
    did = "may have called" if used is None else "called"
    lines = [
        f"tenant {tenant!r} {did} model {model!r} in the last hour and could not any more; keep"
        " what it needs, or say --yes"
        for tenant, model in cut_off[:MOST_TOLD]
    ]
    if len(cut_off) > MOST_TOLD:
        lines.append(f"and {len(cut_off) - MOST_TOLD} more would be cut off")
    raise SettingsInvalid("\n".join(lines))


def _possible(snapshot: Snapshot) -> Iterator[Use]:
    """List every call that may be made; a pattern of a provider's models stands for them."""
    for key_id, grant in snapshot.grants.items():
        for model in grant.models:
            yield Use(grant.tenant.id, key_id, model)
    for key_id, key in snapshot.acting.items():
        for tenant in snapshot.tenants:
            grant = snapshot.acted_for(key, tenant) if key.may_act_for(tenant) else None
            for model in grant.models if grant else ():
                yield Use(tenant, key_id, model)


def _serves(snapshot: Snapshot, use: Use) -> bool:
    grant = snapshot.grant(KeyId(use.key_id), TenantId(use.tenant_id))
    model = snapshot.model(use.model)
    return (
        grant is not None
        and not grant.key.revoked
        and model is not None
        and grant.allows(model.name)
        and any(target.provider in snapshot.providers for target in model.targets)
    )
