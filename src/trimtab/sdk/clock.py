"""The clock of applications: they build their client themselves, and no wiring does it for them."""

import time


class SystemClock:
    """Real time, the time a machine slept with it where the system counts that."""

    def __init__(self) -> None:
        self._clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.time_ns() // 1000  # noqa: TID251 -- see the module

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return time.clock_gettime(self._clock)
