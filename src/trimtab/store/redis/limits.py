"""Rates, slots and budgets in a Redis, one for all workers. One script decides each request."""

import asyncio
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

from trimtab.domain.errors import LimitsUnavailable
from trimtab.store.base.limits import NOBODY, NOTHING, Asker, Counter, Held, Need
from trimtab.store.redis.connection import Answer, Argument, Redis, RedisAway, RedisRefused

Script = tuple[Sequence[str], Sequence[Argument]]

LONGEST_EXACT = 2**52
FLAGS = "tt:{site}:stopped"
NO_SCRIPT = "NOSCRIPT"
WORKERS = "tt:{site}:workers"
KEEP_US = 120_000_000
LEASE_US = 60_000_000
KEEP_WINDOW_MS = 35 * 86_400_000

_SCRIPT = files("trimtab.store.redis").joinpath("limits.lua").read_bytes()
# The name that Redis knows a script by, not a safeguard.
_SHA = sha1(_SCRIPT, usedforsecurity=False).hexdigest()
_US = 1_000_000


class RedisLimits:
    """`store.base.LimitStore` and `CounterStore` in a Redis.

    While it is away, methods of the first raise `RedisAway`, of the second `LimitsUnavailable`.
    State: what this worker's unsettled requests hold, which of them wait for the answer, and how
    many workers there were last.
    """

    def __init__(
        self, redis: Redis, *, host: str = "", now_us: Callable[[], int] | None = None
    ) -> None:
        """Use a connection that somebody keeps.

        Args:
            redis: The connection.
            host: Names the ledger that this worker writes, among those of all hosts.
            now_us: Tells the time; `None` leaves that to the Redis, as many workers must.
        """
        self.workers = 1
        self._redis = redis
        self._host = host
        self._now_us = now_us
        self._held: dict[str, tuple[Need, ...]] = {}
        self._asked: set[str] = set()

    async def hold(
        self, request_id: str, needs: Sequence[Need], *, lease_s: float, asker: Asker = NOBODY
    ) -> Held:
        """See `LimitStore.hold`."""
        keys = [FLAGS, _request_key(request_id, needs), *map(_key, needs)]
        arguments: list[Argument] = [
            "hold",
            self._now(),
            request_id,
            round(lease_s * _US),
            asker.config_seq,
            self._host,
            len(asker.scopes),
            *asker.scopes,
        ]
        for need in needs:
            kind = need.kind if need.enforced else f"{need.kind}!"
            arguments += (kind, need.size, need.amount, *_ticks(need.size, need.per_s))
        if needs and self._redis.is_up:
            # Noted before it is sent: a hold whose answer is lost must be given back, too.
            self._held.setdefault(request_id, tuple(needs))
        self._asked.add(request_id)
        try:
            word, *rest = await self._run(keys, arguments)
        finally:
            self._asked.discard(request_id)
        if word == b"held":
            return Held(left=tuple(rest))
        self._held.pop(request_id, None)
        match word:
            case b"stopped":
                return Held(stopped=rest[0])
            case b"unknown":
                return Held(unknown=rest[0])
            case _:
                index, wait_us, later, *room = rest
                wait_s = None if wait_us < 0 else wait_us / _US
                return Held(
                    denied=index,
                    wait_s=wait_s,
                    fits_later=later == 1,
                    room=next(iter(room), None),
                )

    async def settle(self, request_id: str, actual: Sequence[int]) -> None:
        """See `LimitStore.settle`. When the Redis is away, it stays to be settled."""
        if request_id in self._held:
            await self._run(*self._settling(request_id, actual))
            self._held.pop(request_id, None)

    def settle_soon(self, request_id: str, actual: Sequence[int]) -> Answer:
        """Do as `settle` does, without waiting; what is held stays noted until `forget`."""
        return self._script("EVALSHA", _SHA, *self._settling(request_id, actual))

    def holds(self, request_id: str) -> bool:
        """Whether a request holds something, or may."""
        return request_id in self._held

    def note(self, request_id: str, needs: Sequence[Need]) -> None:
        """Have `renew` and `settle` know what a request holds that the Redis was not asked for."""
        self._held[request_id] = tuple(needs)

    def forget(self, request_id: str) -> None:
        """Leave what a request holds, if anything, to the end of its lease."""
        self._held.pop(request_id, None)

    def _settling(self, request_id: str, actual: Sequence[int]) -> Script:
        needs = self._held.get(request_id, ())
        arguments: list[Argument] = ["settle", self._now(), request_id, KEEP_US, self._host]
        for need, used in zip(needs, actual, strict=False):
            back = need.amount - used
            arguments += (need.kind, need.size, back, *_ticks(need.size, need.per_s), used)
        return [_request_key(request_id, needs), *map(_key, needs)], arguments

    async def prime(self, need: Need, spent: int, held: Mapping[str, int] = NOTHING) -> None:
        """See `LimitStore.prime`."""
        keep_ms = need.ends_us // 1000 + KEEP_WINDOW_MS
        arguments: list[Argument] = ["prime", self._now(), self._host, spent, keep_ms, LEASE_US]
        for request_id, amount in held.items():
            arguments += (request_id, amount)
        await self._run([_key(need)], arguments)

    async def look(self, need: Need) -> Counter | None:
        """See `CounterStore.look`."""
        with _explained():
            found = await self._run([_key(need)], ["look", self._now(), self._host])
        if not found:
            return None
        *numbers, requests = found
        spent, held, booked, parts_spent, parts_held = (int(it) for it in numbers)
        return Counter(
            spent=spent,
            held=held,
            booked=booked,
            astray=(spent - parts_spent, held - parts_held),
            requests={
                name.decode(): is_leased == 1
                for name, is_leased in zip(requests[::2], requests[1::2], strict=True)
            },
        )

    async def mend(self, need: Need, more: int, ended: Collection[str] = ()) -> bool:
        """See `CounterStore.mend`."""
        arguments = ["mend", self._now(), self._host, more, KEEP_US, *ended]
        with _explained():
            return await self._run([_key(need)], arguments) == 1

    async def renew(self, *, lease_s: float) -> None:
        """See `LimitStore.renew`."""
        lease_us = round(lease_s * _US)
        for request_id, needs in tuple(self._held.items()):
            # One that was refused, or may be, must not hold after all.
            if request_id not in self._held or request_id in self._asked:
                continue
            keys = [_request_key(request_id, needs), *map(_key, needs)]
            arguments: list[Argument] = ["renew", self._now(), request_id, lease_us, self._host]
            for need in needs:
                arguments += (need.kind, need.amount)
            await self._run(keys, arguments)

    def stop(self, config_seq: int, stopped: Mapping[str, int | None]) -> Answer:
        """Tell workers with an older configuration what is stopped, and until which instant."""
        pairs: list[Argument] = []
        for scope, until_us in stopped.items():
            pairs += (scope, "" if until_us is None else until_us)
        return self._script("EVAL", _SCRIPT, [FLAGS], ["stop", config_seq, *pairs])

    async def count(self, worker: str, *, lease_s: float) -> None:
        """Be counted as a worker for a while, and count the others."""
        now_s, _ = await self._redis.send("TIME")
        send = self._redis.send
        waiting = (
            send("ZADD", WORKERS, int(now_s) + round(lease_s), worker),
            send("ZREMRANGEBYSCORE", WORKERS, "-inf", int(now_s)),
            send("ZCARD", WORKERS),
        )
        self.workers = max(1, (await asyncio.gather(*waiting))[-1])

    async def _run(self, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:  # noqa: ANN401 -- of a script
        try:
            return await self._script("EVALSHA", _SHA, keys, arguments)
        except RedisRefused as exc:
            if not str(exc).startswith(NO_SCRIPT):
                raise
        return await self._script("EVAL", _SCRIPT, keys, arguments)

    def _script(
        self, verb: str, script: str | bytes, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> Answer:
        return self._redis.send(verb, script, len(keys), *keys, *arguments)

    def _now(self) -> Argument:
        return "" if self._now_us is None else self._now_us()


@contextmanager
def _explained() -> Generator[None]:
    try:
        yield
    except RedisAway as exc:
        raise LimitsUnavailable(f"the counters cannot be read: {exc}", wait_s=1.0) from exc


def _key(need: Need) -> str:
    """Name a counter so that all of one owner share a hash slot."""
    kind, _, owner = need.scope.partition("/")
    return f"tt:{{{owner}}}:{kind}"


def _request_key(request_id: str, needs: Sequence[Need]) -> str:
    owner = needs[0].scope.partition("/")[2] if needs else "site"
    return f"tt:{{{owner}}}:held:{request_id}"


@lru_cache(maxsize=4096)
def _ticks(size: int, per_s: float) -> tuple[int, int]:
    """Say in how many ticks a bucket refills and how long one is, in microseconds.

    The finest that keep size x ticks a number that a double holds exactly.
    """
    full_us = max(round(per_s * _US), 1)
    tick = 1
    while size * (full_us // tick) >= LONGEST_EXACT and tick < full_us:
        tick *= 10
    return max(full_us // tick, 1), tick
