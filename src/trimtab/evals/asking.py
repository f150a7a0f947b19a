"""Calls that are sent again where another try may help, and become a `JudgeError` where not."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from msgspec import Struct

from trimtab.domain.errors import FIRST_ERROR_STATUS, TrimtabError, UpstreamFailed
from trimtab.evals.calling import AWAY, TOO_MANY, Gateway, Reply
from trimtab.evals.judging import Fault, JudgeError

Sleep = Callable[[float], Awaitable[object]]

RETRIES = 3
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 120.0

_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, TOO_MANY})
_PACED = frozenset({TOO_MANY, *AWAY})
_FILTERS = frozenset({"content_filter", "content_policy_violation"})


class _Error(Struct, frozen=True):
    code: str | None = None
    message: str = ""


class _Body(Struct, frozen=True):
    error: _Error = _Error()


class _Again(Exception):
    """Another try may help."""

    def __init__(self, fault: JudgeError, after_s: float = 0.0) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Asking:
    """Sends the calls of judging.

    Attributes:
        paced: Whether the gateway itself sends again what came too fast or met nobody.
    """

    gateway: Gateway
    chance: random.Random
    sleep: Sleep
    paced: bool = False

    async def send(self, path: str, body: bytes, place: str) -> Reply:
        """Send a call until it is answered: once, and again if that may help.

        Raises:
            JudgeError: there is no answer.
        """
        tries = 0
        while True:
            try:
                return await self._once(path, body, place)
            except _Again as exc:
                if tries == RETRIES or exc.after_s > LONGEST_WAIT_S:
                    raise exc.fault from exc
                wait_s = FIRST_WAIT_S * 2**tries * self.chance.uniform(0.5, 1.5)
                await self.sleep(max(wait_s, exc.after_s))
            tries += 1

    async def _once(self, path: str, body: bytes, place: str) -> Reply:
        try:
            reply = await self.gateway.call(path, body, place=place)
        except TrimtabError as exc:
            fault = JudgeError(Fault.UNAVAILABLE, f"{exc.code}: {exc}")
            if isinstance(exc, UpstreamFailed) and not self.paced:
                raise _Again(fault) from exc
            raise fault from exc
        if reply.status < FIRST_ERROR_STATUS:
            return reply
        fault = _fault(reply)
        passing = reply.status in _AGAIN or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if passing and not (self.paced and reply.status in _PACED):
            raise _Again(fault, reply.retry_after_s or 0.0)
        raise fault


def _fault(reply: Reply) -> JudgeError:
    try:
        error = msgspec.json.decode(reply.body, type=_Body).error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        error = _Error()
    kind = Fault.REFUSED if error.code in _FILTERS else Fault.UNAVAILABLE
    what = error.message or "the judge does not answer"
    return JudgeError(kind, f"{reply.status} {error.code or 'error'}: {what}")
