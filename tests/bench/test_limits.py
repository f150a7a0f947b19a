"""What a hold and its settlement cost together, and whether many open ones make it slower.

Prints; asserts nothing about time. Goals: 15 us in process with six limits, and a fifth more with
10,000 open holds, in process and in Redis. Seconds are of CPU, the best of several rounds, for a
busy machine only ever makes them more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from time import process_time

import msgspec
import pytest
from msgspec import Raw
from tests.pipeline.conftest import ACME, LIMITED, Rig
from tests.services import kept, running_redis

from trimtab.domain.budget import Budget, Hold, Speed
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.handoff import Screened
from trimtab.pipeline.learnt import Learnt
from trimtab.store.base import LimitStore, Need, Unit
from trimtab.store.memory_limits import MemoryLimits
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.testing import FrozenClock

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

OPEN, TIMES, ROUNDS = 10_000, 2000, 9
FAR_US = 4_000_000_000_000_000
USED = (1, 1, 1200, 8_000_000, 8_000, 8_000_000)
TEXT = Raw(b'[{"role":"user","content":"%s"}]' % (b"a" * 2000))
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


async def primed(store: LimitStore) -> None:
    for need in SIX:
        if need.kind == "window":
            await store.prime(need, 0)


async def fill(store: LimitStore) -> None:
    for number in range(OPEN):
        await store.hold(f"open{number}", SIX, lease_s=600)


async def test_prints_what_a_hold_costs_in_process() -> None:
    store = MemoryLimits(FrozenClock())
    await primed(store)

    async def once(name: str) -> None:
        await store.hold(name, SIX, lease_s=60)
        await store.settle(name, USED)

    alone_us = await best_us(once)
    await fill(store)
    beside_us = await best_us(once)

    print(f"\nhold and settle, 6 limits     {alone_us:7.2f} us, goal 15")
    print(f"beside {OPEN} open holds      {beside_us / alone_us:7.2f} x, goal 1.2")


async def test_prints_what_working_out_what_to_hold_costs() -> None:
    for hold in Hold:
        budget = msgspec.structs.replace(BUDGET, hold=hold)
        rig = Rig(grant=replace(LIMITED, tenant=msgspec.structs.replace(ACME), budget=budget))
        most = {"*": {"input": 10**6, "output": 8000}}
        provider = msgspec.convert(
            {**msgspec.to_builtins(rig.snapshot.providers["sim"]), "max_tokens": most},
            type(rig.snapshot.providers["sim"]),
        )
        rig.snapshot = replace(rig.snapshot, providers={"sim": provider})
        pipeline = rig.pipeline
        request = rig.request({"messages": TEXT})
        planned = pipeline.plan(pipeline.admit(pipeline.identify(request)))
        money, floor = pipeline.fund.money, 500

        async def once(_: str) -> None:
            money(planned, floor)  # noqa: B023 -- used within the turn

        print(f"\nwhat to hold, {hold:8}         {await best_us(once):8.2f} us")
    funded = await pipeline.fund(Screened(planned))
    route = planned.routes[0]
    used = Usage(source=UsageSource.PROVIDER, input_tokens=450, output_tokens=300)
    learnt = Learnt()

    async def learn(_: str) -> None:
        money.learn(funded, route, used)

    async def nothing(_: str) -> None:
        pass

    async def saw(_: str) -> None:
        learnt.saw(("chat", "search"), 300)

    empty_us = await best_us(nothing)
    print(f"learning from an answer       {await best_us(learn) - empty_us:7.2f} us, one of 8")
    print(f"one number into one histogram {await best_us(saw) - empty_us:7.2f} us")


async def test_prints_what_a_hold_costs_a_redis(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        redis = Redis(parse(server.url), patience_s=30.0)
        async with kept(redis):
            store = RedisLimits(redis)
            await primed(store)

            async def served_us() -> float:
                """Tell what a script takes in the Redis: the best of several rounds."""
                best = float("inf")
                for turn in range(ROUNDS):
                    await redis.send("CONFIG", "RESETSTAT")
                    for number in range(TIMES // 10):
                        await store.hold(f"r{turn}.{number}", SIX, lease_s=60)
                    told = bytes(await redis.send("INFO", "commandstats")).decode()
                    line = next(it for it in told.splitlines() if "evalsha" in it)
                    best = min(best, float(line.partition("usec_per_call=")[2].partition(",")[0]))
                    for number in range(TIMES // 10):
                        await store.settle(f"r{turn}.{number}", USED)
                return best

            alone_us = await served_us()
            await fill(store)
            beside_us = await served_us()

    print(f"\nhold in Redis, 6 limits       {alone_us:7.2f} us of the server")
    print(f"beside {OPEN} open holds      {beside_us / alone_us:7.2f} x, goal 1.2")
