import asyncio
import logging
import signal
from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace
from tests.services import RedisServer
from tests.store.redis.conftest import until

from trimtab.domain.errors import LimitsUnavailable
from trimtab.domain.tenant import WhenAway
from trimtab.store.base.limits import Asker, Held, Need, Unit
from trimtab.store.memory.limits import MemoryLimits
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.store.redis.shared import SharedLimits
from trimtab.testing import FrozenClock

LEASE_S = 60.0
SLOT = Need(name="parallel", scope="slots/acme", kind="slots", size=4)
BUCKET = Need(name="requests", scope="requests/acme", kind="bucket", size=10)


class Worker:
    """A worker that shares limits with others of its kind."""

    def __init__(self, server: RedisServer, name: str) -> None:
        self.redis = Redis(parse(server.url), patience_s=0.5)
        self.remote = RedisLimits(self.redis)
        local = MemoryLimits(FrozenClock())
        self.limits = SharedLimits(self.redis, self.remote, local, WhenAway.LOCAL_SHARE, name)
        self.running = asyncio.create_task(self.limits.run())

    async def away(self) -> None:
        await until(lambda: not self.limits.is_up, "the Redis counts as away")

    async def back(self) -> None:
        await until(lambda: self.limits.is_up, "the Redis is back")
        await self.limits.renew(lease_s=LEASE_S)

    async def hold(self, request_id: str, *needs: Need, when_away: WhenAway | None = None) -> Held:
        asker = Asker(when_away=when_away)
        return await self.limits.hold(request_id, needs, lease_s=LEASE_S, asker=asker)


@pytest.fixture
async def workers(server: RedisServer) -> AsyncGenerator[tuple[Worker, Worker]]:
    both = Worker(server, "one"), Worker(server, "two")
    for worker in both:
        await worker.limits.started()
        await worker.limits.renew(lease_s=LEASE_S)
    await both[0].limits.renew(lease_s=LEASE_S)
    yield both
    for worker in both:
        worker.running.cancel()
        await asyncio.wait([worker.running])


async def test_while_the_redis_answers_workers_share(workers: tuple[Worker, Worker]) -> None:
    one, two = workers

    assert await one.hold("r1", replace(SLOT, size=1)) == Held(left=(0,))
    assert await two.hold("r2", replace(SLOT, size=1)) == Held(denied=0)

    await one.limits.settle("r1", [1])
    # It was sent and not waited for: what the same worker sends next comes after it.
    await one.redis.send("PING")
    assert (await two.hold("r2", replace(SLOT, size=1))).denied is None


