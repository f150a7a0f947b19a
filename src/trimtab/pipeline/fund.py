"""Stage 4: one atomic hold of everything the request needs: slots, rates, later money."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from msgspec.structs import replace

from trimtab.control.snapshot import Grant
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    BudgetExhausted,
    BudgetHeld,
    BudgetUnreachable,
    LimitsUnavailable,
    ParallelLimited,
    RateLimited,
    TrimtabError,
)
from trimtab.domain.ids import TenantId
from trimtab.domain.model import ModelKind
from trimtab.domain.money import usd_text
from trimtab.domain.suspension import Scope
from trimtab.domain.tenant import Limits
from trimtab.pipeline.estimate import floor_of
from trimtab.pipeline.handoff import (
    MONEY,
    Admitted,
    Funded,
    Identified,
    Planned,
    Screened,
    allowance,
)
from trimtab.pipeline.money import NANO_PER_MICRO, Claim, Money
from trimtab.pipeline.switch import refusal
from trimtab.store.base.limits import NOBODY, Already, Asker, Held, LimitStore, Need, Spending, Unit

RENEW_S = 20.0
LEASE_S = 3 * RENEW_S
BUDGET_HELD_S = 2.0
ASKED_TWICE = 2
MOST_REMEMBERED = 10_000

_REQUESTS = "requests/"

Spent = Callable[[Spending], Awaitable[Already]]


@dataclass(frozen=True, slots=True)
class Fund:
    """Hold what a request needs, all or nothing. `settle` gives back what is not used.

    State: tenants whose requests per minute are used up: how many there are, and until when.

    Attributes:
        spent: Sums the ledger of this host up, with what is not in it yet.
        scopes: What kill switches may know a request by; `None` where no other worker could know
            more of them than this one.
        replan: Plans a request for another model; `None` downgrades nothing.
    """

    limits: LimitStore
    clock: Clock
    money: Money
    spent: Spent
    scopes: Callable[[Identified], Iterable[Scope]] | None = None
    replan: Callable[[Admitted], Planned] | None = None
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
        _refuse(need, Held(wait_s=wait_s))

    async def __call__(self, screened: Screened) -> Funded:
        """Place the hold.

        Raises:
            ParallelLimited: too many requests of the tenant run already.
            RateLimited: the tenant's requests or tokens per minute are used up.
            PriceUnknown: it may cost what nobody knows; `MaximumUnknown` and `FieldNotAllowed`
                likewise, if a budget is strict.
            BudgetExhausted: a budget has no room for what it may cost.
            BudgetHeld: it will have, once running requests are settled.
            TenantSuspended: a worker with a newer configuration knows that who asks is suspended.
            LimitsUnavailable: the limits are away, and the tenant may not go on without.
        """
        admitted = screened.planned.admitted
        request = admitted.request
        floor = floor_of(request)
        tokens = 0 if request.wire.is_free else floor
        claims = self.money(screened.planned, floor)
        needs = _needs(admitted.grant, request.ts_us, tokens=tokens)
        needs += [claim.need for claim in claims]
        if not needs and self.scopes is None:
            return Funded(screened, floor, ())
        held = await self._hold(admitted, needs, claims)
        if held.denied is None:
            return Funded(screened, floor, tuple(needs), held, _is_strict(claims))
        self._remember(admitted.grant.tenant.id, needs[held.denied], held)
        downgraded = await self._downgraded(screened, needs, claims, held)
        if downgraded is None:
            _refuse(needs[held.denied], held)
        return downgraded

    async def _downgraded(
        self, screened: Screened, needs: list[Need], claims: list[Claim], held: Held
    ) -> Funded | None:
        """Hold for a cheaper model instead, if the budget that is empty names one.

        Who calls a freezer relies on it, and is not given another.
        """
        others, admitted = len(needs) - len(claims), screened.planned.admitted
        denied = held.denied or 0
        downgrade = claims[denied - others].downgrade if denied >= others else None
        if downgrade is None or held.is_degraded or self.replan is None:
            return None
        model = admitted.snapshot.model(downgrade.to)
        if model is None or admitted.model.kind is ModelKind.FREEZER:
            return None
        try:
            planned = self.replan(replace(admitted, model=model))
            cheaper = replace(screened, planned=planned)
            floor = floor_of(planned.admitted.request)
            raised = [it.with_room_for_another_model() for it in self.money(planned, floor)]
        except TrimtabError:
            return None
        wanted = [*needs[:others], *(claim.need for claim in raised)]
        held = await self._hold(planned.admitted, wanted, raised)
        if held.denied is not None:
            return None
        return Funded(cheaper, floor, tuple(wanted), held, _is_strict(raised))

    async def _hold(self, admitted: Admitted, needs: list[Need], claims: list[Claim]) -> Held:
        asking = () if self.scopes is None else tuple(self.scopes(admitted))
        asker, request_id = _asker(admitted, asking), admitted.request.request_id
        for _ in range(1 + ASKED_TWICE * len(claims)):
            held = await self.limits.hold(request_id, needs, lease_s=LEASE_S, asker=asker)
            if held.stopped is not None:
                raise refusal(asking[held.stopped])
            if held.unknown is None:
                return held
            claim = claims[held.unknown - len(needs)]
            already = await self.spent(claim.spending)
            await self.limits.prime(claim.need, already.spent, already.held)
        raise LimitsUnavailable("a budget forgets what it is told; try again", wait_s=1.0)

    def _remember(self, tenant: TenantId, need: Need, held: Held) -> None:
        # A share of this worker alone says nothing of the rate of all.
        if held.wait_s is None or held.is_degraded or not need.scope.startswith(_REQUESTS):
            return
        if len(self._used_up) >= MOST_REMEMBERED:
            self._used_up.clear()
        self._used_up[tenant] = need.size, self.clock.monotonic_s() + held.wait_s

    async def settle(self, funded: Funded, *, tokens: int | None, cost_nano: int | None) -> None:
        """Free the slots; book what was really used, or what was held where that is unknown."""
        if not funded.holds:
            return
        used = funded.input_floor if tokens is None else tokens
        actual = [_used(need, used, cost_nano) for need in funded.holds]
        await self.limits.settle(funded.screened.planned.admitted.request.request_id, actual)

    async def keep(self) -> None:
        """Keep what is held from running out, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_S)
            await self.limits.renew(lease_s=LEASE_S)


