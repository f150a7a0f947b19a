"""Counters in a real Redis beside a ledger that says what it is told to."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence

import pytest
from msgspec.structs import replace
from tests.services import RedisServer, kept, running_redis

from trimtab.domain.budget import QUARTER_US, Budget
from trimtab.jobs.counters import EVERY_S, UNEXPLAINED_S, Comparison, CounterJob
from trimtab.pipeline.money import Claim, Payer, claims_of
from trimtab.store.base.limits import Already, Counter, Spending
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.testing import FrozenClock

LEASE_S = 60.0
AMOUNT = 100
ACME = Payer("tenant", "acme", "acme")
[CLAIM] = claims_of(ACME, Budget(nano=1000), "UTC", FrozenClock().now_us() // QUARTER_US)
# The Redis knows the time itself when it forgets what is over.
NEED = replace(CLAIM.need, amount=AMOUNT, ends_us=4_000_000_000_000_000)


class Site:
    """A counter, its ledger and the job that compares them. State: all of that."""

    def __init__(self, redis: Redis, clock: FrozenClock) -> None:
        self.clock = clock
        self.redis = redis
        self.limits = RedisLimits(redis, host="here", now_us=clock.now_us)
        self.spent = 0
        self.unpriced = 0
        self.running: set[str] = set()
        self.stored: set[str] = set()
        self.meanwhile: list[Callable[[], object]] = []
        comparison = Comparison(self.limits, self, self._sleep)
        self.job = CounterJob(comparison, self._claims, clock)
        self.comparison = comparison

    async def already(self, budgets: Sequence[Spending]) -> list[Already]:
        return [Already(self.spent, dict.fromkeys(self.running, AMOUNT), self.unpriced)] * len(
            budgets
        )

    async def ended(self, request_ids: Iterable[str]) -> set[str]:
        return self.stored & set(request_ids)

    async def hold(self, request_id: str) -> None:
        assert (await self.limits.hold(request_id, [NEED], lease_s=LEASE_S)).denied is None

    async def look(self) -> Counter:
        counter = await self.limits.look(NEED)
        assert counter is not None
        return counter

    async def minute(self) -> None:
        self.clock.advance(EVERY_S)
        await self.limits.renew(lease_s=LEASE_S)
        await self.job.run()

    def _claims(self) -> list[Claim]:
        return [CLAIM]

    async def _sleep(self, _: float) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def site(server: RedisServer) -> AsyncGenerator[Site]:
    redis = Redis(parse(server.url), patience_s=5.0)
    async with kept(redis):
        await redis.send("FLUSHALL")
        made = Site(redis, FrozenClock())
        await made.limits.prime(NEED, 0)
        yield made


async def test_what_agrees_is_left_alone(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await site.hold("r1")
    site.running.add("r1")

    await site.minute()

    assert site.job.repaired == 0
    assert caplog.messages == []


@pytest.mark.parametrize(("spent", "told"), [(40, "0.00000004 USD too little"), (-25, "too much")])
async def test_a_difference_at_rest_is_mended_counted_and_told(
    site: Site, caplog: pytest.LogCaptureFixture, spent: int, told: str
) -> None:
    site.spent = spent
    with caplog.at_level(logging.WARNING):
        await site.minute()

    assert (await site.look()) == Counter(spent=spent, held=0, booked=spent)
    assert site.job.repaired == 1
    [message] = caplog.messages
    assert "budget of tenant 'acme' for this month" in message
    assert told in message


async def test_what_ends_meanwhile_is_no_difference(site: Site) -> None:
    async def ends() -> None:
        await site.hold("r2")
        await site.limits.settle("r2", [60])

    site.meanwhile = [lambda: None, lambda: setattr(site, "spent", 60)]
    await ends()

    await site.minute()

    assert site.job.repaired == 0
    assert (await site.look()).booked == 60


async def test_a_settlement_whose_record_waits_for_a_disk_is_kept(site: Site) -> None:
    await site.hold("r1")
    site.running.add("r1")
    await site.limits.settle("r1", [60])

    await site.minute()

    assert site.job.repaired == 0
    assert (await site.look()).spent == 60


async def test_an_estimate_for_what_has_no_price_is_kept(site: Site) -> None:
    await site.hold("r1")
    await site.limits.settle("r1", [AMOUNT])
    site.unpriced = 1

    await site.minute()

    assert site.job.repaired == 0
    [found] = await site.comparison.compare([CLAIM])
    assert (found.more_nano, found.certain_nano, found.differs) == (-AMOUNT, 0, False)


async def test_a_request_that_ended_with_its_worker_holds_no_longer_and_costs_what_it_cost(
    site: Site,
) -> None:
    await site.hold("r1")
    site.spent, site.stored = 33, {"r1"}

    await site.minute()

    assert (await site.look()) == Counter(spent=33, held=0, booked=33)
    # Its settlement comes after all.
    await site.limits.settle("r1", [33])
    assert (await site.look()) == Counter(spent=33, held=0, booked=33)


async def test_what_is_held_by_nobody_is_let_go_after_two_leases(site: Site) -> None:
    await site.hold("r1")

    await site.minute()
    assert (await site.look()).held == AMOUNT
    for _ in range(round(UNEXPLAINED_S / EVERY_S)):
        await site.minute()

    assert (await site.look()) == Counter(spent=0, held=0, booked=0)
    assert site.job.repaired == 1


async def test_a_minute_must_pass_unless_the_store_was_away(site: Site) -> None:
    site.clock.advance(EVERY_S)
    await site.job.run()
    site.spent = 40

    await site.job.run()
    assert (await site.look()).spent == 0
    await site.job.returned()
    await site.job.run()
    assert (await site.look()).spent == 40
