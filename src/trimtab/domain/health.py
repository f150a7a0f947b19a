"""How targets are doing, as workers tell it."""

from enum import StrEnum

from msgspec import Struct


class BreakerState(StrEnum):
    """Of a circuit breaker; `cooling` is closed, but the provider asked for a pause."""

    CLOSED = "closed"
    COOLING = "cooling"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Ailing(Struct, frozen=True, kw_only=True):
    """A target that a worker leaves alone, or has just begun to try again.

    Attributes:
        until_us: Instant from which it takes requests again, in microseconds since the epoch.
        told_us: Instant at which the worker told so; 0 until it has.
    """

    worker_id: str
    target: str
    state: BreakerState
    until_us: int
    told_us: int = 0
