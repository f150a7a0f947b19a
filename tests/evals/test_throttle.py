import asyncio
from contextlib import suppress

from trimtab.evals.throttle import Throttle
from trimtab.testing import FrozenClock


async def hold(throttle: Throttle, seen: list[int], gate: asyncio.Event) -> None:
    async with throttle.slot() as slot:
        seen.append(slot)
        await gate.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_run_at_once_than_may_and_the_others_follow_in_order() -> None:
    throttle, order, gate = Throttle(3, FrozenClock()), list[int](), asyncio.Event()

    async def one(number: int) -> None:
        async with throttle.slot():
            order.append(number)
            await gate.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            _ = group.create_task(one(number))
        await settle()
        before = list(order)
        gate.set()

    assert before == [0, 1, 2]
    assert order == list(range(8))


async def test_429_halves_it_once_for_all_that_began_before() -> None:
    throttle = Throttle(16, FrozenClock())

    async with throttle.slot() as one, throttle.slot() as two:
        throttle.limited(one, None)
        throttle.limited(two, None)
    after = throttle.limit
    async with throttle.slot() as later:
        throttle.limited(later, None)

    assert (after, throttle.limit) == (8, 4)


async def test_it_never_falls_below_one() -> None:
    throttle = Throttle(2, FrozenClock())

    for _ in range(5):
        async with throttle.slot() as slot:
            throttle.limited(slot, None)

    assert throttle.limit == 1


async def test_twenty_good_calls_add_one_up_to_where_it_began() -> None:
    throttle = Throttle(4, FrozenClock())
    async with throttle.slot() as slot:
        throttle.limited(slot, None)

    seen = list[int]()
    for _ in range(60):
        throttle.good()
        seen.append(throttle.limit)

    assert [seen[it] for it in (18, 19, 38, 39, 59)] == [2, 3, 3, 4, 4]


async def test_a_429_forgets_the_good_calls_before_it() -> None:
    throttle = Throttle(4, FrozenClock())
    for _ in range(19):
        throttle.good()
    async with throttle.slot() as slot:
        throttle.limited(slot, None)

    throttle.good()

    assert throttle.limit == 2


async def test_nobody_begins_before_the_wait_is_over() -> None:
    clock, slept = FrozenClock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    throttle = Throttle(4, clock, sleep)
    async with throttle.slot() as slot:
        throttle.limited(slot, 7.0)
    async with throttle.slot():
        pass

    assert slept == [7.0]


async def test_it_waits_five_minutes_at_most() -> None:
    clock, slept = FrozenClock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    throttle = Throttle(4, clock, sleep)
    async with throttle.slot() as slot:
        throttle.limited(slot, 86_400.0)
    async with throttle.slot():
        pass

    assert slept == [300.0]


async def test_who_gives_up_while_waiting_leaves_no_gap() -> None:
    throttle, seen, gate = Throttle(1, FrozenClock()), list[int](), asyncio.Event()
    first, second, third = (asyncio.create_task(hold(throttle, seen, gate)) for _ in range(3))
    await settle()

    second.cancel()
    with suppress(asyncio.CancelledError):
        await second
    gate.set()
    await asyncio.gather(first, third)

    assert len(seen) == 2
    async with asyncio.timeout(1), throttle.slot():
        pass


async def test_who_is_cancelled_in_the_moment_of_his_turn_gives_it_on() -> None:
    throttle, seen, gate = Throttle(1, FrozenClock()), list[int](), asyncio.Event()
    first = asyncio.create_task(hold(throttle, seen, gate))
    second = asyncio.create_task(hold(throttle, seen, gate))
    await settle()

    gate.set()
    await first
    second.cancel()
    with suppress(asyncio.CancelledError):
        await second

    async with asyncio.timeout(1), throttle.slot():
        pass
