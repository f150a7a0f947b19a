import asyncio

import pytest

from trimtab.evals.flight import SingleFlight
from trimtab.evals.judging import Fault, JudgeError


async def test_what_many_want_at_once_is_made_once() -> None:
    flight, made = SingleFlight[int](), list[int]()

    async def make() -> int:
        await asyncio.sleep(0)
        made.append(1)
        return len(made)

    got = await asyncio.gather(*(flight.once("a", make) for _ in range(5)))

    assert (got, made, "a" in flight) == ([1] * 5, [1], False)
    assert await flight.once("a", make) == 2


async def test_all_who_wait_get_the_same_error() -> None:
    flight, tries = SingleFlight[int](), list[int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        tries.append(1)
        raise JudgeError(Fault.REFUSED, "no")

    got = await asyncio.gather(*(flight.once("a", fail) for _ in range(3)), return_exceptions=True)

    assert [str(it) for it in got] == ["no"] * 3
    assert tries == [1]


async def test_when_the_one_who_makes_it_is_cancelled_the_next_makes_it() -> None:
    flight, begun = SingleFlight[str](), asyncio.Event()

    async def never() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    async def make() -> str:
        return "made"

    first = asyncio.create_task(flight.once("a", never))
    await begun.wait()
    second = asyncio.create_task(flight.once("a", make))
    await asyncio.sleep(0)
    _ = first.cancel()

    assert await second == "made"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_who_waits_and_gives_up_takes_nothing_from_the_others() -> None:
    flight, begun, go = SingleFlight[str](), asyncio.Event(), asyncio.Event()

    async def make() -> str:
        begun.set()
        await go.wait()
        return "made"

    first = asyncio.create_task(flight.once("a", make))
    await begun.wait()
    second = asyncio.create_task(flight.once("a", make))
    await asyncio.sleep(0)
    _ = second.cancel()
    go.set()

    assert await first == "made"
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_bug_is_nobody_elses() -> None:
    flight = SingleFlight[str]()

    async def broken() -> str:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def make() -> str:
        return "made"

    first = asyncio.create_task(flight.once("a", broken))
    await asyncio.sleep(0)

    assert await flight.once("a", make) == "made"
    with pytest.raises(ZeroDivisionError):
        await first
