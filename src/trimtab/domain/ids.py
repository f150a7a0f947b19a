"""Identifiers: typed for the checker, prefixed and time-ordered for people.

A request id is a ULID (https://github.com/ulid/spec): 48 bits of milliseconds, then 80 random
bits, in Crockford's base 32. Its milliseconds are those of the record, so the id finds the day.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import NewType

TenantId = NewType("TenantId", str)
KeyId = NewType("KeyId", str)
RequestId = NewType("RequestId", str)
TraceId = NewType("TraceId", str)
SpanId = NewType("SpanId", str)

Entropy = Callable[[int], bytes]
"""Gives that many random bytes; `os.urandom` in the product, a seeded source in tests."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}
_ULID_LENGTH = 26
_SHIFTS = tuple(range(120, -1, -10))


def request_id(now_us: int, entropy: Entropy) -> RequestId:
    """Make the id of a request admitted at that instant."""
    return RequestId("r_" + ulid(now_us // 1000, entropy))


def ulid(unix_ms: int, entropy: Entropy) -> str:
    """Make a ULID of a Unix time in milliseconds and ten random bytes."""
    value = unix_ms << 80 | int.from_bytes(entropy(10))
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def ulid_ms(identifier: str) -> int | None:
    """Read the Unix milliseconds from a prefixed ULID; `None` if it is not one."""
    text = identifier.rpartition("_")[2].upper()
    if len(text) != _ULID_LENGTH or not all(char in _VALUES for char in text):
        return None
    value = 0
    for char in text[:10]:
        value = value << 5 | _VALUES[char]
    return value


def trace_id(now_us: int, entropy: Entropy) -> TraceId:
    """Make a W3C trace id: 48 bits of milliseconds, then 80 random bits, as bare hex.

    The low 56 bits are random, as trace context level 2 asks of ids with the `random` flag.
    """
    return TraceId(f"{now_us // 1000:012x}{entropy(10).hex()}")


def span_id(request: str, path: str) -> SpanId:
    """Derive a span's id from its request and its path, so that sending it twice is harmless."""
    return SpanId(sha256(f"{request}/{path}".encode()).hexdigest()[:16])


def user_hash(tenant_key: bytes, end_user: str) -> str:
    """Hash an end user's id under the key of the tenant, as records carry it: 32 hex digits."""
    return hmac.digest(tenant_key, end_user.encode(), "sha256").hex()[:32]
