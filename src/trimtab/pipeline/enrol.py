"""Tenants on first sight: a product that has them of its own need not tell Trimtab before."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from trimtab.control.changes import Control
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.errors import ChangeConflict, ControlUnavailable, RateLimited, TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import NAME, Key, Tenant
from trimtab.pipeline.admit import Identify
from trimtab.store.base.limits import LimitStore, Need

NEW_PER_MINUTE = 60
LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class Enrol:
    """Make the tenant that a request names, if its key makes tenants and there is none yet.

    State: a lock, for first sights come in crowds.

    Attributes:
        seen: Waits until this worker runs a change.
    """

    identify: Identify
    control: Control
    limits: LimitStore
    seen: Callable[[int], Awaitable[None]]
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, text: str, tenant: str) -> None:
        """Enrol a tenant by the key that names it; what may not be made is left to `Identify`.

        Raises:
            Refused: the key is not good.
            RateLimited: the key made too many tenants in the last minute.
            ControlUnavailable: the change log is away.
        """
        key = self.identify.key(text, self.identify.snapshot())
        tier = key.new_tenant_tier
        if tier is None or not key.may_act_for(tenant) or NAME.fullmatch(tenant) is None:
            return
        if tenant in self.identify.snapshot().tenants:
            return
        async with self._alone:
            if tenant not in self.identify.snapshot().tenants:
                await self._count(key, tenant)
                await self._make(key, Tenant(id=TenantId(tenant), tier=tier))

    async def _count(self, key: Key, tenant: str) -> None:
        need = Need(
            name=f"new tenants per minute of key {key.name!r}",
            scope=f"new_tenants/{key.id}",
            kind="bucket",
            size=NEW_PER_MINUTE,
        )
        asking = f"new_tenant/{key.id}/{tenant}"
        held = await self.limits.hold(asking, (need,), lease_s=LEASE_S)
        if held.denied is not None:
            raise RateLimited(
                f"the {need.size} {need.name} are used up; slow down, or make tenants before",
                wait_s=held.wait_s,
            )
        await self.limits.settle(asking, (1,))

    async def _make(self, key: Key, tenant: Tenant) -> None:
        pointer = Pointer(PointerKind.TENANT, tenant.id)
        try:
            await self.control.move(
                pointer,
                tenant,
                reason=f"first request through key {key.name!r}",
                author=f"key {key.name}",
                source=Source.SYSTEM,
                expected_seq=0,
            )
        except ChangeConflict:
            # Another worker was faster.
            pass
        except TryLater as exc:
            raise ControlUnavailable(
                f"tenant {tenant.id!r} is new, and the change log is away; try again", wait_s=1.0
            ) from exc
        await self.seen((await self.control.state())[pointer].change.seq)
