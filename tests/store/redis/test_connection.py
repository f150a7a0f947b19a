import asyncio
import logging
import signal

import pytest
from tests.services import RedisServer, kept, nothing
from tests.store.redis.conftest import until

from trimtab.store.redis.address import Address, parse
from trimtab.store.redis.connection import Redis, RedisAway, RedisRefused

BOB = {"user": "bob", "password": "hunter2"}


async def test_answers_come_in_the_order_of_the_questions(redis: Redis) -> None:
    answers = [redis.send("INCR", "n") for _ in range(500)]

    assert await asyncio.gather(*answers) == list(range(1, 501))


async def test_a_refused_command_harms_no_other(redis: Redis) -> None:
    wrong, right = redis.send("NONSENSE"), redis.send("PING")

    with pytest.raises(RedisRefused, match="unknown command"):
        await wrong
    assert await right == b"PONG"


async def test_a_cancelled_question_takes_no_answer_from_the_next(redis: Redis) -> None:
    gone, stays = redis.send("ECHO", "gone"), redis.send("ECHO", "stays")

    gone.cancel()

    assert await stays == b"stays"


async def test_logs_in_and_chooses_the_database(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "bob", "on", ">hunter2", "~*", "+@all")
    at = parse(server.url)._replace(**BOB, database=3)
    redis = Redis(at)

    async with kept(redis):
        assert await redis.send("ACL", "WHOAMI") == b"bob"
        assert b"db=3" in await redis.send("CLIENT", "INFO")


async def test_a_wrong_password_is_told_once_and_not_repeated(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis = Redis(parse(server.url)._replace(**{**BOB, "password": "wrong-secret"}))

    with caplog.at_level(logging.WARNING):
        async with kept(redis):
            await asyncio.sleep(0.6)

    assert not redis.is_up
    [line] = caplog.messages
    assert "WRONGPASS" in line
    assert "wrong-secret" not in line


async def test_is_away_at_once_when_nobody_listens() -> None:
    redis = Redis(Address(path="/nonexistent/redis.sock"))

    async with kept(redis):
        with pytest.raises(RedisAway):
            redis.send("PING")


async def test_gives_up_on_a_redis_that_stands_still_and_comes_back_with_it(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis = Redis(parse(server.url))
    async with kept(redis):
        server.process.send_signal(signal.SIGSTOP)
        try:
            asked = [redis.send("INCR", "n") for _ in range(3)]
            given_up = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(it, RedisAway) for it in given_up)
            await until(lambda: not redis.is_up, "it counts as away")
        finally:
            server.process.send_signal(signal.SIGCONT)
        await until(lambda: redis.is_up, "it is back")
        assert await redis.send("PING") == b"PONG"

    assert len([line for line in caplog.messages if "is away" in line]) == 1


async def test_a_late_answer_is_nobodys(server: RedisServer) -> None:
    redis = Redis(parse(server.url))
    async with kept(redis):
        slow = redis.send("BLPOP", "empty", "0.1")
        with pytest.raises(RedisAway):
            await slow
        await asyncio.sleep(0.1)

        assert await redis.send("ECHO", "mine") == b"mine"


async def test_whoever_waits_is_told_that_the_redis_died(server: RedisServer) -> None:
    redis = Redis(parse(server.url), patience_s=5.0)
    async with kept(redis):
        waiting = redis.send("BLPOP", "empty", "0")
        server.kill()
        with pytest.raises(RedisAway):
            await waiting


async def test_something_that_is_no_redis_counts_as_away() -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(babble, "127.0.0.1", 0)
    redis = Redis(Address(port=other.sockets[0].getsockname()[1]))
    async with other, kept(redis, nothing):
        assert not redis.is_up
