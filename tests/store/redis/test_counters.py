"""Counters of budgets, as they are read beside a ledger and mended."""

import asyncio

from tests.services import RedisServer

from trimtab.store.base.limits import Counter, Need, Unit
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.testing import FrozenClock

LEASE_S = 60.0
KEY = "tt:{acme}:spend:month:2026-11"
BUDGET = Need(
    name="budget of tenant 'acme'",
    scope="spend:month:2026-11/acme",
    kind="window",
    size=1000,
    amount=100,
    ends_us=4_000_000_000_000_000,
    unit=Unit.NANO,
)


def of_host(redis: Redis, host: str, clock: FrozenClock) -> RedisLimits:
    return RedisLimits(redis, host=host, now_us=clock.now_us)


async def spend(limits: RedisLimits, request_id: str, nano: int) -> None:
    await limits.hold(request_id, [BUDGET], lease_s=LEASE_S)
    await limits.settle(request_id, [nano])


async def test_a_counter_nobody_said_anything_of_is_none(redis: Redis) -> None:
    assert await of_host(redis, "a", FrozenClock()).look(BUDGET) is None


async def test_hosts_are_told_apart_in_one_counter(redis: Redis) -> None:
    clock = FrozenClock()
    a, b = of_host(redis, "a host", clock), of_host(redis, "b", clock)
    await a.prime(BUDGET, 200)
    await b.prime(BUDGET, 30)
    await spend(b, "r1", 7)
    await a.hold("r2", [BUDGET], lease_s=LEASE_S)

    assert await a.look(BUDGET) == Counter(spent=237, held=100, booked=200, requests={"r2": True})
    assert await b.look(BUDGET) == Counter(spent=237, held=100, booked=37)


async def test_what_ran_when_the_redis_forgot_is_held_from_the_start(redis: Redis) -> None:
    limits = of_host(redis, "a", FrozenClock())
    await limits.prime(BUDGET, 500, {"r1": 300, "r2": 100})

    assert (await limits.hold("r3", [BUDGET], lease_s=LEASE_S)).left == (0,)
    assert (await limits.hold("r4", [BUDGET], lease_s=LEASE_S)).denied == 0

    limits.note("r1", [BUDGET])
    await limits.settle("r1", [20])
    assert await limits.look(BUDGET) == Counter(
        spent=520, held=200, booked=520, requests={"r2": True, "r3": True}
    )


async def test_who_died_counts_as_spent_and_is_told_apart(redis: Redis) -> None:
    clock = FrozenClock()
    limits = of_host(redis, "a", clock)
    await limits.prime(BUDGET, 0)
    await limits.hold("r1", [BUDGET], lease_s=LEASE_S)
    clock.advance(LEASE_S)

    assert await limits.look(BUDGET) == Counter(spent=100, held=0, booked=0, requests={"r1": False})


async def test_what_was_booked_from_the_ledger_is_not_booked_again_by_its_worker(
    redis: Redis,
) -> None:
    clock = FrozenClock()
    limits = of_host(redis, "a", clock)
    await limits.prime(BUDGET, 0)
    await limits.hold("r1", [BUDGET], lease_s=LEASE_S)
    assert await limits.mend(BUDGET, 60, ["r1"])

    await limits.renew(lease_s=LEASE_S)
    await limits.settle("r1", [60])

    assert await limits.look(BUDGET) == Counter(spent=60, held=0, booked=60)
    clock.advance(2 * LEASE_S)
    await limits.look(BUDGET)
    assert await redis.send("HKEYS", KEY) == [b"h:a", b"spent", b"held"]


async def test_a_mend_of_what_is_not_so_any_more_does_nothing(redis: Redis) -> None:
    limits = of_host(redis, "a", FrozenClock())
    await limits.prime(BUDGET, 0)
    await spend(limits, "r1", 60)

    assert not await limits.mend(BUDGET, 60, ["r1"])
    assert await limits.look(BUDGET) == Counter(spent=60, held=0, booked=60)


async def test_what_somebody_else_wrote_into_a_counter_goes_astray_and_is_put_back(
    redis: Redis,
) -> None:
    limits = of_host(redis, "a", FrozenClock())
    await limits.prime(BUDGET, 50)
    await redis.send("HINCRBY", KEY, "spent", 7)
    await redis.send("HINCRBY", KEY, "held", -3)

    assert await limits.look(BUDGET) == Counter(spent=57, held=-3, booked=50, astray=(7, -3))
    assert await limits.mend(BUDGET, 0)
    assert await limits.look(BUDGET) == Counter(spent=50, held=0, booked=50)


async def test_who_is_refused_while_leases_are_renewed_holds_nothing(
    redis: Redis, server: RedisServer
) -> None:
    limits = of_host(redis, "a", FrozenClock())
    await limits.prime(BUDGET, 950)
    refused = asyncio.create_task(limits.hold("r1", [BUDGET], lease_s=LEASE_S))
    await asyncio.sleep(0)
    assert limits.holds("r1")

    await limits.renew(lease_s=LEASE_S)

    assert (await refused).denied == 0
    assert server.command("HGET", KEY, "held") == b"$-1\r\n"
