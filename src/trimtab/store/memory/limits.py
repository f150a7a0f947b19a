"""Rates, slots and budgets in the memory of the one worker that uses them."""

from collections.abc import Mapping, Sequence

from trimtab.domain.clock import Clock
from trimtab.store.base.limits import NOBODY, NOTHING, Asker, Held, Need


class _Bucket:
    """A balance that refills steadily; below zero it is owed.

    It is counted in shares of a unit, as many as the bucket takes microseconds to refill: then a
    microsecond brings `size` shares, and nothing is ever rounded.
    """

    __slots__ = ("per_us", "seen_us", "shares")

    def __init__(self, need: Need, now_us: int) -> None:
        self.per_us = _us(need.per_s)
        self.shares = need.size * self.per_us
        self.seen_us = now_us

    def at(self, need: Need, now_us: int) -> int:
        """Give the shares there are at an instant, if the bucket is as large as a need says."""
        per_us = _us(need.per_s)
        shares = self.shares
        if per_us != self.per_us:
            shares = shares * per_us // self.per_us
        return min(need.size * per_us, shares + (now_us - self.seen_us) * need.size)

    def take(self, need: Need, amount: int, now_us: int) -> None:
        per_us = _us(need.per_s)
        self.shares = self.at(need, now_us) - amount * per_us
        self.per_us, self.seen_us = per_us, now_us


class _Window:
    """What was spent in a span of a calendar, and what running requests hold of it."""

    __slots__ = ("ends_us", "guess", "held", "spent")

    def __init__(self, spent: int, ends_us: int, guess: int) -> None:
        self.spent = spent + guess
        self.guess = guess
        self.held = 0
        self.ends_us = ends_us


class MemoryLimits:
    """`store.base.LimitStore` in dicts. Atomic because no method awaits anything.

    State: running requests by slot scope with the end of their lease, bucket balances, windows,
    and the needs every unsettled request holds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[str, dict[str, int]] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._windows: dict[str, _Window] = {}
        self._held: dict[str, tuple[Need, ...]] = {}

    async def hold(
        self,
        request_id: str,
        needs: Sequence[Need],
        *,
        lease_s: float,
        asker: Asker = NOBODY,  # noqa: ARG002 -- this process knows what it asks for
    ) -> Held:
        """See `LimitStore.hold`."""
        now_us = _us(self._clock.monotonic_s())
        if request_id in self._held:
            return Held(left=tuple(self._left(need, now_us) for need in needs))
        left: list[int] = []
        for index, need in enumerate(needs):
            if need.kind == "window" and need.scope not in self._windows:
                return Held(unknown=index)
            left.append(self._left(need, now_us) - need.amount)
            if left[index] < 0 and need.enforced:
                return self._refused(index, need, now_us)
        for need in needs:
            match need.kind:
                case "slots":
                    self._slots[need.scope][request_id] = now_us + _us(lease_s)
                case "window":
                    self._windows[need.scope].held += need.amount
                case _:
                    self._bucket(need, now_us).take(need, need.amount, now_us)
        self._held[request_id] = tuple(needs)
        return Held(left=tuple(left))

    async def settle(self, request_id: str, actual: Sequence[int]) -> None:
        """See `LimitStore.settle`."""
        now_us = _us(self._clock.monotonic_s())
        needs = self._held.pop(request_id, ())
        for need, used in zip(needs, actual, strict=False):
            if need.kind == "slots":
                self._slots[need.scope].pop(request_id, None)
            elif need.kind == "window":
                # One that was forgotten meanwhile held nothing, and begins at the ledger again.
                window = self._windows.get(need.scope)
                if window is not None:
                    window.held -= need.amount
                    window.spent += used
            elif used != need.amount:
                self._bucket(need, now_us).take(need, used - need.amount, now_us)

    async def prime(self, need: Need, spent: int, held: Mapping[str, int] = NOTHING) -> None:
        """See `LimitStore.prime`. What is under way was begun by a process that died.

        So it counts as spent, until nothing runs and what it cost is read again.
        """
        if need.scope in self._windows:
            return
        now_us = self._clock.now_us()
        for scope in [it for it, window in self._windows.items() if _is_over(window, now_us)]:
            del self._windows[scope]
        self._windows[need.scope] = _Window(spent, need.ends_us, sum(held.values()))

    async def renew(self, *, lease_s: float) -> None:
        """See `LimitStore.renew`."""
        self._forget_guesses()
        end_us = _us(self._clock.monotonic_s() + lease_s)
        for request_id, needs in self._held.items():
            for need in needs:
                if need.kind == "slots":
                    self._slots[need.scope][request_id] = end_us

    def _forget_guesses(self) -> None:
        for scope in [it for it, found in self._windows.items() if found.guess and not found.held]:
            del self._windows[scope]

    def _left(self, need: Need, now_us: int) -> int:
        if need.kind == "slots":
            running = self._slots.setdefault(need.scope, {})
            # All leases are of one length, so the first to begin is the first to end.
            if running and next(iter(running.values())) <= now_us:
                for request_id in [key for key, end_us in running.items() if end_us <= now_us]:
                    del running[request_id]
            return need.size - len(running)
        if need.kind == "window":
            window = self._windows[need.scope]
            return need.size - window.spent - window.held
        bucket = self._buckets.get(need.scope)
        return need.size if bucket is None else bucket.at(need, now_us) // bucket.per_us

    def _bucket(self, need: Need, now_us: int) -> _Bucket:
        bucket = self._buckets.get(need.scope)
        if bucket is None:
            bucket = self._buckets[need.scope] = _Bucket(need, now_us)
        return bucket

    def _refused(self, index: int, need: Need, now_us: int) -> Held:
        if need.kind == "window":
            window = self._windows[need.scope]
            unspent = need.size - window.spent
            return Held(denied=index, fits_later=need.amount <= unspent, room=unspent - window.held)
        return Held(denied=index, wait_s=self._wait_s(need, now_us))

    def _wait_s(self, need: Need, now_us: int) -> float | None:
        if need.kind == "slots" or need.amount > need.size:
            return None
        bucket = self._bucket(need, now_us)
        missing = need.amount * bucket.per_us - bucket.at(need, now_us)
        return -(-missing // need.size) / 1e6


def _is_over(window: _Window, now_us: int) -> bool:
    # What held money in it may still have to be settled in it.
    return window.ends_us < now_us and not window.held


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
