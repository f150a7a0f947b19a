"""What a hold and its settlement cost together, and whether many open ones make it slower.

Prints; asserts nothing about time. Goals: 15 us in process with six limits, and a fifth more with
10,000 open holds, in process and in Redis. Seconds are of CPU, the best of several rounds, for a
busy machine only ever makes them more.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time

import msgspec
import pytest
from msgspec import Raw
from tests.pipeline.conftest import LIMITED, SIM, Rig
from tests.services import kept, running_redis

from trimtab.domain.budget import Budget, Hold, Speed
from trimtab.domain.model import Maximum
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.handoff import Planned, Screened
from trimtab.pipeline.learnt import Learnt
from trimtab.store.base.limits import LimitStore, Need, Unit
from trimtab.store.memory.limits import MemoryLimits
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.testing import FrozenClock

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

OPEN, TIMES, ROUNDS = 10_000, 2000, 9
FAR_US = 4_000_000_000_000_000
USED = (1, 1, 1200, 8_000_000, 8_000, 8_000_000)
TEXT = Raw(b'[{"role":"user","content":"%s"}]' % (b"a" * 2000))
KNOWN = msgspec.structs.replace(SIM, max_tokens={"*": Maximum(input=10**6, output=8000)})
BUDGET = Budget(nano=10**15, speed=Speed(nano=10**15))

Once = Callable[[str], Awaitable[object]]


def bucket(scope: str, size: int, amount: int, unit: Unit) -> Need:
    return Need(name=scope, scope=scope, kind="bucket", size=size, amount=amount, unit=unit)


def window(scope: str) -> Need:
    return Need(
        name=scope,
        scope=scope,
        kind="window",
        size=10**15,
        amount=9_414_000,
        ends_us=FAR_US,
        unit=Unit.NANO,
    )


SIX = (
    Need(name="parallel", scope="slots/acme", kind="slots", size=10**6),
    bucket("requests/acme", 10**6, 1, Unit.REQUESTS),
    bucket("tokens/acme", 10**9, 1500, Unit.TOKENS),
    window("spend:month:2026-11/acme"),
    bucket("speed/acme", 10**9, 9414, Unit.MICRO),
    window("spend:month:2026-11:key/acme"),
)


async def best_us(once: Once) -> float:
    best = float("inf")
    for turn in range(ROUNDS):
        names = [f"r{turn}.{number}" for number in range(TIMES)]
        start_s = process_time()
        for name in names:
            await once(name)
        best = min(best, process_time() - start_s)
    return best / TIMES * 1e6


async def primed(store: LimitStore, needs: Sequence[Need]) -> None:
    for need in needs:
        if need.kind == "window":
            await store.prime(need, 0)


async def fill(store: LimitStore, needs: Sequence[Need]) -> None:
    for number in range(OPEN):
        await store.hold(f"open{number}", needs, lease_s=600)


async def test_prints_what_a_hold_costs_in_process() -> None:
    store = MemoryLimits(FrozenClock())
    await primed(store, SIX)

    async def once(name: str) -> None:
        await store.hold(name, SIX, lease_s=60)
        await store.settle(name, USED)

    alone_us = await best_us(once)
    await fill(store, SIX)
    beside_us = await best_us(once)

    print(f"\nhold and settle, 6 limits     {alone_us:7.2f} us, goal 15")
    print(f"beside {OPEN} open holds      {beside_us / alone_us:7.2f} x, goal 1.2")


def planned(rig: Rig) -> Planned:
    pipeline = rig.pipeline
    return pipeline.plan(pipeline.admit(pipeline.identify(rig.request({"messages": TEXT}))))


@pytest.mark.parametrize("hold", Hold)
async def test_prints_what_working_out_what_to_hold_costs(hold: Hold) -> None:
    budget = msgspec.structs.replace(BUDGET, hold=hold)
    rig = Rig(grant=replace(LIMITED, budget=budget), provider=KNOWN)
    request, money = planned(rig), rig.pipeline.fund.money

    async def once(_: str) -> None:
        money(request, 500)

    print(f"\nwhat to hold, {hold:8}         {await best_us(once):7.2f} us")


async def test_prints_what_learning_costs() -> None:
    rig, learnt = Rig(grant=replace(LIMITED, budget=BUDGET)), Learnt()
    money = rig.pipeline.fund.money
    funded = await rig.pipeline.fund(Screened(planned(rig)))
    (route,) = funded.screened.planned.routes
    used = Usage(source=UsageSource.PROVIDER, input_tokens=450, output_tokens=300)

    async def learn(_: str) -> None:
        money.learn(funded, route, used)

    async def saw(_: str) -> None:
        learnt.saw(("chat", "search"), 300)

    async def nothing(_: str) -> None:
        pass

    empty_us = await best_us(nothing)
    print(f"\nlearning from an answer       {await best_us(learn) - empty_us:7.2f} us")
    print(f"one number, one histogram     {await best_us(saw) - empty_us:7.2f} us")


async def test_prints_what_a_hold_costs_a_redis(tmp_path: Path) -> None:
    busy = tuple(
        msgspec.structs.replace(it, scope=it.scope.replace("/acme", "/busy")) for it in SIX
    )
    with running_redis(tmp_path) as server:
        redis = Redis(parse(server.url), patience_s=30.0)
        async with kept(redis):
            store = RedisLimits(redis)
            await primed(store, SIX)
            await primed(store, busy)
            await fill(store, busy)
            # By turns, for the first thousands of keys cost a Redis more than those that follow.
            turns = [
                (
                    await served_us(redis, store, SIX, turn),
                    await served_us(redis, store, busy, turn),
                )
                for turn in range(2 * ROUNDS)
            ]
    alone_us, beside_us = (min(it) for it in zip(*turns, strict=True))

    print(f"\nhold and settle in Redis      {alone_us:7.2f} us of the server")
    print(f"beside {OPEN} open holds      {beside_us / alone_us:7.2f} x, goal 1.2")


async def served_us(redis: Redis, store: RedisLimits, needs: Sequence[Need], turn: int) -> float:
    """Tell what a hold and its settlement take in the Redis."""
    await redis.send("CONFIG", "RESETSTAT")
    for number in range(TIMES // 10):
        await store.hold(f"r{turn}.{number}", needs, lease_s=60)
        await store.settle(f"r{turn}.{number}", USED)
    told = bytes(await redis.send("INFO", "commandstats")).decode()
    line = next(it for it in told.splitlines() if "evalsha" in it)
    return 2 * float(line.partition("usec_per_call=")[2].partition(",")[0])
