"""What a request may cost at most by estimate, and which budgets that is held against."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from trimtab.cost.charge import Charge
from trimtab.domain.budget import (
    NO_BUDGET,
    QUARTER_US,
    Budget,
    Downgrade,
    Period,
    WhenEmpty,
    span,
)
from trimtab.domain.errors import PriceUnknown
from trimtab.domain.model import Provider, Target
from trimtab.domain.record import Origin
from trimtab.domain.tenant import RESERVED_PREFIX, Tenant
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
    downgrade: Downgrade | None = None

    def with_room_for_another_model(self) -> "Claim":
        """Let it spend what it allows for cheaper answers, once it is empty."""
        more = 0 if self.downgrade is None else self.downgrade.nano
        return self._replace(need=replace(self.need, size=self.need.size + more))


class _Asked(msgspec.Struct, frozen=True):
    """The members of a body that its cost depends on."""

    n: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


_NOTHING_ASKED = _Asked()


class Payer(NamedTuple):
    """Whose budget it is.

    Attributes:
        id: Id of the tenant or key, name of the feature, hash of the end user.
        of: The tenant; the name of a key.
    """

    kind: str
    id: str
    of: str

    @property
    def named(self) -> str:
        """What people call it."""
        match self.kind:
            case "tenant":
                return f"tenant {self.id!r}"
            case "key":
                return f"key {self.of!r}"
            case "user":
                return f"this user of tenant {self.of!r}"
            case "site":
                return "the whole site"
            case _:
                return f"feature {self.id!r} of tenant {self.of!r}"

    @property
    def scope(self) -> str:
        """What stores call it, with the owner whose counters stand together."""
        match self.kind:
            case "tenant":
                return f"/{self.id}"
            case "key":
                return f":key/{self.id}"
            case "site":
                return ":site/all"
            case _:
                return f":{self.kind}:{self.id}/{self.of}"

    @property
    def spending(self) -> Spending:
        """Its lines in the ledger."""
        match self.kind:
            case "tenant":
                return Spending(tenant_id=self.id)
            case "key":
                return Spending(key_id=self.id)
            case "user":
                return Spending(tenant_id=self.of, user_hash=self.id)
            case "site":
                return Spending()
            case _:
                return Spending(tenant_id=self.of, feature=self.id)


SITE = Payer("site", "all", "")


class Charging(Protocol):
    """Prices a usage at a target; unknown is `None`."""

    # who pays, where, for what and when
    def __call__(
        self, provider: Provider, target: Target, usage: Usage, at_us: int, *, tenant: str = ""
    ) -> Charge:
        """Price it for a tenant; nobody's own contract without one."""
        ...


