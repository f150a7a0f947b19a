import pytest
from tests.services import RedisServer

from trimtab.domain.errors import LimitsUnavailable
from trimtab.store.base.idempotency import Claim
from trimtab.store.redis.address import Address
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.idempotency import RedisIdempotency
from trimtab.testing import seeded_entropy

FOR_S = 60.0
CLAIM = Claim(request_id="r_1", asked=b"hash")


def store(redis: Redis, site: bytes = b"site") -> RedisIdempotency:
    return RedisIdempotency(redis, lambda tenant: site + tenant.encode(), seeded_entropy())


async def test_an_answer_is_not_readable_in_the_redis(redis: Redis, server: RedisServer) -> None:
    keys = store(redis)
    await keys.claim("acme/1", CLAIM, lease_s=FOR_S)
    ended = Claim(request_id="r_1", asked=b"hash", done=True, answer=b"the secret answer")
    await keys.keep("acme/1", ended, for_s=FOR_S)

    kept = server.command("GET", "tt:{acme}:once:1")

    assert b"r_1" in kept
    assert b"secret" not in kept


async def test_an_answer_opens_under_its_own_name_and_site_only(redis: Redis) -> None:
    keys = store(redis)
    await keys.claim("acme/1", CLAIM, lease_s=FOR_S)
    moved = await redis.send("GET", "tt:{acme}:once:1")
    await redis.send("SET", "tt:{globex}:once:1", moved)
    other = Claim(request_id="r_2", asked=b"hash")

    assert await keys.claim("acme/1", other, lease_s=FOR_S) == CLAIM
    for reader, name in ((keys, "globex/1"), (store(redis, b"other"), "acme/1")):
        with pytest.raises(LimitsUnavailable, match=r"site\.key"):
            await reader.claim(name, other, lease_s=FOR_S)


async def test_without_the_redis_no_key_is_taken() -> None:
    keys = store(Redis(Address(path="/nonexistent")))

    with pytest.raises(LimitsUnavailable, match="try again"):
        await keys.claim("acme/1", CLAIM, lease_s=FOR_S)
