"""Limits that all workers share, and what each does by itself while the Redis is away."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from trimtab.domain.errors import LimitsUnavailable
from trimtab.domain.tenant import WhenAway
from trimtab.store.base.limits import NOBODY, NOTHING, Asker, Held, Need
from trimtab.store.memory.limits import MemoryLimits
from trimtab.store.redis.connection import Answer, Redis, RedisAway, RedisRefused
from trimtab.store.redis.limits import NO_SCRIPT, RedisLimits

FIRST_LEASE_S = 60.0
MAX_OWED = 100_000
OWED_AT_ONCE = 100

log = logging.getLogger("trimtab")


class SharedLimits:
    """`store.base.LimitStore` in a Redis, and without it as each tenant's contract says.

    State: what is still to be settled in the Redis, what was left of each budget when it was seen
    last, which needs of requests that were admitted without it are to be settled there, the newest
    kill switches, how long leases are, and what the Redis refused last, which is told once.
    """

    def __init__(
        self, redis: Redis, remote: RedisLimits, local: MemoryLimits, when_away: WhenAway, name: str
    ) -> None:
        """Begin with nothing held.

        Args:
            redis: The connection; `run` keeps it.
            remote: The limits of all workers.
            local: Where this worker counts alone.
            when_away: What is done for those who do not say.
            name: Name of this worker among those of all hosts.
        """
        self._redis = redis
        self._remote = remote
        self._local = local
        self._when_away = when_away
        self._name = name
        self._owed: dict[str, Sequence[int]] = {}
        self._left: dict[str, int] = {}
        self._alone: dict[str, tuple[int, ...]] = {}
        self._outage = 0
        self._stopped: tuple[int, Mapping[str, int | None]] = (0, {})
        self._told = ""
        self._lease_s = FIRST_LEASE_S

    @property
    def is_up(self) -> bool:
        """Whether the limits are those of all workers."""
        return self._redis.is_up

    async def hold(
        self, request_id: str, needs: Sequence[Need], *, lease_s: float, asker: Asker = NOBODY
    ) -> Held:
        """See `LimitStore.hold`."""
        try:
            held = await self._remote.hold(request_id, needs, lease_s=lease_s, asker=asker)
        except asyncio.CancelledError:
            await self.settle(request_id, [0] * len(needs))
            raise
        except RedisAway as exc:
            self._tell(exc)
        else:
            self._see(needs, held)
            return held
        when_away = asker.when_away or self._when_away
        held = Held(denied=0)
        if when_away is not WhenAway.CLOSED:
            is_open = when_away is WhenAway.OPEN
            held = await self._hold_alone(request_id, needs, lease_s, is_open=is_open)
        if request_id not in self._alone and self._remote.holds(request_id):
            # Whether it was held all the same, nobody knows.
            self._settle_soon(request_id, [0] * len(needs))
        if when_away is WhenAway.CLOSED:
            raise LimitsUnavailable(
                "the limits that all workers share are away; try again", wait_s=1.0
            )
        return held

    async def settle(self, request_id: str, actual: Sequence[int]) -> None:
        """See `LimitStore.settle`."""
        alone = self._alone.pop(request_id, None)
        if alone is not None:
            await self._local.settle(request_id, actual)
            actual = [actual[index] for index in alone]
        if self._remote.holds(request_id) and request_id not in self._owed:
            self._settle_soon(request_id, actual)

    async def prime(self, need: Need, spent: int, held: Mapping[str, int] = NOTHING) -> None:
        """See `LimitStore.prime`."""
        try:
            await self._remote.prime(need, spent, held)
        except RedisAway as exc:
            self._tell(exc)
            # Of what other hosts spent, nothing is known; half of what is left is not touched.
            self._left[need.scope] = need.size - spent - sum(held.values())

    async def renew(self, *, lease_s: float) -> None:
        """See `LimitStore.renew`."""
        await self._local.renew(lease_s=lease_s)
        self._lease_s = lease_s
        try:
            await self._tend()
        except RedisAway as exc:
            self._tell(exc)

    def publish(self, config_seq: int, stopped: Mapping[str, int | None]) -> None:
        """Let workers that know less know what is stopped, now and when the Redis comes back."""
        self._stopped = config_seq, stopped
        self._soon(lambda: self._remote.stop(config_seq, stopped))

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        await self._redis.run(self._return)

    async def started(self) -> None:
        """Wait until it is known whether the Redis answers."""
        await self._redis.tried.wait()

    async def _hold_alone(
        self, request_id: str, needs: Sequence[Need], lease_s: float, *, is_open: bool
    ) -> Held:
        for index, need in enumerate(needs):
            if need.kind == "window" and need.scope not in self._left:
                return Held(unknown=index)
        mine = tuple(self._share(need) for need in needs)
        if is_open:
            mine = tuple(replace(need, enforced=False) for need in mine)
        for need in mine:
            if need.kind == "window":
                await self._local.prime(need, 0)
        held = await self._local.hold(request_id, mine, lease_s=lease_s)
        if held.denied is None and mine:
            self._note(request_id, needs)
        return replace(held, is_degraded=True, left=() if is_open else held.left)

    def _share(self, need: Need) -> Need:
        """Give this worker its part of a limit.

        Of a rate that is at least one unit; of a budget, all workers together get half of what was
        left.
        """
        workers = self._remote.workers
        if need.kind == "window":
            size = max(self._left[need.scope], 0) // (2 * workers)
            return replace(need, size=size, scope=f"{need.scope}#{self._outage}")
        size = max(need.size // workers, 1)
        return replace(need, size=size, amount=min(need.amount, size))

    def _see(self, needs: Sequence[Need], held: Held) -> None:
        for need, left in zip(needs, held.left, strict=False):
            if need.kind == "window":
                if len(self._left) >= MAX_OWED:
                    self._left.clear()
                self._left[need.scope] = left

    def _note(self, request_id: str, needs: Sequence[Need]) -> None:
        """Have the Redis hold the slot and the money of a request once it is back, and settle them.

        Its rates are none of it, unless its hold is perhaps there already.
        """
        if self._owed.pop(request_id, None) is None and not self._remote.holds(request_id):
            lasting = [index for index, need in enumerate(needs) if need.kind != "bucket"]
            self._remote.note(request_id, [needs[index] for index in lasting])
            self._alone[request_id] = tuple(lasting)
        else:
            self._alone[request_id] = tuple(range(len(needs)))

    async def _return(self) -> None:
        """Count anew what is spent without the Redis, for all of it is booked now."""
        self._outage += 1
        await self._tend()

    async def _tend(self) -> None:
        """Be counted, and bring the Redis to where it would be had it never been away."""
        await self._remote.count(self._name, lease_s=self._lease_s)
        await self._remote.stop(*self._stopped)
        owed = tuple(self._owed.items())
        for start in range(0, len(owed), OWED_AT_ONCE):
            some = owed[start : start + OWED_AT_ONCE]
            await asyncio.gather(*(self._remote.settle(*it) for it in some))
            for request_id, _ in some:
                self._owed.pop(request_id, None)
        await self._remote.renew(lease_s=self._lease_s)
        self._told = ""

    def _settle_soon(self, request_id: str, actual: Sequence[int]) -> None:
        """Settle; the Redis takes what is sent in order, so nobody need wait for its answer."""
        self._owe(request_id, actual)
        self._soon(lambda: self._remote.settle_soon(request_id, actual), request_id)

    def _soon(self, send: Callable[[], Answer], settled: str | None = None) -> None:
        """Send something whose answer nobody waits for. What fails is sent again by `_tend`."""

        def ended(answer: Answer) -> None:
            exc = None if answer.cancelled() else answer.exception()
            if isinstance(exc, RedisAway):
                self._tell(exc)
            elif settled is not None:
                self._owed.pop(settled, None)
                self._remote.forget(settled)

        with suppress(RedisAway):
            send().add_done_callback(ended)

    def _owe(self, request_id: str, actual: Sequence[int]) -> None:
        # What is forgotten here, the Redis forgets when the lease ends.
        if len(self._owed) < MAX_OWED:
            self._owed[request_id] = actual
        else:
            self._remote.forget(request_id)

    def _tell(self, exc: RedisAway) -> None:
        """Log what a Redis refuses, once; that it is away, its connection tells."""
        forgot = str(exc).startswith(NO_SCRIPT)
        if isinstance(exc, RedisRefused) and not forgot and str(exc) != self._told:
            self._told = str(exc)
            log.error("the Redis refuses to count (%s); look at its configuration", exc)
