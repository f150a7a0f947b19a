"""The request path. There is no other way to a provider, and every way through it settles."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from trimtab.domain.clock import Clock
from trimtab.domain.errors import Draining, TrimtabError
from trimtab.domain.model import Wire
from trimtab.domain.transport import TransportError
from trimtab.pipeline.admit import Admit, Identify
from trimtab.pipeline.call import Answered, Call
from trimtab.pipeline.compose import Compose
from trimtab.pipeline.enrol import Enrol
from trimtab.pipeline.estimate import estimated_count
from trimtab.pipeline.fund import Fund
from trimtab.pipeline.handoff import Identified, Request
from trimtab.pipeline.journey import Journey
from trimtab.pipeline.once import Once
from trimtab.pipeline.plan import Plan
from trimtab.pipeline.recall import Recall
from trimtab.pipeline.relay import Relay
from trimtab.pipeline.reply import Reply, facts_of
from trimtab.pipeline.screen import Checked, ScreenInput, ScreenOutput
from trimtab.pipeline.settle import Settle
from trimtab.pipeline.switch import Switch

HTTP_OK = 200
READ_ON_S = 5.0

Shown = TypeVar("Shown")

log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Answer requests, in one straight line.

    Attributes:
        enrol: Makes a tenant that a key may make, before the request that names it runs.
        http_status: The status an error has on a wire.
        renew: Looks for changes if the process slept.
    """

    enrol: Enrol
    identify: Identify
    compose: Compose
    switch: Switch
    admit: Admit
    once: Once
    recall: Recall
    plan: Plan
    screen: ScreenInput
    fund: Fund
    call: Call
    check: ScreenOutput
    relay: Relay
    settle: Settle
    http_status: Callable[[TrimtabError, Wire], int]
    clock: Clock
    renew: Callable[[], Awaitable[None]]

    # The path is one piece to read, and its stages are as many as they are.
    async def __call__(self, request: Request, reply: Reply) -> None:  # noqa: PLR0915
        """Answer one request. Never raises: every failure is told to the caller and recorded."""
        journey = Journey(request, self.clock)
        answered, checked, terminal, failure = None, None, b"", None
        try:
            await self.renew()
            journey.identified = identified = self.identify(request)
            composed, journey.prompt = self.compose(identified)
            journey.identified, journey.request = composed, composed.request
            admitted = self.admit(composed)
            self.switch.enter(journey)
            journey.passed("admit")
            journey.earlier = await self.once(admitted, journey)
            if journey.earlier is None:
                tenant, before = admitted.grant.tenant, request.previous
                made = await self.recall(tenant.id, before) if before else None
                journey.planned = planned = self.plan(admitted, made)
                journey.passed("plan")
                journey.screened = screened = await self.screen(planned)
                journey.passed("screen_input")
                journey.funded = funded = await self.fund(screened)
                journey.planned = planned = funded.screened.planned
                journey.passed("fund")
                if planned.routes:
                    answered = await self.call(funded, journey)
                    checked = await self.check(answered)
                    terminal = await self.relay(checked, journey, reply)
                else:
                    journey.estimate = estimated_count(funded)
        except TrimtabError as error:
            failure = error
        except asyncio.CancelledError:
            failure = _broken_off(journey, answered)
        # Here and in `_end` a bug becomes an answer: it must still settle.
        except Exception:
            log.exception("request %s failed", request.request_id)
            failure = _bug(request)
        if journey.funded is not None:
            journey.passed("call")
        await self._end(journey, reply, checked, terminal, failure)
        if answered is not None:
            await _read_on(answered)

    async def look(self, request: Request, show: Callable[[Identified], Shown]) -> Shown:
        """Show the caller something that needs no provider, and record it.

        Raises:
            Refused: the key is not good, the tenant is suspended, or there is nothing to show.
        """
        journey = Journey(request, self.clock)
        failure: TrimtabError | None = None
        try:
            journey.identified = identified = self.identify(request)
            self.switch.check(identified)
            journey.passed("admit")
            return show(identified)
        except TrimtabError as error:
            failure = error
            raise
        finally:
            await self.settle(journey, failure, self._status)

    async def turned_away(self, request: Request, failure: TrimtabError) -> None:
        """Remember a request that could not be read: recorded if its key is known, else counted."""
        journey = Journey(request, self.clock)
        # Of a tenant's own key, a wrong tenant may be what is wrong.
        for asking in (replace(request, tenant=None), request):
            with contextlib.suppress(TrimtabError):
                journey.identified = self.identify(asking)
        journey.passed("admit")
        with contextlib.suppress(TrimtabError):
            await self.settle(journey, failure, self._status)

    async def _end(
        self,
        journey: Journey,
        reply: Reply,
        checked: Checked | None,
        terminal: bytes,
        failure: TrimtabError | None,
    ) -> None:
        """Settle first, then send the last byte: what was answered is remembered."""
        record = None
        self.switch.leave(journey)
        journey.gone = reply.gone
        try:
            record = await self.settle(journey, failure, self._status)
            if record is not None and journey.request.wire is Wire.OPENAI_RESPONSES:
                self.recall.remember(record)
        except TrimtabError as error:
            failure = failure or error
        except Exception:
            log.exception("request %s cannot be settled", journey.request.request_id)
            failure = failure or _bug(journey.request)
        facts, body = facts_of(journey, record), None if failure else _whole(journey, checked)
        if journey.claimed:
            await self._keep(journey, body, failure)
        if failure is not None and journey.committed:
            told = journey.tries[-1].transcript.failed is not None
            await reply.cut(failure, told=told, facts=facts)
        elif body is not None:
            await reply.whole(body, facts)
        elif failure is not None or checked is None:
            await reply.refuse(failure or TrimtabError("no answer; tell an operator"), facts)
        else:
            await reply.end_stream(terminal, facts)

    async def _keep(
        self, journey: Journey, body: bytes | None, failure: TrimtabError | None
    ) -> None:
        """Remember what came of an idempotency key; an answer is not withheld if that fails."""
        try:
            await self.once.ended(journey, body, failed=failure is not None)
        except TrimtabError as error:
            log.warning("request %s: %s", journey.request.request_id, error)

    def _status(self, journey: Journey, failure: TrimtabError | None) -> int:
        if failure is None or journey.committed:
            return HTTP_OK
        return self.http_status(failure, journey.request.wire)


def _whole(journey: Journey, checked: Checked | None) -> bytes | None:
    """Give an answer that is no stream, whoever made it."""
    if journey.earlier is not None:
        return journey.earlier.answer
    if checked is None:
        return journey.estimate
    return checked.answered.body if checked.answered.reader is None else None


def _broken_off(journey: Journey, answered: Answered | None) -> TrimtabError:
    """Close what a cancelled request left open, and say why it was cancelled."""
    if answered is not None:
        answered.response.close()
    for attempt in journey.tries[-1:]:
        attempt.cancelled = attempt.error is None
    return journey.ended_by or Draining("the worker is shutting down; try again", wait_s=1.0)


def _bug(request: Request) -> TrimtabError:
    return TrimtabError(f"request {request.request_id!r} met a bug; tell an operator")


async def _read_on(answered: Answered) -> None:
    """Read what follows the terminal, so that the connection can be used again."""
    response = answered.response
    try:
        if answered.reader is not None and answered.attempt.transcript.ended:
            async with asyncio.timeout(READ_ON_S):
                while await response.read():
                    pass
    except (TransportError, TimeoutError):
        pass
    finally:
        response.close()
