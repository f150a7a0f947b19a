"""What each stage hands to the next.

The types are the order: `Call` takes only `Funded`, so a paid call without a hold does not
type-check. Each type holds the one before it, so a stage can look back but never ahead. They are
structs and not dataclasses, for a frozen one of twenty members costs a tenth to make.
"""

import math
from collections.abc import Collection, Mapping

from msgspec import Raw, Struct

from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.allowance import Allowance, BudgetLeft
from trimtab.domain.ids import RequestId, TraceId
from trimtab.domain.model import Model, Provider, Target, Wire
from trimtab.domain.record import Origin
from trimtab.domain.retrieval import Retrieval
from trimtab.domain.trace_context import RANDOM, TraceContext
from trimtab.domain.verdict import Decision, Finding
from trimtab.providers.base import Adapter
from trimtab.store.base.limits import Held, Need, Unit

MONEY = (Unit.NANO, Unit.MICRO)


class PromptAsk(Struct, frozen=True, kw_only=True):
    """A prompt that a request names: by exact version, or by a label, `production` if by none."""

    name: str
    version: str | None = None
    label: str | None = None
    variables: Mapping[str, object] = {}


class PromptSaid(Struct, frozen=True, kw_only=True):
    """A prompt that a client says it has rendered. `hash` is at least its first 12 digits."""

    name: str
    version: str
    hash: str
    label: str | None = None
    source: str = "memory"


class Request(Struct, frozen=True, kw_only=True):
    """A call as the gateway understood it; nothing has been decided yet.

    Attributes:
        ts_us: Instant of arrival.
        started_s: The same instant on the monotonic clock.
        key: Text of the key as presented; "" if none was.
        tenant: Tenant that the caller names; `None` leaves it to the key.
        members: Members of the body by name, each with the very bytes the caller sent.
        size: Bytes of the body.
        ends_s: Instant of the caller's deadline on the monotonic clock.
        asked: Hash of route and body, if there is an idempotency key.
        betas: What its headers ask of a provider that is not there for everybody yet.
        server_tools: Members that have a tool run at the provider, and which tool.
        usage_asked: Whether the caller asked for usage in the stream.
        previous: The provider's id of the answer that this request goes on from.
        prompt: The prompt whose messages it shall have.
        rendered: The prompt that its messages were made of already.
        origin: Why it runs.
        trace_flags: What the answer says of its trace.
        retrieval: What the caller found for its question.
        retrieval_source: Where it says so, `none` if nowhere.
    """

    request_id: RequestId
    trace_id: TraceId
    ts_us: int
    started_s: float
    key: str
    wire: Wire
    operation: str
    model: str
    members: Mapping[str, Raw]
    size: int
    tenant: str | None = None
    stream: bool = False
    usage_asked: bool = False
    previous: str | None = None
    feature: str = "default"
    end_user: str | None = None
    conversation: str | None = None
    tags: str | None = None
    client_retry: int | None = None
    wire_headers: tuple[tuple[str, str], ...] = ()
    ends_s: float = math.inf
    betas: tuple[str, ...] = ()
    server_tools: tuple[tuple[str, str], ...] = ()
    idempotency_key: str | None = None
    asked: bytes = b""
    prompt: PromptAsk | None = None
    rendered: PromptSaid | None = None
    origin: Origin = Origin.LIVE
    trace: TraceContext = TraceContext()
    trace_flags: int = RANDOM
    retrieval: Retrieval | None = None
    retrieval_source: str = "none"


class Identified(Struct, frozen=True):
    """A request of a known key. From here on, whatever happens leaves a record."""

    request: Request
    snapshot: Snapshot
    grant: Grant


class Admitted(Identified, frozen=True):
    """A request that no kill switch stops and whose key may call the model."""

    model: Model


class Route(Struct, frozen=True):
    """A target with the account it is reached through.

    Attributes:
        adapter: Who speaks to it for the caller's wire.
        key: Which of the account's credentials is used.
        dropped: Kinds of members that are left out, because its wire has no words for them.
    """

    target: Target
    provider: Provider
    adapter: Adapter
    key: int = 0
    dropped: tuple[str, ...] = ()


class Planned(Struct, frozen=True):
    """An admitted request with the targets it may be tried on, and never others.

    Attributes:
        routes: The model's own target, then those for its failures, in order. There are none if
            no target can answer and an estimate does.
        when_rate_limited: Those for a 429; `None` if they are the same.
        skipped: Target and error code of those that cannot do what is asked.
    """

    admitted: Admitted
    model: Model
    routes: tuple[Route, ...]
    when_rate_limited: tuple[Route, ...] | None = None
    when_context_too_long: tuple[Route, ...] = ()
    when_refused: tuple[Route, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    def all_routes(self) -> Collection[Route]:
        """Give every target that the request may be tried on, once."""
        others = self.when_context_too_long or self.when_refused or self.when_rate_limited
        if not others:
            return self.routes
        groups = (
            self.routes,
            self.when_rate_limited or (),
            self.when_context_too_long,
            self.when_refused,
        )
        return {route.target: route for group in groups for route in group}.values()


class Screened(Struct, frozen=True):
    """A planned request whose every text the guards have seen."""

    planned: Planned
    decision: Decision = Decision.ALLOW
    findings: tuple[Finding, ...] = ()


class Funded(Struct, frozen=True):
    """A screened request that holds its slot, its rates and its money.

    Attributes:
        input_floor: Input tokens estimated from the bytes of the body.
        holds: What is held, in the order in which `settle` books it.
        held: What the store of limits answered.
        is_strict: Whether it can never cost more than is held, which covers one attempt.
    """

    screened: Screened
    input_floor: int
    holds: tuple[Need, ...]
    held: Held = Held()
    is_strict: bool = False

    def shadowed(self) -> tuple[str, ...]:
        """Name the rates and slots that would have refused it, if they did more than count."""
        left_of_all = self.held.left
        if not left_of_all or min(left_of_all) >= 0:
            return ()
        return tuple(
            need.scope.partition("/")[0]
            for need, left in zip(self.holds, left_of_all, strict=False)
            if left < 0 and not need.enforced and need.kind != "window"
        )

    @property
    def held_nano(self) -> int:
        """What each of its windows of money holds: the same in all."""
        return next((it.amount for it in self.holds if it.unit is Unit.NANO), 0)

    @property
    def downgraded_to(self) -> str | None:
        """Name of the cheaper model it was funded for, if the budget had room for no other."""
        planned = self.screened.planned
        asked = planned.admitted.snapshot.model(planned.admitted.request.model)
        name = planned.model.name
        return None if asked is None or asked.name == name else name

    def allowances(self) -> tuple[Allowance, ...]:
        """Tell what is left of the rates."""
        if not self.held.left:
            return ()
        return tuple(
            allowance(need, left)
            for need, left in zip(self.holds, self.held.left, strict=False)
            if need.kind == "bucket" and need.unit is not Unit.MICRO
        )

    def budget(self) -> BudgetLeft | None:
        """Tell what is left of the tightest budget, if one applies."""
        if not self.held.left or self.holds[-1].unit not in MONEY:
            return None
        windows = [
            (left, need.ends_us)
            for need, left in zip(self.holds, self.held.left, strict=False)
            if need.kind == "window"
        ]
        return BudgetLeft(*min(windows)) if windows else None


def allowance(need: Need, left: int) -> Allowance:
    """Tell what is left of a rate."""
    what, _, _ = need.scope.partition("/")
    return Allowance(what, need.size, left, (need.size - left) * need.per_s / need.size)
