"""What a load may not take from those who use it: calls that were served and no longer would be."""

from collections.abc import Iterable

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.ids import KeyId, TenantId
from trimtab.store.base import Use

MOST_TOLD = 5


def refuse_cut_off(before: Snapshot, after: Snapshot, used: Iterable[Use]) -> None:
    """Refuse a configuration under which calls that were made would not be served any more.

    Raises:
        SettingsInvalid: one line for each tenant that would be cut off from a model.
    """
    cut_off = sorted(
        {(it.tenant_id, it.model) for it in used if _serves(before, it) and not _serves(after, it)}
    )
    if not cut_off:
        return
    lines = [
        f"tenant {tenant!r} called model {model!r} in the last hour and could not any more; keep"
        " what it needs, or say --yes"
        for tenant, model in cut_off[:MOST_TOLD]
    ]
    if len(cut_off) > MOST_TOLD:
        lines.append(f"and {len(cut_off) - MOST_TOLD} more would be cut off")
    raise SettingsInvalid("\n".join(lines))


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
