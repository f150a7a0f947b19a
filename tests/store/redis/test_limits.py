import asyncio
import random

import pytest
from tests.services import RedisServer, kept

from trimtab.store.base.limits import Asker, Held, Need
from trimtab.store.redis.address import Address, parse
from trimtab.store.redis.connection import Answer, Argument, Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.testing import FrozenClock

LEASE_S = 60.0


def slots(size: int) -> Need:
    return Need(name="parallel", scope="slots/acme", kind="slots", size=size)


def bucket(scope: str, size: int, amount: int = 1) -> Need:
    return Need(name=scope, scope=f"{scope}/acme", kind="bucket", size=size, amount=amount)


async def test_t01_forty_at_once_in_three_scopes_never_hold_more_than_there_is(
    server: RedisServer,
) -> None:
    workers = [Redis(parse(server.url), patience_s=5.0) for _ in range(4)]
    stores = [RedisLimits(redis) for redis in workers]
    chance = random.Random(7)  # noqa: S311 -- repeatable on purpose
    running, most, spent, granted = 0, 0, 0, 0

    async def client(number: int) -> None:
        nonlocal running, most, spent, granted
        store = stores[number % len(stores)]
        for turn in range(25):
            asked, used = chance.randint(1, 40), chance.randint(0, 40)
            needs = (slots(8), bucket("requests", 10_000), bucket("tokens", 6000, asked))
            held = await store.hold(f"r{number}.{turn}", needs, lease_s=LEASE_S)
            if held.denied is not None:
                continue
            # Counted from after the hold until before its end: never too much.
            running, granted = running + 1, granted + 1
            most = max(most, running)
            await asyncio.sleep(0)
            running, spent = running - 1, spent + used
            await store.settle(f"r{number}.{turn}", [1, 1, used])

    async with kept(workers[0]), kept(workers[1]), kept(workers[2]), kept(workers[3]):
        before_s = (await workers[0].send("TIME"))[0]
        await asyncio.gather(*(client(number) for number in range(40)))
        after_s = (await workers[0].send("TIME"))[0]
        probe = (slots(8), bucket("requests", 10_000, 0), bucket("tokens", 6000, 0))
        end = await stores[1].hold("probe", probe, lease_s=LEASE_S)

    assert most <= 8
    refilled = (int(after_s) - int(before_s) + 1) * 6000 / 60
    assert spent <= 6000 + refilled
    assert end.left[0] == 7
    assert 10_000 - granted <= end.left[1] <= 10_000
    assert 6000 - spent <= end.left[2] <= 6000 - spent + refilled


async def test_all_workers_draw_from_one_bucket(server: RedisServer) -> None:
    workers = [Redis(parse(server.url)) for _ in range(2)]
    stores = [RedisLimits(redis) for redis in workers]
    async with kept(workers[0]), kept(workers[1]):
        held = [
            await stores[number % 2].hold(f"r{number}", (bucket("requests", 5),), lease_s=LEASE_S)
            for number in range(8)
        ]

    assert [it.denied is None for it in held] == [True] * 5 + [False] * 3


async def test_what_a_newer_configuration_stops_is_stopped(redis: Redis) -> None:
    store = RedisLimits(redis)
    await store.stop(12, {"acme": None, "globex": 1})
    old = Asker(config_seq=11, scopes=("site:all", "acme"))

    assert await store.hold("r1", (slots(1),), lease_s=LEASE_S, asker=old) == Held(stopped=1)
    # It took nothing.
    assert (await store.hold("r2", (slots(1),), lease_s=LEASE_S)).left == (0,)


@pytest.mark.parametrize(
    "asker",
    [
        pytest.param(Asker(config_seq=12, scopes=("acme",)), id="as new: it has decided itself"),
        pytest.param(Asker(config_seq=11, scopes=("initech",)), id="somebody else"),
        pytest.param(Asker(config_seq=11, scopes=("globex",)), id="over already"),
    ],
)
async def test_others_are_let_in(redis: Redis, asker: Asker) -> None:
    store = RedisLimits(redis)
    await store.stop(12, {"acme": None, "globex": 1})

    assert await store.hold("r1", (), lease_s=LEASE_S, asker=asker) == Held()


