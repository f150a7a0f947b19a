"""Stage 4: one atomic hold of everything the request needs: slots, rates, later money."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from msgspec import Raw
from msgspec.structs import replace

from trimtab.control.snapshot import Grant
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ParallelLimited, RateLimited
from trimtab.domain.ids import TenantId
from trimtab.domain.suspension import Scope
from trimtab.domain.tenant import Limits
from trimtab.pipeline.handoff import Admitted, Funded, Identified, Screened, allowance
from trimtab.pipeline.switch import refusal
from trimtab.store.base import NOBODY, Asker, Held, LimitStore, Need

BYTES_PER_TOKEN = 4
RENEW_S = 20.0
LEASE_S = 3 * RENEW_S
READ_BY_MODELS = ("messages", "system", "tools", "input", "instructions")

MOST_REMEMBERED = 10_000

_REQUESTS = "requests/"
_NOTHING = Raw(b"")


@dataclass(frozen=True, slots=True)
class Fund:
    """Hold what a request needs, all or nothing. `settle` gives back what is not used.

    State: tenants whose requests per minute are used up: how many there are, and until when.

    Attributes:
        scopes: What kill switches may know a request by; `None` where no other worker could know
            more of them than this one.
    """

    limits: LimitStore
    clock: Clock
    scopes: Callable[[Identified], Iterable[Scope]] | None = None
    _used_up: dict[TenantId, tuple[int, float]] = field(
        default_factory=dict[TenantId, tuple[int, float]]
    )

    def check(self, grant: Grant, at_us: int) -> None:
        """Refuse a tenant whose requests are plainly used up, before its body is read.

        It is only remembered what the last hold said; the next one decides.

        Raises:
            RateLimited: there is no room before the instant that was told.
        """
        size, until_s = self._used_up.get(grant.tenant.id) or (0, 0.0)
        if not size:
            return
        wait_s = until_s - self.clock.monotonic_s()
        limits = grant.limits_at(at_us)
        if wait_s <= 0 or limits.requests_per_minute != size:
            del self._used_up[grant.tenant.id]
            return
        (need,) = (it for it in _asked(grant.tenant.id, limits) if it.scope.startswith(_REQUESTS))
        _refuse(need, wait_s)

    async def __call__(self, screened: Screened) -> Funded:
        """Place the hold.

        Raises:
            ParallelLimited: too many requests of the tenant run already.
            RateLimited: the tenant's requests or tokens per minute are used up.
            TenantSuspended: a worker with a newer configuration knows that who asks is suspended.
            LimitsUnavailable: the limits are away, and the tenant may not go on without.
        """
        admitted = screened.planned.admitted
        request = admitted.request
        read = sum(len(memoryview(request.members.get(name, _NOTHING))) for name in READ_BY_MODELS)
        floor = -(-read // BYTES_PER_TOKEN)
        tokens = 0 if request.wire.is_free else floor
        needs = _needs(admitted.grant, request.ts_us, tokens=tokens)
        held = Held()
        if needs or self.scopes is not None:
            asking = () if self.scopes is None else tuple(self.scopes(admitted))
            held = await self.limits.hold(
                request.request_id, needs, lease_s=LEASE_S, asker=_asker(admitted, asking)
            )
            if held.stopped is not None:
                raise refusal(asking[held.stopped])
            if held.denied is not None:
                self._remember(admitted.grant.tenant.id, needs[held.denied], held.wait_s)
                _refuse(needs[held.denied], held.wait_s)
        return Funded(screened, floor, tuple(needs), held)

    def _remember(self, tenant: TenantId, need: Need, wait_s: float | None) -> None:
        if wait_s is None or not need.scope.startswith(_REQUESTS):
            return
        if len(self._used_up) >= MOST_REMEMBERED:
            self._used_up.clear()
        self._used_up[tenant] = need.size, self.clock.monotonic_s() + wait_s

    async def settle(self, funded: Funded, *, tokens: int | None) -> None:
        """Free the slots; book the tokens that were really used, or keep the estimate."""
        if not funded.holds:
            return
        used = funded.input_floor if tokens is None else tokens
        actual = [used if _counts_tokens(need) else 1 for need in funded.holds]
        await self.limits.settle(funded.screened.planned.admitted.request.request_id, actual)

    async def keep(self) -> None:
        """Keep what is held from running out, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_S)
            await self.limits.renew(lease_s=LEASE_S)


def _asker(admitted: Admitted, scopes: tuple[Scope, ...]) -> Asker:
    if not scopes:
        return NOBODY
    return Asker(
        config_seq=admitted.snapshot.config_seq,
        scopes=tuple(scope.pointer.name for scope in scopes),
        when_away=admitted.grant.when_redis_is_down,
    )


def _needs(grant: Grant, at_us: int, *, tokens: int) -> list[Need]:
    limits = grant.limits_at(at_us)
    needs = list(_asked(grant.tenant.id, limits))
    if limits.tokens_per_minute:
        needs[-1] = replace(needs[-1], amount=min(tokens, limits.tokens_per_minute))
    return needs


@lru_cache(maxsize=4096)
def _asked(tenant: TenantId, limits: Limits) -> tuple[Need, ...]:
    """Say what every request of a tenant asks for; tokens come last, and are counted by request."""
    kinds = (
        ("parallel requests", "slots", "slots", limits.parallel),
        ("requests per minute", "requests", "bucket", limits.requests_per_minute),
        ("tokens per minute", "tokens", "bucket", limits.tokens_per_minute),
    )
    return tuple(
        Need(name=f"{name} of tenant {tenant!r}", scope=f"{scope}/{tenant}", kind=kind, size=size)
        for name, scope, kind, size in kinds
        if size
    )


def _counts_tokens(need: Need) -> bool:
    return need.scope.startswith("tokens/")


def _refuse(need: Need, wait_s: float | None) -> NoReturn:
    if need.kind == "slots":
        raise ParallelLimited(
            f"all {need.size} {need.name} are running; wait for one to end or raise `parallel`",
            wait_s=wait_s,
        )
    raise RateLimited(
        f"the {need.size} {need.name} are used up; slow down or raise the limit",
        wait_s=wait_s,
        allowance=allowance(need, 0),
    )
