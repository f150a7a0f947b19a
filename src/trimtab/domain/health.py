"""How targets are doing, as workers tell it, and what people decided about their breakers."""

from enum import StrEnum

from msgspec import Struct


class BreakerState(StrEnum):
    """Of a circuit breaker; `cooling` is closed, but the provider asked for a pause.

    `held_open` is that somebody decided so.
    """

    CLOSED = "closed"
    COOLING = "cooling"
    OPEN = "open"
    HALF_OPEN = "half_open"
    HELD_OPEN = "held_open"


class Ailing(Struct, frozen=True, kw_only=True):
    """A target that a worker leaves alone, or has just begun to try again.

    Attributes:
        until_us: Instant from which it takes requests again, in microseconds since the epoch;
            `None` if that is for somebody to decide.
        told_us: Instant at which the worker told so; 0 until it has.
    """

    worker_id: str
    target: str
    state: BreakerState
    until_us: int | None
    told_us: int = 0


class BreakerOrder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody decided about the breaker of a target.

    Attributes:
        is_open: Whether the target is left alone; else workers forget, once, what they hold
            against it.
        since_us: Instant of the decision: the same one can be made again.
        until_us: Instant at which an open one ends by itself.
    """

    is_open: bool
    reason: str
    since_us: int
    until_us: int | None = None

    def holds(self, at_us: int) -> bool:
        """Whether the target is left alone at an instant."""
        return self.is_open and (self.until_us is None or at_us < self.until_us)
