"""A Redis for the tests of a folder, empty before each."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator

import pytest
from tests.services import RedisServer, kept, running_redis

from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> Generator[RedisServer]:
    running.command("FLUSHALL")
    yield running
    if running.process.poll() is not None:
        running.restart()


async def until(look: Callable[[], bool], what: str) -> None:
    """Wait for something to come true."""
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"waited in vain: {what}")


@pytest.fixture
async def redis(server: RedisServer) -> AsyncGenerator[Redis]:
    made = Redis(parse(server.url), patience_s=2.0)
    async with kept(made):
        yield made
