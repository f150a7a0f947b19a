"""What tells the time. Nothing else in the product may ask for it."""

from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""
        ...


END_OF_TIME_US = 253_402_300_800_000_000
"""First instant of the year 10,000, which no calendar of ours can write."""
