"""What each stage hands to the next.

The types are the order: `Call` takes only `Funded`, so a paid call without a hold does not
type-check. Each type holds the one before it, so a stage can look back but never ahead.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Raw

from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.ids import RequestId, SpanId, TraceId
from trimtab.domain.model import Model, Provider, Target, Wire
from trimtab.domain.verdict import Decision, Finding


@dataclass(frozen=True, slots=True)
class Request:
    """A call as the gateway understood it; nothing has been decided yet.

    Attributes:
        ts_us: Instant of arrival.
        started_s: The same instant on the monotonic clock.
        key: Text of the key as presented; "" if none was.
        members: Members of the body by name, each with the very bytes the caller sent.
        size: Bytes of the body.
        usage_asked: Whether the caller asked for usage in the stream.
    """

    request_id: RequestId
    trace_id: TraceId
    parent_span_id: SpanId | None
    tracestate: str | None
    ts_us: int
    started_s: float
    key: str
    wire: Wire
    operation: str
    model: str
    members: Mapping[str, Raw]
    size: int
    stream: bool = False
    usage_asked: bool = False
    feature: str = "default"
    end_user: str | None = None
    conversation: str | None = None
    tags: str | None = None
    client_retry: int | None = None
    wire_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Identified:
    """A request of a known key. From here on, whatever happens leaves a record."""

    request: Request
    snapshot: Snapshot
    grant: Grant


@dataclass(frozen=True, slots=True)
class Admitted(Identified):
    """A request whose tenant is not suspended and may call the model."""

    model: Model


@dataclass(frozen=True, slots=True)
class Route:
    """A target with the account it is reached through."""

    target: Target
    provider: Provider


@dataclass(frozen=True, slots=True)
class Planned:
    """An admitted request with the targets it will be tried on, in order, and never others."""

    admitted: Admitted
    model: Model
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Screened:
    """A planned request whose every text the guards have seen."""

    planned: Planned
    decision: Decision = Decision.ALLOW
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Funded:
    """A screened request that holds its slot, its rates and its money.

    Attributes:
        input_floor: Input tokens estimated from the bytes of the body.
        holds_tokens: Whether a tokens-per-minute bucket waits for the true number.
    """

    screened: Screened
    input_floor: int
    holds: tuple[str, ...]
