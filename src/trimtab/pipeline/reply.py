"""How the pipeline speaks to the caller. The gateway implements it once per wire."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from trimtab.domain.allowance import Allowance, BudgetLeft
from trimtab.domain.errors import TrimtabError
from trimtab.domain.record import RequestRecord
from trimtab.domain.trace_context import RANDOM
from trimtab.pipeline.journey import Journey


class Facts(Struct, frozen=True, kw_only=True):
    """What every answer tells about itself, in headers or in a comment of the stream.

    Attributes:
        response_id: The provider's name for the answer, as far as one was told.
        estimated: Whether the answer is our guess and not a provider's word.
        degraded: Whether the limits that all workers share were away.
        downgraded: The cheaper model that a budget led to.
        shadowed: Limits that only count, and would have refused it.
        ts_us: Instant at which the request arrived.
        allowances: What is left of the tenant's rates.
        budget: What is left of the tightest budget, as the hold saw it.
        replayed: Whether it is the answer of an earlier request of the same idempotency key.
        trace_flags: Flags of its trace, as W3C Trace Context has them.
    """

    request_id: str
    trace_id: str
    config_seq: int = 0
    target: str = ""
    attempts: int = 0
    dropped: tuple[str, ...] = ()
    cost_nano: int | None = None
    usage_source: str = "none"
    response_id: str | None = None
    estimated: bool = False
    degraded: bool = False
    downgraded: str | None = None
    shadowed: tuple[str, ...] = ()
    ts_us: int = 0
    allowances: tuple[Allowance, ...] = ()
    budget: BudgetLeft | None = None
    replayed: bool = False
    trace_flags: int = RANDOM


def facts_of(journey: Journey, record: RequestRecord | None = None) -> Facts:
    """Gather the facts of a request; cost and usage are known once it is settled."""
    request, identified = journey.request, journey.identified
    return Facts(
        request_id=request.request_id,
        trace_id=request.trace_id,
        config_seq=identified.snapshot.config_seq if identified else 0,
        target=str(journey.tries[-1].route.target) if journey.tries else "",
        attempts=len(journey.tries),
        dropped=journey.tries[-1].route.dropped if journey.tries else (),
        cost_nano=record.cost_nano if record else None,
        usage_source=record.usage_source if record else "none",
        response_id=record.response_id if record else None,
        ts_us=request.ts_us,
        allowances=journey.funded.allowances() if journey.funded else (),
        budget=journey.funded.budget() if journey.funded else None,
        estimated=journey.estimate is not None,
        degraded=journey.funded is not None and journey.funded.held.is_degraded,
        downgraded=journey.funded.downgraded_to if journey.funded is not None else None,
        shadowed=journey.funded.shadowed() if journey.funded is not None else (),
        replayed=journey.earlier is not None,
        trace_flags=request.trace_flags,
    )


class Reply(Protocol):
    """One answer on its way to the caller. Writes to a caller who is gone do nothing."""

    @property
    def gone(self) -> bool:
        """Whether the caller hung up, or has not read for too long."""
        ...

    def when_gone(self, act: Callable[[], None]) -> None:
        """Call `act` when the caller hangs up, at once if it already did."""
        ...

    async def whole(self, body: bytes, facts: Facts) -> None:
        """Send a whole answer."""
        ...

    async def begin_stream(self, facts: Facts) -> None:
        """Send the head of a stream: the commit point."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a piece of a stream."""
        ...

    async def end_stream(self, terminal: bytes, facts: Facts) -> None:
        """Send the last piece of a stream."""
        ...

    async def refuse(self, error: TrimtabError, facts: Facts) -> None:
        """Send an error instead of an answer, in the caller's wire."""
        ...

    async def cut(self, error: TrimtabError, *, told: bool, facts: Facts) -> None:
        """End a stream that failed with an error event, unless the provider's own was relayed."""
        ...
