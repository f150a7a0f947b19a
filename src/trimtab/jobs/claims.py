"""What is said of requests that are not stored, or not the caller's, does not wait for ever."""

import logging

from trimtab.domain.clock import Clock
from trimtab.store.base.recording import RecordWriter, Unclaimed

LOOK_S = 10.0
PATIENCE_US = 86_400_000_000

log = logging.getLogger("trimtab")


class Claims:
    """Settles claims. State: how many were dropped since the start, and why."""

    def __init__(self, store: RecordWriter, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.dropped = Unclaimed(0, 0)

    async def step(self) -> None:
        """Settle those whose request has come. Raises `TryLater` if the store is away."""
        found = await self._store.settle_claims(before_us=self._clock.now_us() - PATIENCE_US)
        if any(found):
            log.warning(
                "dropped %d things said of other tenants' requests, %d of requests that never came",
                *found,
            )
        before = self.dropped
        self.dropped = Unclaimed(before.refused + found.refused, before.orphaned + found.orphaned)