def _is_strict(claims: Sequence[Claim]) -> bool:
    return any(claim.is_strict for claim in claims)


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
        Need(
            name=f"{name} of tenant {tenant!r}",
            scope=f"{scope}/{tenant}",
            kind=kind,
            size=size,
            unit=Unit.TOKENS if scope == "tokens" else Unit.REQUESTS,
            enforced=not limits.shadow,
        )
        for name, scope, kind, size in kinds
        if size
    )


def _used(need: Need, tokens: int, cost_nano: int | None) -> int:
    match need.unit:
        case Unit.REQUESTS:
            return 1
        case Unit.TOKENS:
            return tokens
        case Unit.NANO:
            return need.amount if cost_nano is None else cost_nano
        case Unit.MICRO:
            return need.amount if cost_nano is None else -(-cost_nano // NANO_PER_MICRO)


def _refuse(need: Need, held: Held) -> NoReturn:
    if need.unit in MONEY:
        raise _no_money(need, held)
    if need.kind == "slots":
        raise ParallelLimited(
            f"all {need.size} {need.name} are running; wait for one to end or raise `parallel`",
            wait_s=held.wait_s,
        )
    raise RateLimited(
        f"the {need.size} {need.name} are used up; slow down or raise the limit",
        wait_s=held.wait_s,
        allowance=allowance(need, 0),
    )


def _no_money(need: Need, held: Held) -> TrimtabError:
    if held.is_degraded:
        return LimitsUnavailable(
            "the limits that all workers share are away, and what this worker may spend of the"
            f" {need.name} by itself is used up; try again",
            wait_s=1.0,
        )
    in_usd = 1 if need.unit is Unit.NANO else NANO_PER_MICRO
    asked, size = (usd_text(it * in_usd) for it in (need.amount, need.size))
    if need.amount > need.size:
        return BudgetUnreachable(
            f"this request may cost {asked} USD, more than the whole {need.name}, {size} USD; ask"
            " for less, or raise it"
        )
    if need.kind == "bucket":
        wait_s = math.ceil(held.wait_s or 0)
        return BudgetHeld(
            f"the {need.name}, {size} USD, is reached, and there is room for {asked} USD again in"
            f" {wait_s} s; slow down or raise it",
            wait_s=held.wait_s,
        )
    left = usd_text(max(held.room or 0, 0))
    if held.fits_later:
        return BudgetHeld(
            f"running requests hold the {need.name}, {size} USD, but for {left} USD, and this one"
            f" may cost {asked} USD; try again when they are done",
            wait_s=BUDGET_HELD_S,
        )
    return BudgetExhausted(
        f"the {need.name}, {size} USD, has {left} USD left, and this request may cost {asked} USD;"
        " ask for less, raise it, or wait for the next one",
        resets_us=need.ends_us,
    )