async def test_without_it_each_lets_its_own_share_pass(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, _ = workers
    server.kill()

    held = [await one.hold(f"r{n}", BUCKET) for n in range(7)]

    assert held[0] == Held(left=(4,), is_degraded=True)
    assert [it.denied for it in held] == [None] * 5 + [0, 0]


async def test_a_share_is_at_least_one(workers: tuple[Worker, Worker], server: RedisServer) -> None:
    one, _ = workers
    server.kill()

    assert (await one.hold("r1", replace(SLOT, size=1))).denied is None
    assert (await one.hold("r2", replace(SLOT, size=1))).denied == 0
    await one.limits.settle("r1", [1])
    assert (await one.hold("r2", replace(SLOT, size=1))).denied is None


async def test_a_contract_may_say_to_refuse_or_to_let_all_pass(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, _ = workers
    server.kill()

    with pytest.raises(LimitsUnavailable) as refused:
        await one.hold("r1", SLOT, when_away=WhenAway.CLOSED)
    passed = [await one.hold(f"o{n}", SLOT, when_away=WhenAway.OPEN) for n in range(20)]

    assert refused.value.wait_s == 1.0
    assert passed == [Held(is_degraded=True)] * 20


async def test_what_ended_while_it_was_away_is_settled_when_it_is_back(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, two = workers
    await one.hold("r1", replace(SLOT, size=1), BUCKET)
    server.process.send_signal(signal.SIGSTOP)
    for number in range(3):
        await one.hold(f"x{number}", SLOT, when_away=WhenAway.OPEN)
    await one.away()

    await one.limits.settle("r1", [1, 1])
    for number in range(3):
        await one.limits.settle(f"x{number}", [1])

    server.process.send_signal(signal.SIGCONT)
    await one.back()
    await two.back()
    assert (await two.hold("r2", replace(SLOT, size=1))).denied is None


async def test_what_was_let_pass_without_it_is_counted_when_it_is_back_until_it_ends(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, two = workers
    server.process.send_signal(signal.SIGSTOP)
    waiting = [
        asyncio.create_task(one.hold(f"r{n}", SLOT, when_away=WhenAway.OPEN)) for n in range(4)
    ]
    assert all(it.is_degraded for it in await asyncio.gather(*waiting))
    server.process.send_signal(signal.SIGCONT)

    await one.back()
    await two.back()

    assert (await two.hold("r9", SLOT)).denied == 0
    for number in range(4):
        await one.limits.settle(f"r{number}", [1])
    await one.redis.send("PING")
    assert (await two.hold("r9", SLOT)).left == (3,)


async def test_a_hold_whose_answer_was_lost_is_given_back(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, two = workers
    server.process.send_signal(signal.SIGSTOP)
    for number in range(4):
        with pytest.raises(LimitsUnavailable):
            await one.hold(f"r{number}", SLOT, when_away=WhenAway.CLOSED)
    server.process.send_signal(signal.SIGCONT)

    await one.back()
    await two.back()

    assert (await two.hold("r9", SLOT)).left == (3,)


async def test_a_request_that_is_broken_off_while_it_waits_holds_nothing(
    workers: tuple[Worker, Worker],
) -> None:
    one, two = workers
    waiting = asyncio.create_task(one.hold("r1", SLOT))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await one.redis.send("PING")

    assert waiting.cancelled()
    assert not one.remote.holds("r1")
    assert (await two.hold("r2", SLOT)).left == (3,)


async def test_kill_switches_reach_a_redis_that_comes_back_empty(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, two = workers
    one.limits.publish(7, {"acme": None})
    server.kill()
    await one.away()
    await two.away()
    server.restart()
    await one.back()
    await two.back()

    asker = Asker(config_seq=6, scopes=("acme",))
    held = await two.limits.hold("r1", (), lease_s=LEASE_S, asker=asker)

    assert held == Held(stopped=0)


async def test_a_redis_that_refuses_to_count_is_told_once_and_lived_without(
    workers: tuple[Worker, Worker], caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = workers
    await one.redis.send("CONFIG", "SET", "maxmemory", "1")
    try:
        with caplog.at_level(logging.ERROR):
            held = [await one.hold(f"r{n}", BUCKET) for n in range(3)]
    finally:
        await one.redis.send("CONFIG", "SET", "maxmemory", "0")

    assert all(it.is_degraded and it.denied is None for it in held)
    [line] = caplog.messages
    assert "refuses to count" in line


BUDGET = Need(
    name="budget",
    scope="spend:month:2026-11/acme",
    kind="window",
    size=1000,
    amount=100,
    ends_us=4_000_000_000_000_000,
    unit=Unit.NANO,
)


async def test_without_it_all_together_spend_half_of_what_was_left(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, two = workers
    for worker in workers:
        await worker.limits.prime(BUDGET, 200)
    assert (await one.hold("r0", BUDGET)).left == (700,)
    server.kill()

    held = [await one.hold(f"r{number}", BUDGET) for number in range(1, 4)]

    assert [it.denied for it in held] == [None, 0, 0]
    assert held[1].is_degraded
    # The other never saw the budget, and is told of the ledger.
    assert (await two.hold("x1", BUDGET)).unknown == 0
    await two.limits.prime(BUDGET, 600)
    assert (await two.hold("x1", BUDGET)).denied is None
    assert (await two.hold("x2", BUDGET)).denied == 0


async def test_what_was_spent_without_it_is_booked_when_it_is_back(
    workers: tuple[Worker, Worker], server: RedisServer
) -> None:
    one, two = workers
    await one.limits.prime(BUDGET, 0)
    await one.hold("r0", BUDGET)
    await one.limits.settle("r0", [100])
    await one.redis.send("PING")
    server.process.send_signal(signal.SIGSTOP)
    await one.hold("r1", BUDGET)
    await one.limits.settle("r1", [70])
    await asyncio.gather(*(one.hold(f"o{n}", SLOT, when_away=WhenAway.OPEN) for n in range(3)))
    await one.away()
    server.process.send_signal(signal.SIGCONT)
    await one.back()
    await two.back()

    assert (await two.hold("r2", BUDGET)).left == (1000 - 100 - 70 - 100,)
