"""What every `store.base.LimitStore` must do."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace
from tests.services import RedisServer, kept, running_redis

from trimtab.store.base.limits import Held, LimitStore, Need
from trimtab.store.memory.limits import MemoryLimits
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits
from trimtab.testing import FrozenClock


class Judged(NamedTuple):
    """A store, and what lets its time pass."""

    store: LimitStore
    wait: Callable[[float], None]


@asynccontextmanager
async def memory(_redis: RedisServer | None) -> AsyncGenerator[Judged]:
    clock = FrozenClock()
    yield Judged(MemoryLimits(clock), clock.advance)


@asynccontextmanager
async def in_redis(server: RedisServer | None) -> AsyncGenerator[Judged]:
    assert server is not None
    clock = FrozenClock()
    redis = Redis(parse(server.url), patience_s=5.0)
    async with kept(redis):
        await redis.send("FLUSHALL")
        yield Judged(RedisLimits(redis, now_us=clock.now_us), clock.advance)


Make = Callable[[RedisServer | None], AbstractAsyncContextManager[Judged]]

IMPLEMENTATIONS: Mapping[str, Make] = {"memory": memory, "redis": in_redis}

LEASE_S = 60.0
FAR_US = 4_000_000_000_000_000


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def implementation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[Make, RedisServer | None]]:
    make = IMPLEMENTATIONS[request.param]
    if make is memory:
        yield make, None
        return
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield make, server


@pytest.fixture
async def judged(
    implementation: tuple[Make, RedisServer | None],
) -> AsyncGenerator[Judged]:
    make, server = implementation
    async with make(server) as judged:
        yield judged


def slots(size: int, scope: str = "slots/acme") -> Need:
    return Need(name="parallel requests", scope=scope, kind="slots", size=size)


def bucket(
    size: int, amount: int = 1, *, per_s: float = 60.0, scope: str = "requests/acme"
) -> Need:
    return Need(
        name="requests a minute", scope=scope, kind="bucket", size=size, amount=amount, per_s=per_s
    )


def window(size: int, amount: int = 1, scope: str = "spend/acme") -> Need:
    return Need(name="budget", scope=scope, kind="window", size=size, amount=amount, ends_us=FAR_US)


async def hold(judged: Judged, request_id: str, *needs: Need) -> Held:
    return await judged.store.hold(request_id, needs, lease_s=LEASE_S)


async def test_grants_what_is_there_and_tells_what_is_left(judged: Judged) -> None:
    held = await hold(judged, "r1", slots(2), bucket(10, 4))

    assert held == Held(left=(1, 6))


async def test_exactly_enough_is_enough(judged: Judged) -> None:
    assert (await hold(judged, "r1", slots(1), bucket(10, 10))).denied is None
    assert (await hold(judged, "r2", slots(1))).denied == 0
    assert (await hold(judged, "r3", bucket(10))).denied == 0


async def test_names_the_first_need_that_fails(judged: Judged) -> None:
    await hold(judged, "r1", slots(1), bucket(1))

    assert (await hold(judged, "r2", slots(1), bucket(1))).denied == 0
    assert (await hold(judged, "r3", slots(9), bucket(1))).denied == 1


async def test_a_refusal_takes_nothing(judged: Judged) -> None:
    await hold(judged, "r1", bucket(1, scope="b"))

    refused = await hold(judged, "r2", slots(1), bucket(5, 5, scope="a"), bucket(1, scope="b"))

    assert (refused.denied, refused.left) == (2, ())
    assert (await hold(judged, "r3", slots(1), bucket(5, 5, scope="a"))).denied is None


async def test_asking_twice_for_a_request_takes_once(judged: Judged) -> None:
    first = await hold(judged, "r1", slots(2), bucket(10, 4))
    again = await hold(judged, "r1", slots(2), bucket(10, 4))

    assert first == again
    assert (await hold(judged, "r2", slots(2), bucket(10, 6))).denied is None


async def test_asking_twice_is_granted_though_nothing_is_left(judged: Judged) -> None:
    await hold(judged, "r1", slots(1), bucket(1))

    assert (await hold(judged, "r1", slots(1), bucket(1))).denied is None


async def test_settling_frees_the_slot_and_corrects_the_bucket(judged: Judged) -> None:
    await hold(judged, "r1", slots(1), bucket(10, 4))

    await judged.store.settle("r1", [1, 1])

    assert await hold(judged, "r2", slots(1), bucket(10, 0)) == Held(left=(0, 9))


async def test_settling_twice_books_once(judged: Judged) -> None:
    await hold(judged, "r1", slots(2), bucket(10, 4))

    await judged.store.settle("r1", [1, 6])
    await judged.store.settle("r1", [1, 6])

    assert await hold(judged, "r2", slots(2), bucket(10, 0)) == Held(left=(1, 4))


async def test_settling_a_request_nobody_knows_does_nothing(judged: Judged) -> None:
    await judged.store.settle("r9", [1, 1_000_000])

    assert (await hold(judged, "r1", slots(1), bucket(10, 10))).denied is None


async def test_a_bucket_is_never_fuller_than_full(judged: Judged) -> None:
    await hold(judged, "r1", bucket(10, 4))
    judged.wait(3600)
    await judged.store.settle("r1", [0])

    assert (await hold(judged, "r2", bucket(10, 0))).left == (10,)


async def test_what_was_used_beyond_the_hold_is_owed(judged: Judged) -> None:
    await hold(judged, "r1", bucket(60, 10))
    await judged.store.settle("r1", [100])

    refused = await hold(judged, "r2", bucket(60))

    assert (refused.denied, refused.wait_s) == (0, pytest.approx(41))
    judged.wait(40)
    assert (await hold(judged, "r2", bucket(60))).denied == 0
    judged.wait(1)
    assert (await hold(judged, "r2", bucket(60))).denied is None


async def test_a_bucket_refills_steadily(judged: Judged) -> None:
    await hold(judged, "r1", bucket(60, 60))

    judged.wait(0.5)
    assert (await hold(judged, "r2", bucket(60, 0))).left == (0,)
    judged.wait(0.5)
    assert (await hold(judged, "r3", bucket(60, 0))).left == (1,)
    judged.wait(29)
    assert (await hold(judged, "r4", bucket(60, 0))).left == (30,)


@pytest.mark.parametrize("size", [1, 3, 7, 60, 997])
@pytest.mark.parametrize("per_s", [1.0, 60.0, 86_400.0])
async def test_the_wait_that_is_told_is_enough_and_no_more_than_needed(
    judged: Judged, size: int, per_s: float
) -> None:
    for turn in range(20):
        await hold(judged, f"full {turn}", bucket(size, size, per_s=per_s))
        held = await hold(judged, f"next {turn}", bucket(size, per_s=per_s))
        assert held.wait_s is not None

        judged.wait(held.wait_s - 2e-6)
        assert (await hold(judged, f"next {turn}", bucket(size, per_s=per_s))).denied == 0
        judged.wait(2e-6)
        assert (await hold(judged, f"next {turn}", bucket(size, per_s=per_s))).denied is None
        judged.wait(per_s)


async def test_what_can_never_pass_and_what_waits_for_others_have_no_wait(judged: Judged) -> None:
    await hold(judged, "r1", slots(1))

    assert await hold(judged, "r2", slots(1)) == Held(denied=0)
    assert await hold(judged, "r3", bucket(10, 11)) == Held(denied=0)


async def test_the_end_of_a_lease_frees_a_slot(judged: Judged) -> None:
    await hold(judged, "r1", slots(1))

    judged.wait(LEASE_S - 0.001)
    assert (await hold(judged, "r2", slots(1))).denied == 0
    judged.wait(0.001)
    assert (await hold(judged, "r2", slots(1))).denied is None

    await judged.store.settle("r1", [1])
    assert (await hold(judged, "r3", slots(1))).denied == 0


async def test_scopes_are_strangers(judged: Judged) -> None:
    await hold(judged, "r1", slots(1), bucket(1))

    held = await hold(judged, "r2", slots(1, "slots/globex"), bucket(1, scope="requests/globex"))

    assert held.denied is None


async def test_a_new_size_resets_nothing(judged: Judged) -> None:
    await hold(judged, "r1", slots(3), bucket(10, 8))

    assert (await hold(judged, "r2", slots(1), bucket(20, 0))).denied == 0
    assert (await hold(judged, "r3", slots(4), bucket(20, 0))).left == (2, 2)
    assert (await hold(judged, "r4", slots(4), bucket(1, 0))).left == (1, 1)


async def test_many_at_once_get_no_more_than_there_is(judged: Judged) -> None:
    asked = [hold(judged, f"r{n}", slots(7), bucket(1000, 3, scope="t")) for n in range(100)]

    held = await asyncio.gather(*asked)

    assert sum(one.denied is None for one in held) == 7
    assert (await hold(judged, "last", bucket(1000, 0, scope="t"))).left == (1000 - 21,)


async def test_a_window_is_asked_about_before_it_counts(judged: Judged) -> None:
    assert await hold(judged, "r1", slots(1), window(10)) == Held(unknown=1)

    await judged.store.prime(window(10), 4)
    await judged.store.prime(window(10), 4)

    assert await hold(judged, "r1", slots(1), window(10, 6)) == Held(left=(0, 0))


async def test_what_is_under_way_when_a_window_begins_counts_in_it(judged: Judged) -> None:
    await judged.store.prime(window(10), 4, {"before": 3})

    assert (await hold(judged, "r1", window(10, 4))).denied == 0
    assert await hold(judged, "r1", window(10, 3)) == Held(left=(0,))


async def test_t16_a_window_never_refills_and_a_bucket_does(judged: Judged) -> None:
    await judged.store.prime(window(10), 0)
    await hold(judged, "r1", window(10, 10), bucket(10, 10))
    await judged.store.settle("r1", [10, 10])

    judged.wait(86_400)

    assert await hold(judged, "r2", bucket(10, 10)) == Held(left=(0,))
    assert await hold(judged, "r3", window(10)) == Held(denied=0, room=0)


async def test_what_is_held_of_a_window_may_come_back(judged: Judged) -> None:
    await judged.store.prime(window(10), 2)
    await hold(judged, "r1", window(10, 8))

    assert await hold(judged, "r2", window(10, 8)) == Held(denied=0, fits_later=True, room=0)
    assert await hold(judged, "r2", window(10, 9)) == Held(denied=0, room=0)

    await judged.store.settle("r1", [0])
    assert await hold(judged, "r2", window(10, 8)) == Held(left=(0,))


async def test_what_was_spent_beyond_the_hold_is_debt(judged: Judged) -> None:
    await judged.store.prime(window(10), 0)
    await hold(judged, "r1", window(10, 5))
    await judged.store.settle("r1", [12])

    assert await hold(judged, "r2", window(10, 0)) == Held(denied=0, room=-2)
    assert await hold(judged, "r2", window(20, 0)) == Held(left=(8,))


async def test_what_only_counts_refuses_nobody(judged: Judged) -> None:
    await judged.store.prime(window(10), 9)
    needs = [window(10, 5), bucket(3, 5), slots(1)]
    lenient = [replace(need, enforced=False) for need in needs]
    await hold(judged, "r1", slots(1))

    held = await hold(judged, "r2", *lenient)

    assert held == Held(left=(-4, -2, -1))
    assert (await hold(judged, "r3", window(10))).denied == 0


async def test_settling_a_window_twice_books_once(judged: Judged) -> None:
    await judged.store.prime(window(10), 0)
    await hold(judged, "r1", window(10, 5))

    await judged.store.settle("r1", [4])
    await judged.store.settle("r1", [4])

    assert (await hold(judged, "r2", window(10, 0))).left == (6,)


async def test_renewing_holds_nothing_twice(judged: Judged) -> None:
    await judged.store.prime(window(10), 0)
    await hold(judged, "r1", window(10, 5), slots(2))

    await judged.store.renew(lease_s=LEASE_S)

    assert (await hold(judged, "r2", window(10, 0), slots(2))).left == (5, 0)


class Exact:
    """The naive model: fractions, and a scan of everything for every answer."""

    def __init__(self) -> None:
        self.now = Fraction(0)
        self.leases: dict[str, dict[str, Fraction]] = {}
        self.balances: dict[str, tuple[Fraction, Fraction]] = {}
        self.spent: dict[str, int] = {}
        self.held: dict[str, Sequence[Need]] = {}

    def hold(self, request_id: str, needs: Sequence[Need]) -> tuple[int | None, Fraction | None]:
        if request_id in self.held:
            return None, None
        for index, need in enumerate(needs):
            if self.left(need) < need.amount:
                return index, self.wait(need)
        for need in needs:
            if need.kind == "slots":
                self.leases[need.scope][request_id] = self.now + Fraction(LEASE_S)
            elif need.kind == "bucket":
                self.balances[need.scope] = (self.left(need) - need.amount, self.now)
        self.held[request_id] = needs
        return None, None

    def settle(self, request_id: str, actual: Sequence[int]) -> None:
        for need, used in zip(self.held.pop(request_id, ()), actual, strict=False):
            if need.kind == "slots":
                self.leases[need.scope].pop(request_id, None)
            elif need.kind == "window":
                self.spent[need.scope] += used
            elif used != need.amount:
                self.balances[need.scope] = (self.left(need) + need.amount - used, self.now)

    def left(self, need: Need) -> Fraction:
        if need.kind == "slots":
            running = self.leases.setdefault(need.scope, {})
            for request_id in [one for one, end in running.items() if end <= self.now]:
                del running[request_id]
            return Fraction(need.size - len(running))
        if need.kind == "window":
            holds = [it.amount for held in self.held.values() for it in held if it.kind == "window"]
            return Fraction(need.size - self.spent[need.scope] - sum(holds))
        balance, seen = self.balances.get(need.scope, (Fraction(need.size), self.now))
        gained = (self.now - seen) * need.size / Fraction(need.per_s)
        return min(Fraction(need.size), balance + gained)

    def wait(self, need: Need) -> Fraction | None:
        if need.kind != "bucket" or need.amount > need.size:
            return None
        return (need.amount - self.left(need)) * Fraction(need.per_s) / need.size


REQUESTS = st.integers(0, 7)


def agree(
    held: Held, needs: Sequence[Need], model: Exact, denied: int | None, wait: Fraction | None
) -> None:
    """Insist that a store answered as the model did."""
    assert held.denied == denied
    if wait is None:
        assert held.wait_s is None
    else:
        assert held.wait_s is not None
        assert wait - Fraction(1, 10**9) <= held.wait_s <= wait + Fraction(2, 10**6)
    if denied is None:
        assert held.left == tuple(int(model.left(need) // 1) for need in needs)


def machine(make: Make, server: RedisServer | None) -> type[RuleBasedStateMachine]:
    """Make a machine that plays the same moves on a store and on the model."""

    class Limits(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.runner, self.model = asyncio.Runner(), Exact()
            self.making = make(server)
            self.judged = self.runner.run(self.making.__aenter__())
            self.runner.run(self.judged.store.prime(window(0), 500))
            self.model.spent["spend/acme"] = 500
            self.turns = Counter[int]()

        @rule(
            number=REQUESTS,
            parallel=st.integers(1, 3),
            per_minute=st.integers(1, 90),
            tokens=st.integers(0, 700),
            budget=st.integers(0, 4000),
            money=st.integers(0, 900),
        )
        def hold(
            self,
            *,
            number: int,
            parallel: int,
            per_minute: int,
            tokens: int,
            budget: int,
            money: int,
        ) -> None:
            needs = [
                slots(parallel),
                bucket(per_minute),
                bucket(600, tokens, per_s=7.0, scope="tokens/acme"),
                window(budget, money),
            ]

            held = self.runner.run(hold(self.judged, self.name(number), *needs))

            agree(held, needs, self.model, *self.model.hold(self.name(number), needs))

        @rule(number=REQUESTS, used=st.integers(0, 2000), cost=st.integers(0, 2000))
        def settle(self, number: int, used: int, cost: int) -> None:
            self.runner.run(self.judged.store.settle(self.name(number), [1, 1, used, cost]))
            self.model.settle(self.name(number), [1, 1, used, cost])
            self.turns[number] += 1

        def name(self, number: int) -> str:
            """Name a request; no name is used again once it was settled."""
            return f"r{number}.{self.turns[number]}"

        @rule(passed_ms=st.integers(0, 90_000))
        def wait(self, passed_ms: int) -> None:
            self.judged.wait(passed_ms / 1000)
            self.model.now += Fraction(passed_ms, 1000)

        def teardown(self) -> None:
            self.runner.run(self.making.__aexit__(None, None, None))
            self.runner.close()

    return Limits


def test_agrees_with_exact_fractions_whatever_happens(
    implementation: tuple[Make, RedisServer | None],
) -> None:
    run_state_machine_as_test(
        machine(*implementation),
        settings=settings(max_examples=40, stateful_step_count=30, derandomize=True, deadline=None),
    )
