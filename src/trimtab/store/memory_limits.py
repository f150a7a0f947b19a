"""Rates and slots in the memory of the one worker that uses them."""

from collections.abc import Sequence

from trimtab.domain.clock import Clock
from trimtab.store.base import Held, Need


class _Bucket:
    """A balance that refills steadily; below zero it is owed."""

    __slots__ = ("balance", "seen_s")

    def __init__(self, balance: float, seen_s: float) -> None:
        self.balance = balance
        self.seen_s = seen_s

    def refill(self, size: int, per_s: float, now_s: float) -> None:
        gained = (now_s - self.seen_s) * size / per_s
        self.balance = min(float(size), self.balance + gained)
        self.seen_s = now_s


class MemoryLimits:
    """`store.base.LimitStore` in dicts. Atomic because no method awaits anything.

    State: running requests by slot scope with the end of their lease, bucket balances, and the
    needs every unsettled request holds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[str, dict[str, float]] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._held: dict[str, tuple[Need, ...]] = {}

    async def hold(self, request_id: str, needs: Sequence[Need], *, lease_s: float) -> Held:
        """See `LimitStore.hold`."""
        now_s = self._clock.monotonic_s()
        if request_id in self._held:
            return Held(left=tuple(self._left(need, now_s) for need in needs))
        for index, need in enumerate(needs):
            if self._left(need, now_s) < need.amount:
                return Held(denied=index, wait_s=self._wait_s(need))
        for need in needs:
            if need.kind == "slots":
                self._slots[need.scope][request_id] = now_s + lease_s
            else:
                self._buckets[need.scope].balance -= need.amount
        self._held[request_id] = tuple(needs)
        return Held(left=tuple(self._left(need, now_s) for need in needs))

    async def settle(self, request_id: str, actual: Sequence[int]) -> None:
        """See `LimitStore.settle`."""
        needs = self._held.pop(request_id, ())
        for need, used in zip(needs, actual, strict=False):
            if need.kind == "slots":
                self._slots[need.scope].pop(request_id, None)
            else:
                bucket = self._buckets[need.scope]
                bucket.balance = min(float(need.size), bucket.balance + need.amount - used)

    def _left(self, need: Need, now_s: float) -> int:
        if need.kind == "slots":
            running = self._slots.setdefault(need.scope, {})
            if len(running) >= need.size:
                for request_id in [key for key, end_s in running.items() if end_s <= now_s]:
                    del running[request_id]
            return need.size - len(running)
        bucket = self._buckets.get(need.scope)
        if bucket is None:
            bucket = self._buckets[need.scope] = _Bucket(float(need.size), now_s)
        bucket.refill(need.size, need.per_s, now_s)
        return int(bucket.balance)

    def _wait_s(self, need: Need) -> float | None:
        if need.kind == "slots" or need.amount > need.size:
            return None
        missing = need.amount - self._buckets[need.scope].balance
        return missing * need.per_s / need.size
