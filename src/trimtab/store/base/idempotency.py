"""What answers to repeated requests are kept in."""

from typing import Protocol

from msgspec import Struct


class Claim(Struct, frozen=True, kw_only=True):
    """Which request has an idempotency key, and what came of it.

    Attributes:
        asked: Hash of what it asked for.
        done: Whether it was carried out.
        answer: What it was answered, if that can be given again.
    """

    request_id: str
    asked: bytes
    done: bool = False
    answer: bytes | None = None


class IdempotencyStore(Protocol):
    """Keys under which callers send a request, perhaps more than once."""

    async def claim(self, key: str, claim: Claim, *, lease_s: float) -> Claim | None:
        """Take a key; if another request has it, give that one's claim and change nothing.

        Who does not say how it ended has the key for as long as the lease.
        """
        ...

    async def keep(self, key: str, claim: Claim, *, for_s: float) -> None:
        """Say what came of the request that has a key; nothing happens if it has it no more."""
        ...

    async def free(self, key: str, request_id: str) -> None:
        """Give a key back, if that request still has it."""
        ...