async def test_a_worker_that_lags_behind_cannot_stop_anew_what_was_resumed(redis: Redis) -> None:
    store = RedisLimits(redis)
    await store.stop(12, {"acme": None})
    await store.stop(13, {})

    await store.stop(12, {"acme": None})

    asker = Asker(config_seq=11, scopes=("acme",))
    assert await store.hold("r1", (), lease_s=LEASE_S, asker=asker) == Held()


async def test_a_redis_that_forgot_the_script_is_told_it_again(redis: Redis) -> None:
    store = RedisLimits(redis)
    await store.hold("r1", (slots(2),), lease_s=LEASE_S)

    await redis.send("SCRIPT", "FLUSH")

    assert (await store.hold("r2", (slots(2),), lease_s=LEASE_S)).left == (0,)


async def test_renewing_brings_back_what_a_wiped_redis_has_forgotten(redis: Redis) -> None:
    store = RedisLimits(redis)
    await store.hold("r1", (slots(1),), lease_s=LEASE_S)
    await redis.send("FLUSHALL")

    await store.renew(lease_s=LEASE_S)

    assert (await store.hold("r2", (slots(1),), lease_s=LEASE_S)).denied == 0
    await store.settle("r1", [1])
    assert (await store.hold("r2", (slots(1),), lease_s=LEASE_S)).denied is None


async def test_counts_workers_that_live(redis: Redis) -> None:
    one, two = RedisLimits(redis), RedisLimits(redis)
    await one.count("host-a", lease_s=LEASE_S)
    await two.count("host-b", lease_s=LEASE_S)
    await one.count("host-a", lease_s=LEASE_S)
    assert (one.workers, two.workers) == (2, 2)

    await two.count("host-b", lease_s=-1)
    await one.count("host-a", lease_s=LEASE_S)

    assert one.workers == 1


async def test_large_limits_lose_no_unit(redis: Redis) -> None:
    clock = FrozenClock()
    store = RedisLimits(redis, now_us=clock.now_us)
    size = 10**14

    first = await store.hold("r1", (bucket("tokens", size),), lease_s=LEASE_S)
    await store.settle("r1", [size])
    after = await store.hold("r2", (bucket("tokens", size, size // 10),), lease_s=LEASE_S)
    clock.advance(30)
    later = await store.hold("r2", (bucket("tokens", size, 0),), lease_s=LEASE_S)

    assert first.left == (size - 1,)
    assert (after.denied, after.wait_s) == (0, 10.0)  # in ticks of ten seconds
    assert later.left == (size // 2,)


async def test_no_key_outlives_its_use(redis: Redis) -> None:
    store = RedisLimits(redis)
    await store.hold("r1", (slots(2), bucket("requests", 5)), lease_s=LEASE_S)

    keys = await redis.send("KEYS", "tt:{acme}:*")

    assert sorted(keys) == [b"tt:{acme}:held:r1", b"tt:{acme}:requests", b"tt:{acme}:slots"]
    for key in keys:
        assert 0 < await redis.send("PTTL", key) <= 120_000


class Counting(Redis):
    """A connection that remembers the verbs it sent."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, patience_s=5.0)
        self.verbs: list[Argument] = []

    def send(self, *command: Argument) -> Answer:
        self.verbs.append(command[0])
        return super().send(*command)


async def test_a_hold_is_one_round_trip_however_many_limits_there_are(server: RedisServer) -> None:
    redis = Counting(parse(server.url))
    windows = [
        Need(
            name=f"budget {n}",
            scope=f"spend{n}/acme",
            kind="window",
            size=100,
            ends_us=4_000_000_000_000_000,
        )
        for n in range(3)
    ]
    needs = [slots(8), bucket("requests", 10), bucket("tokens", 10), *windows]
    async with kept(redis):
        store = RedisLimits(redis)
        for need in windows:
            await store.prime(need, 0)
        redis.verbs.clear()

        held = await store.hold("r1", needs, lease_s=LEASE_S)
        await store.settle("r1", [1] * len(needs))

    assert held == Held(left=(7, 9, 9, 99, 99, 99))
    assert redis.verbs == ["EVALSHA", "EVALSHA"]
