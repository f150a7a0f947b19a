"""A gateway that is called no faster than it can take, and no longer than money lasts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.domain.clock import Clock
from trimtab.domain.errors import IdempotencyInFlight, UpstreamFailed
from trimtab.evals.calling import (
    AWAY,
    CONFLICT,
    JUDGE,
    OK,
    PAYMENT_REQUIRED,
    TOO_MANY,
    UNAUTHENTICATED,
    Gateway,
    Reply,
)
from trimtab.evals.purse import Purse
from trimtab.evals.result import Stop
from trimtab.evals.throttle import Sleep, Throttle

TRIES, TRIES_LATER = 4, 12
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
NO_KEY = frozenset({"provider_auth"})


class Failure(Struct, frozen=True):
    """The error of a gateway's answer."""

    code: str = "unknown"
    message: str = ""


class _Failed(Struct, frozen=True):
    error: Failure = Failure()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """See `Gateway`. What came too fast, or met nobody, is tried again.

    Attributes:
        paid: Told of what each call of a judge cost.
    """

    gateway: Gateway
    throttle: Throttle
    purse: Purse
    clock: Clock
    random: Random
    sleep: Sleep = asyncio.sleep
    paid: Callable[[int | None], None] = field(default=lambda _nano: None)

    async def call(self, path: str, body: bytes, *, place: str) -> Reply:
        """See `Gateway.call`."""
        tried = 0
        while True:
            tried += 1
            reply = await self._once(path, body, place, last=tried >= TRIES)
            waits = reply is not None and reply.status in {TOO_MANY, CONFLICT}
            if reply is not None and (
                not _again(reply) or tried >= (TRIES_LATER if waits else TRIES)
            ):
                self._heed(reply)
                return reply
            asked_s = None if reply is None else reply.retry_after_s
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (tried - 1))
            await self.sleep(wait_s * self.random.uniform(0.5, 1) if asked_s is None else asked_s)

    async def _once(self, path: str, body: bytes, place: str, *, last: bool) -> Reply | None:
        async with self.throttle.slot() as slot:
            self.purse.check()
            started_s = self.clock.monotonic_s()
            try:
                reply = await self.gateway.call(path, body, place=place)
            except UpstreamFailed:
                if last:
                    self.purse.missed()
                    raise
                return None
            if reply.status == TOO_MANY:
                self.throttle.limited(slot, reply.retry_after_s)
            elif reply.status == OK:
                self.throttle.good()
            if reply.status == OK or reply.cost_nano:
                self._pay(reply, place)
            return replace(reply, latency_s=self.clock.monotonic_s() - started_s)

    def _pay(self, reply: Reply, place: str) -> None:
        judging = place.split("/")[2] == JUDGE
        self.purse.pay(reply.cost_nano, judging=judging)
        if judging:
            self.paid(reply.cost_nano)

    def _heed(self, reply: Reply) -> None:
        """Tell what an answer means for the rest of the run."""
        if reply.status == UNAUTHENTICATED or failure(reply).code in NO_KEY:
            self.purse.stop(Stop.NO_CREDENTIALS)
        elif reply.status == PAYMENT_REQUIRED:
            self.purse.stop(Stop.BUDGET)
        elif _again(reply):
            self.purse.missed()
        else:
            self.purse.answered()


def failure(reply: Reply) -> Failure:
    """Read the error of an answer; `unknown` if it tells none."""
    if reply.status == OK:
        return Failure()
    try:
        return msgspec.json.decode(reply.body, type=_Failed, strict=False).error
    except (msgspec.DecodeError, UnicodeError):
        return Failure(code=f"status_{reply.status}")


def _again(reply: Reply) -> bool:
    if reply.status == TOO_MANY:
        return True
    if reply.status == CONFLICT:
        return failure(reply).code == IdempotencyInFlight.code
    return reply.status in AWAY and failure(reply).code not in NO_KEY
