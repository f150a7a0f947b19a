"""What every `store.base.IdempotencyStore` must do."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

import pytest
from tests.services import RedisServer, kept, running_redis

from trimtab.store.base.idempotency import Claim, IdempotencyStore
from trimtab.store.memory.idempotency import MemoryIdempotency
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.idempotency import RedisIdempotency
from trimtab.testing import FrozenClock, seeded_entropy

FOR_S = 60.0
KEY = "acme/1"
FIRST = Claim(request_id="r_1", asked=b"hi")
SECOND = Claim(request_id="r_2", asked=b"hi")
ANSWERED = Claim(request_id="r_1", asked=b"hi", done=True, answer=b"hello")


class Judged(NamedTuple):
    """A store, and what lets its time pass."""

    store: IdempotencyStore
    wait: Callable[[float], None]


@asynccontextmanager
async def memory(_: RedisServer | None) -> AsyncGenerator[Judged]:
    clock = FrozenClock()
    yield Judged(MemoryIdempotency(clock), clock.advance)


@asynccontextmanager
async def in_redis(server: RedisServer | None) -> AsyncGenerator[Judged]:
    assert server is not None
    server.command("FLUSHALL")
    redis = Redis(parse(server.url), patience_s=5.0)
    async with kept(redis):
        store = RedisIdempotency(redis, lambda tenant: tenant.encode(), seeded_entropy())
        yield Judged(store, server.age)


Make = Callable[[RedisServer | None], AbstractAsyncContextManager[Judged]]

IMPLEMENTATIONS: Mapping[str, Make] = {"memory": memory, "redis": in_redis}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=IMPLEMENTATIONS)
async def judged(request: pytest.FixtureRequest) -> AsyncGenerator[Judged]:
    server = None if request.param == "memory" else request.getfixturevalue("server")
    async with IMPLEMENTATIONS[request.param](server) as judged:
        yield judged


async def claim(judged: Judged, claim: Claim, key: str = KEY) -> Claim | None:
    return await judged.store.claim(key, claim, lease_s=FOR_S)


async def keep(judged: Judged, claim: Claim, key: str = KEY) -> None:
    await judged.store.keep(key, claim, for_s=FOR_S)


async def test_a_key_belongs_to_who_comes_first(judged: Judged) -> None:
    assert await claim(judged, FIRST) is None

    assert await claim(judged, SECOND) == FIRST


async def test_of_many_at_once_one_is_the_first(judged: Judged) -> None:
    claims = [Claim(request_id=f"r_{n}", asked=b"hi") for n in range(50)]

    found = await asyncio.gather(*[claim(judged, it) for it in claims])

    assert found.count(None) == 1
    first = claims[found.index(None)]
    assert {it.request_id for it in found if it} == {first.request_id}


async def test_claiming_twice_for_a_request_answers_the_same(judged: Judged) -> None:
    assert await claim(judged, FIRST) is None
    assert await claim(judged, FIRST) is None


async def test_keys_are_apart(judged: Judged) -> None:
    assert await claim(judged, FIRST) is None
    assert await claim(judged, SECOND, "globex/1") is None


async def test_what_came_of_the_first_is_told_to_the_second(judged: Judged) -> None:
    await claim(judged, FIRST)
    await keep(judged, ANSWERED)

    assert await claim(judged, SECOND) == ANSWERED
    assert await claim(judged, SECOND) == ANSWERED


async def test_an_answer_may_be_empty_or_none_at_all(judged: Judged) -> None:
    for number, answer in enumerate((b"", None)):
        ended = Claim(request_id="r_1", asked=b"hi", done=True, answer=answer)
        await claim(judged, FIRST, f"acme/{number}")
        await keep(judged, ended, f"acme/{number}")

        assert await claim(judged, SECOND, f"acme/{number}") == ended


async def test_a_key_given_back_is_anybodys(judged: Judged) -> None:
    await claim(judged, FIRST)
    await judged.store.free(KEY, "r_1")

    assert await claim(judged, SECOND) is None


async def test_nobody_gives_back_or_ends_what_is_not_theirs(judged: Judged) -> None:
    await claim(judged, FIRST)

    await judged.store.free(KEY, "r_2")
    await keep(judged, Claim(request_id="r_2", asked=b"hi", done=True))

    assert await claim(judged, SECOND) == FIRST


async def test_what_was_carried_out_is_not_given_back(judged: Judged) -> None:
    await claim(judged, FIRST)
    await keep(judged, ANSWERED)

    await judged.store.free(KEY, "r_1")

    assert await claim(judged, SECOND) == ANSWERED


async def test_who_died_has_a_key_no_longer_than_its_lease(judged: Judged) -> None:
    await claim(judged, FIRST)
    judged.wait(FOR_S - 1)
    assert await claim(judged, SECOND) == FIRST

    judged.wait(1)

    assert await claim(judged, SECOND) is None
    await keep(judged, ANSWERED)
    third = Claim(request_id="r_3", asked=b"hi")
    assert await claim(judged, third) == SECOND


async def test_what_was_carried_out_is_kept_from_its_end_on_and_then_forgotten(
    judged: Judged,
) -> None:
    await claim(judged, FIRST)
    judged.wait(FOR_S - 1)
    await keep(judged, ANSWERED)
    judged.wait(FOR_S - 1)
    assert await claim(judged, SECOND) == ANSWERED

    judged.wait(1)

    assert await claim(judged, SECOND) is None
