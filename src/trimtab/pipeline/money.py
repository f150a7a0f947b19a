"""What a request may cost at most by estimate, and which budgets that is held against."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec import Raw

from trimtab.cost.charge import Charge
from trimtab.domain.budget import Budget, Period, WhenEmpty, span
from trimtab.domain.errors import PriceUnknown
from trimtab.domain.model import Provider, Target
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.handoff import Planned, Request
from trimtab.store.base import Need, Spending, Unit

UNDECLARED_OUTPUT = 1024
"""Output tokens that are held for a request which declares no maximum; what exceeds it is debt."""

NANO_PER_MICRO = 1000

_CACHES = b'"cache_control"'
_MAXIMA = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_WITHOUT_OUTPUT = frozenset({"embeddings"})


class Claim(NamedTuple):
    """What is asked of one budget, and which lines of the ledger count against it."""

    need: Need
    spending: Spending


class _Asked(msgspec.Struct):
    """The members of a body that its cost depends on."""

    n: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


class _Payer(NamedTuple):
    """Whose budget it is: what people call it, how stores do, and its lines in the ledger."""

    name: str
    scope: str
    owner: str
    budget: Budget
    spending: Spending


@dataclass(frozen=True, slots=True)
class Money:
    """Works out what to hold.

    Attributes:
        charge: Prices a usage at a target; unknown is `None`.
        user_hash: Gives the hash of a tenant's end user; `None` for nobody.
    """

    charge: Callable[[Provider, Target, Usage, int], Charge]
    user_hash: Callable[[str, str | None], str | None]

    def __call__(self, planned: Planned, input_tokens: int) -> list[Claim]:
        """Say what a request asks of every budget that it counts against.

        Raises:
            PriceUnknown: it counts against one, and a target that it may be tried on has no price.
        """
        request, grant = planned.admitted.request, planned.admitted.grant
        if not grant.has_budget or request.wire.is_free:
            return []
        payers = list(self._payers(planned))
        if not payers:
            return []
        amount = self._hold(planned, input_tokens)
        timezone = grant.tenant.timezone
        claims: list[Claim] = []
        for payer in payers:
            claims += _claims(payer, amount, timezone, request.ts_us)
        return claims

    def _payers(self, planned: Planned) -> Iterator[_Payer]:
        request, grant = planned.admitted.request, planned.admitted.grant
        tenant, key = grant.tenant, grant.key
        lines = Spending(tenant_id=tenant.id)
        yield _Payer(f"tenant {tenant.id!r}", "", tenant.id, grant.budget, lines)
        feature = tenant.features.get(request.feature)
        if feature is not None:
            name = f"feature {request.feature!r} of tenant {tenant.id!r}"
            of_feature = Spending(tenant_id=tenant.id, feature=request.feature)
            yield _Payer(name, f":feature:{request.feature}", tenant.id, feature, of_feature)
        user = self.user_hash(tenant.id, request.end_user)
        if user is not None:
            name = f"this user of tenant {tenant.id!r}"
            of_user = Spending(tenant_id=tenant.id, user_hash=user)
            yield _Payer(name, f":user:{user}", tenant.id, tenant.each_end_user, of_user)
        of_key = Spending(key_id=key.id)
        yield _Payer(f"key {key.name!r}", ":key", key.id, key.budget, of_key)

    def _hold(self, planned: Planned, input_tokens: int) -> int:
        """Price the dearest target a request may be tried on, in nano-USD."""
        request = planned.admitted.request
        usage = _estimated(request, input_tokens)
        ordinary = msgspec.structs.replace(usage, service_tier=None, speed=None, region=None)
        routes = {
            (route.provider.name, str(route.target)): route
            for group in (
                planned.routes,
                planned.when_rate_limited or (),
                planned.when_context_too_long,
                planned.when_refused,
            )
            for route in group
        }
        dearest = 0
        for route in routes.values():
            at = route.provider, route.target
            cost = self.charge(*at, usage, request.ts_us).cost_nano
            if cost is None:
                # A kind of service without a price of its own is held at the ordinary one.
                cost = self.charge(*at, ordinary, request.ts_us).cost_nano
            if cost is None:
                raise PriceUnknown(
                    f"target {str(route.target)!r} has no price, and tenant"
                    f" {planned.admitted.grant.tenant.id!r} has a budget; add the price to"
                    " prices.overrides"
                )
            dearest = max(dearest, cost)
        return dearest


def _claims(payer: _Payer, amount: int, timezone: str, at_us: int) -> Iterator[Claim]:
    budget = payer.budget
    enforced = budget.when_empty is not WhenEmpty.WARN
    if budget.nano is not None:
        period = budget.per or Period.MONTH
        window = span(period, timezone, at_us)
        need = Need(
            name=f"budget of {payer.name} for this {period}",
            scope=f"spend:{window.name}{payer.scope}/{payer.owner}",
            kind="window",
            size=budget.nano,
            amount=amount,
            ends_us=window.ends_us,
            enforced=enforced,
            unit=Unit.NANO,
        )
        spending = msgspec.structs.replace(
            payer.spending, since_us=window.since_us, until_us=window.ends_us
        )
        yield Claim(need, spending)
    if budget.speed is not None:
        need = Need(
            name=f"spending speed of {payer.name}",
            scope=f"speed{payer.scope}/{payer.owner}",
            kind="bucket",
            size=-(-budget.speed.nano // NANO_PER_MICRO),
            per_s=budget.speed.per_s,
            amount=-(-amount // NANO_PER_MICRO),
            enforced=enforced,
            unit=Unit.MICRO,
        )
        yield Claim(need, payer.spending)


def _estimated(request: Request, input_tokens: int) -> Usage:
    """Guess a usage, towards the dearer side: nothing cached, every answer as long as it may be."""
    members = request.members
    asked = _read(members)
    writes = any(_CACHES in memoryview(raw).tobytes() for raw in members.values())
    declared = next((it for it in (_count(members, name) for name in _MAXIMA) if it), None)
    output = (declared or UNDECLARED_OUTPUT) * max(asked.n or 1, 1)
    return Usage(
        source=UsageSource.ESTIMATED,
        input_tokens=input_tokens,
        cache_write_1h=input_tokens if writes else None,
        output_tokens=0 if request.operation in _WITHOUT_OUTPUT else output,
        service_tier=None if asked.service_tier == "auto" else asked.service_tier,
        speed=asked.speed,
        region=asked.inference_geo,
    )


def _read(members: Mapping[str, Raw]) -> _Asked:
    found: dict[str, object] = {}
    for name in _Asked.__struct_fields__:
        if name in members:
            found[name] = msgspec.json.decode(members[name])
    try:
        return msgspec.convert(found, _Asked)
    except msgspec.ValidationError:
        # The provider will say what is wrong with it.
        return _Asked()


def _count(members: Mapping[str, Raw], name: str) -> int | None:
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=int)
    except msgspec.DecodeError:
        return None
