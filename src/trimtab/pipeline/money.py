"""What a request may cost at most by estimate, and which budgets that is held against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol

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
from trimtab.domain.usage import Usage
from trimtab.pipeline.estimate import Guess, asked_of, most_at
from trimtab.pipeline.handoff import MONEY, Funded, Planned, Request, Route
from trimtab.store.base.limits import Need, Spending, Unit

NANO_PER_MICRO = 1000


class Claim(NamedTuple):
    """What is asked of one budget, and which lines of the ledger count against it.

    Attributes:
        is_strict: Whether it is asked for all that the request can ever cost.
    """

    need: Need
    spending: Spending
    downgrade: Downgrade | None = None
    is_strict: bool = False

    def with_room_for_another_model(self) -> "Claim":
        """Let it spend what it allows for cheaper answers, once it is empty."""
        more = 0 if self.downgrade is None else self.downgrade.nano
        return self._replace(need=replace(self.need, size=self.need.size + more))


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


class Pricing(Protocol):
    """Prices what is used at a target, for a tenant; without one, by nobody's own contract."""

    # who pays, where, for what and when
    def charge(
        self, provider: Provider, target: Target, usage: Usage, at_us: int, *, tenant: str = ""
    ) -> Charge:
        """Price a usage; what has no price is unknown, never zero."""
        ...

    def most(
        self, provider: Provider, target: Target, usage: Usage, at_us: int, *, tenant: str = ""
    ) -> int | None:
        """Price so many tokens or fewer, whichever kinds they are of; in nano-USD, rounded up."""
        ...


@dataclass(frozen=True, slots=True)
class Money:
    """Works out what to hold.

    Attributes:
        user_hash: Gives the hash of a tenant's end user; `None` for nobody.
        guess: Says what a request will use.
    """

    pricing: Pricing
    user_hash: Callable[[str, str | None], str | None]
    guess: Guess = field(default_factory=Guess)

    def __call__(self, planned: Planned, input_tokens: int) -> list[Claim]:
        """Say what a request asks of every budget that it counts against.

        Raises:
            PriceUnknown: it counts against one, and a target that it may be tried on has no price.
            MaximumUnknown: one is strict, and nobody knows what the request can cost.
            FieldNotAllowed: one is strict, and no end is set to what the request can cost.
        """
        request, grant = planned.admitted.request, planned.admitted.grant
        of_site = planned.admitted.snapshot.site_budget
        if request.wire.is_free or not (grant.has_budget or of_site != NO_BUDGET):
            return []
        asked = list(self._budgets(planned))
        if not asked:
            return []
        amounts: dict[bool, int] = {}
        for claim in asked:
            if claim.is_strict not in amounts:
                amounts[claim.is_strict] = (
                    self._most(planned) if claim.is_strict else self._likely(planned, input_tokens)
                )
        return [_asking(claim, amounts[claim.is_strict]) for claim in asked]

    def learn(self, funded: Funded, route: Route, usage: Usage) -> None:
        """Learn from what an answer used that money was held for."""
        if funded.holds and funded.holds[-1].unit in MONEY:
            self.guess.learn(funded, route, usage)

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

    def _likely(self, planned: Planned, input_tokens: int) -> int:
        """Price what the dearest target will likely use at most, in nano-USD."""
        request, tenant = planned.admitted.request, planned.admitted.grant.tenant.id
        dearest = 0
        for route, usage in self.guess.usages(planned, input_tokens):
            at = route.provider, route.target
            cost = self.pricing.charge(*at, usage, request.ts_us, tenant=tenant).cost_nano
            if cost is None:
                # A kind of service without a price of its own is held at the ordinary one.
                ordinary = replace(usage, service_tier=None, speed=None, region=None)
                cost = self.pricing.charge(*at, ordinary, request.ts_us, tenant=tenant).cost_nano
            if cost is None:
                raise _unpriced(route, tenant)
            dearest = max(dearest, cost)
        return dearest

    def _most(self, planned: Planned) -> int:
        """Price all that the dearest target can use, in nano-USD."""
        request, tenant = planned.admitted.request, planned.admitted.grant.tenant.id
        asked, dearest = asked_of(request.members), 0
        for route in planned.all_routes():
            at = route.provider, route.target
            costs = [
                self.pricing.most(*at, usage, request.ts_us, tenant=tenant)
                for usage in most_at(request, route, asked)
            ]
            known = [it for it in costs if it is not None]
            if not known:
                raise _unpriced(route, tenant)
            dearest = max(dearest, *known)
        return dearest


def _asking(claim: Claim, nano: int) -> Claim:
    amount = nano if claim.need.unit is Unit.NANO else -(-nano // NANO_PER_MICRO)
    return claim._replace(need=replace(claim.need, amount=amount))


def _unpriced(route: Route, tenant: str) -> PriceUnknown:
    return PriceUnknown(
        f"target {str(route.target)!r} has no price, and tenant {tenant!r} has a budget; add the"
        " price to prices.overrides"
    )


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
        claims.append(Claim(need, spending, budget.downgrade, budget.is_strict))
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
        claims.append(Claim(need, payer.spending, is_strict=budget.is_strict))
    return tuple(claims)