@dataclass(frozen=True, slots=True)
class Money:
    """Works out what to hold.

    Attributes:
        charge: Prices a usage at a target; unknown is `None`.
        user_hash: Gives the hash of a tenant's end user; `None` for nobody.
    """

    charge: Charging
    user_hash: Callable[[str, str | None], str | None]

    def __call__(self, planned: Planned, input_tokens: int) -> list[Claim]:
        """Say what a request asks of every budget that it counts against.

        Raises:
            PriceUnknown: it counts against one, and a target that it may be tried on has no price.
        """
        request, grant = planned.admitted.request, planned.admitted.grant
        of_site = planned.admitted.snapshot.site_budget
        if request.wire.is_free or not (grant.has_budget or of_site != NO_BUDGET):
            return []
        asked = list(self._budgets(planned))
        if not asked:
            return []
        amount = self._hold(planned, input_tokens)
        micro = -(-amount // NANO_PER_MICRO)
        return [
            claim._replace(
                need=replace(claim.need, amount=amount if claim.need.unit is Unit.NANO else micro)
            )
            for claim in asked
        ]

    def _budgets(self, planned: Planned) -> Iterator[Claim]:
        request, grant = planned.admitted.request, planned.admitted.grant
        tenant, quarter = grant.tenant, request.ts_us // QUARTER_US
        at = tenant.timezone, quarter
        of_site = planned.admitted.snapshot.site_budget
        if of_site != NO_BUDGET:
            yield from claims_of(SITE, of_site, "UTC", quarter)
        if request.origin is Origin.LIVE or tenant.id.startswith(RESERVED_PREFIX):
            yield from self._budgets_of(request, tenant, grant.budget, at)
        if grant.key.budget != NO_BUDGET:
            key = Payer("key", grant.key.id, grant.key.name)
            yield from claims_of(key, grant.key.budget, *at)

    def _budgets_of(
        self, request: Request, tenant: Tenant, budget: Budget, at: tuple[str, int]
    ) -> Iterator[Claim]:
        """Say what a tenant's own budgets are asked. No tenant pays for what we try out."""
        yield from claims_of(Payer("tenant", tenant.id, tenant.id), budget, *at)
        if tenant.features:
            of_feature = tenant.features.get(request.feature, NO_BUDGET)
            yield from claims_of(Payer("feature", request.feature, tenant.id), of_feature, *at)
        if tenant.each_end_user != NO_BUDGET:
            user = self.user_hash(tenant.id, request.end_user)
            if user is not None:
                yield from claims_of(Payer("user", user, tenant.id), tenant.each_end_user, *at)

    def _hold(self, planned: Planned, input_tokens: int) -> int:
        """Price the dearest target a request may be tried on, in nano-USD."""
        request, tenant = planned.admitted.request, planned.admitted.grant.tenant.id
        usage = _estimated(request, input_tokens)
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
            cost = self.charge(*at, usage, request.ts_us, tenant=tenant).cost_nano
            if cost is None:
                # A kind of service without a price of its own is held at the ordinary one.
                ordinary = replace(usage, service_tier=None, speed=None, region=None)
                cost = self.charge(*at, ordinary, request.ts_us, tenant=tenant).cost_nano
            if cost is None:
                raise PriceUnknown(
                    f"target {str(route.target)!r} has no price, and tenant {tenant!r} has a"
                    " budget; add the price to prices.overrides"
                )
            dearest = max(dearest, cost)
        return dearest


@lru_cache(maxsize=16_384)
def claims_of(payer: Payer, budget: Budget, timezone: str, quarter: int) -> tuple[Claim, ...]:
    """Say what a budget is asked, but for the amount, in a quarter of an hour since the epoch."""
    enforced = budget.when_empty is not WhenEmpty.WARN
    claims: list[Claim] = []
    if budget.nano is not None:
        period = budget.per or Period.MONTH
        window = span(period, timezone, quarter * QUARTER_US)
        need = Need(
            name=f"budget of {payer.named} for this {period}",
            scope=f"spend:{window.name}{payer.scope}",
            kind="window",
            size=budget.nano,
            ends_us=window.ends_us,
            enforced=enforced,
            unit=Unit.NANO,
        )
        spending = replace(payer.spending, since_us=window.since_us, until_us=window.ends_us)
        claims.append(Claim(need, spending, budget.downgrade))
    if budget.speed is not None:
        need = Need(
            name=f"spending speed of {payer.named} in any {budget.speed.per}",
            scope=f"speed{payer.scope}",
            kind="bucket",
            size=-(-budget.speed.nano // NANO_PER_MICRO),
            per_s=budget.speed.per_s,
            enforced=enforced,
            unit=Unit.MICRO,
        )
        claims.append(Claim(need, payer.spending))
    return tuple(claims)


def _estimated(request: Request, input_tokens: int) -> Usage:
    """Guess a usage, towards the dearer side: nothing cached, every answer as long as it may be."""
    members = request.members
    asked = _read(members)
    writes = request.wire.is_anthropic and any(_CACHES in bytes(raw) for raw in members.values())
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
    found = {
        name: msgspec.json.decode(members[name])
        for name in _Asked.__struct_fields__
        if name in members
    }
    if not found:
        return _NOTHING_ASKED
    try:
        return msgspec.convert(found, _Asked)
    except msgspec.ValidationError:
        # The provider will say what is wrong with it.
        return _NOTHING_ASKED


def _count(members: Mapping[str, Raw], name: str) -> int | None:
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=int)
    except msgspec.DecodeError:
        return None
