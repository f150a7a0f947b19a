"""Builds what makes content findable in the keeper, behind the recorder."""

from collections.abc import Awaitable, Callable

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import SearchPolicy
from trimtab.jobs.schedule import Job
from trimtab.store.base.reading import SearchIndex
from trimtab.store.base.recording import Unstorable

EVERY_S = 1.0
AT_ONCE = 100


def search_job(
    index: SearchIndex,
    current: Callable[[], Snapshot],
    is_behind: Callable[[], bool],
    leads: Callable[[], Awaitable[bool]],
    *,
    is_sealed: bool = False,
) -> Job:
    """Take the words of what was stored, a little at a time: the recorder takes turns with it.

    While content is sealed none are taken: they would be a readable copy of it.
    """

    def allows(tenant_id: str) -> bool:
        return not is_sealed and _allows(current(), tenant_id)

    async def run() -> None:
        try:
            while await leads() and not is_behind():
                if await index.index(allows, limit=AT_ONCE) < AT_ONCE:
                    return
        except Unstorable as exc:
            raise TryLater(f"words fit no index ({exc}); report it") from exc

    return Job("search", EVERY_S, run)


def _allows(snapshot: Snapshot, tenant_id: str) -> bool:
    """Whether a tenant's content may be searched; of one that is gone nobody knows."""
    tenant = snapshot.tenants.get(TenantId(tenant_id))
    tier = None if tenant is None else snapshot.tiers.get(tenant.tier)
    if tenant is None or tier is None:
        return False
    return (tenant.search or tier.search) is not SearchPolicy.OFF
