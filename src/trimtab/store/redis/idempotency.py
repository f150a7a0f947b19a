"""Idempotency keys where all workers see them: in a Redis, sealed under each tenant's key."""

import hmac
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trimtab.domain.errors import LimitsUnavailable
from trimtab.domain.ids import Entropy
from trimtab.store.base.idempotency import Claim
from trimtab.store.redis.connection import Answer, Argument, Redis, RedisAway

NONCE_BYTES = 12

# A value begins with the request that has the key and whether it runs (0) or ended (1).
_KEEP = """
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, #ARGV[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
"""
_FREE = """
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, #ARGV[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

_claim = msgspec.msgpack.Decoder(Claim)


class RedisIdempotency:
    """`store.base.IdempotencyStore` in a Redis. Without it no key is taken: none could be kept."""

    def __init__(self, redis: Redis, tenant_key: Callable[[str], bytes], entropy: Entropy) -> None:
        """Use a connection that somebody keeps.

        Args:
            redis: The connection.
            tenant_key: Gives the key of a tenant, 32 bytes.
            entropy: Makes nonces.
        """
        self._redis = redis
        self._tenant_key = tenant_key
        self._entropy = entropy

    async def claim(self, key: str, claim: Claim, *, lease_s: float) -> Claim | None:
        """See `IdempotencyStore.claim`. Raises `LimitsUnavailable`: the Redis is away."""
        value = self._sealed(key, claim)
        found = await self._ask("SET", _name(key), value, "NX", "GET", "PX", _ms(lease_s))
        if found is None or found.startswith(_running(claim.request_id)):
            return None
        return self._opened(key, found)

    async def keep(self, key: str, claim: Claim, *, for_s: float) -> None:
        """See `IdempotencyStore.keep`. Raises `LimitsUnavailable`: the Redis is away."""
        running, value = _running(claim.request_id), self._sealed(key, claim)
        await self._ask("EVAL", _KEEP, 1, _name(key), running, value, _ms(for_s))

    async def free(self, key: str, request_id: str) -> None:
        """See `IdempotencyStore.free`. Raises `LimitsUnavailable`: the Redis is away."""
        await self._ask("EVAL", _FREE, 1, _name(key), _running(request_id))

    async def _ask(self, *command: Argument) -> bytes | None:
        try:
            answer: Answer = self._redis.send(*command)
            found: bytes | None = await answer
        except RedisAway as exc:
            raise LimitsUnavailable(
                "idempotency keys are kept where all workers see them, and that is away; try again",
                wait_s=1.0,
            ) from exc
        return found

    def _sealed(self, key: str, claim: Claim) -> bytes:
        nonce = self._entropy(NONCE_BYTES)
        mark = b"%s\n%d" % (claim.request_id.encode(), claim.done)
        sealed = self._cipher(key).encrypt(nonce, msgspec.msgpack.encode(claim), key.encode())
        return mark + nonce + sealed

    def _opened(self, key: str, value: bytes) -> Claim:
        start = value.index(b"\n") + 2
        nonce, sealed = value[start : start + NONCE_BYTES], value[start + NONCE_BYTES :]
        try:
            return _claim.decode(self._cipher(key).decrypt(nonce, sealed, key.encode()))
        except (InvalidTag, msgspec.DecodeError) as exc:
            raise LimitsUnavailable(
                "what this idempotency key stands for cannot be read; give all hosts one site.key",
            ) from exc

    def _cipher(self, key: str) -> AESGCM:
        tenant_id, _, _ = key.partition("/")
        return AESGCM(hmac.digest(self._tenant_key(tenant_id), b"idempotency", "sha256"))


def _running(request_id: str) -> bytes:
    return request_id.encode() + b"\n0"


def _name(key: str) -> str:
    tenant_id, _, name = key.partition("/")
    return f"tt:{{{tenant_id}}}:once:{name}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
