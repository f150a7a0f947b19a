"""Ending what is old enough, in steps of a few hundredths of a second, the recorder in between."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from trimtab.domain.clock import Clock
from trimtab.domain.retention import Retention
from trimtab.store.base.ending import RetentionStore
from trimtab.store.rollup import DAY_US

EVERY_S = 3600.0
STEP_S = 0.025
MOST, LEAST = 2_000, 100
_FIRST = 200


@dataclass(slots=True)
class Retain:
    """Ends what has been kept for long enough. State: how much of a thing a short step takes.

    Attributes:
        site: How long what is kept.
        content_days: Tells how long content is kept of a tenant, in days.
    """

    store: RetentionStore
    site: Retention
    content_days: Callable[[str], int]
    clock: Clock

    async def step(self) -> Mapping[str, int]:
        """End all that is due; tells how many rows of what.

        Raises:
            TryLater: the store is away; it goes on in an hour.
        """
        now_us = self.clock.now_us()
        done: dict[str, int] = {}
        for what, days in self.site.kinds().items():
            before_us = now_us - days * DAY_US
            before_us -= before_us % DAY_US
            done[what] = await self._until_none(
                lambda limit, what=what, before_us=before_us: self.store.expire(
                    what, before_us, limit=limit
                )
            )
        done["content"] = await self._content(now_us)
        return done

    async def _content(self, now_us: int) -> int:
        """End content of tenants whose days are over; of a day that nobody needs, all at once."""
        kept: dict[int, set[str]] = {}
        for day_us, tenant_id in await self.store.content_of():
            kept.setdefault(day_us, set()).add(tenant_id)
        done = 0
        for day_us, tenants in kept.items():
            over = {
                it for it in tenants if day_us + DAY_US + self.content_days(it) * DAY_US <= now_us
            }
            # The day may still be written to for a while after its midnight.
            if day_us + 2 * DAY_US > now_us:
                continue
            for tenant_id in [None] if over == tenants else sorted(over):
                done += await self._until_none(
                    lambda limit, day_us=day_us, tenant_id=tenant_id: self.store.expire_content(
                        day_us, tenant_id, limit=limit
                    )
                )
        return done

    async def _until_none(self, step: Callable[[int], Awaitable[int]]) -> int:
        """Do steps until one finds nothing, each as large as is quick."""
        limit, total = _FIRST, 0
        while True:
            begun_s = self.clock.monotonic_s()
            n = await step(limit)
            if not n:
                return total
            total += n
            took_s = max(self.clock.monotonic_s() - begun_s, 1e-4)
            limit = round(min(MOST, max(LEAST, limit * min(2.0, STEP_S / took_s))))
            # Whoever waits for the store has it first.
            await asyncio.sleep(STEP_S)
