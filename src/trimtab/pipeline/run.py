"""The request path. There is no other way to a provider, and every way through it settles."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from trimtab.domain.clock import Clock
from trimtab.domain.errors import Draining, TrimtabError
from trimtab.domain.model import Wire
from trimtab.domain.transport import Response, TransportError
from trimtab.pipeline.admit import Admit, Identify
from trimtab.pipeline.call import Answered, Call
from trimtab.pipeline.fund import Fund
from trimtab.pipeline.handoff import Identified, Request
from trimtab.pipeline.journey import Journey
from trimtab.pipeline.plan import Plan
from trimtab.pipeline.relay import Relay
from trimtab.pipeline.reply import Reply, facts_of
from trimtab.pipeline.screen import Screen
from trimtab.pipeline.settle import Settle

HTTP_OK = 200
READ_ON_S = 5.0

log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Answer requests, in one straight line.

    Attributes:
        http_status: The status an error has on a wire.
    """

    identify: Identify
    admit: Admit
    plan: Plan
    screen: Screen
    fund: Fund
    call: Call
    relay: Relay
    settle: Settle
    http_status: Callable[[TrimtabError, Wire], int]
    clock: Clock

    async def __call__(self, request: Request, reply: Reply) -> None:
        """Answer one request. Never raises: every failure is told to the caller and recorded."""
        journey = Journey(request, self.clock)
        answered, terminal, failure = None, b"", None
        try:
            journey.identified = identified = self.identify(request)
            admitted = self.admit(identified)
            journey.passed("admit")
            journey.planned = planned = self.plan(admitted)
            journey.passed("plan")
            journey.screened = screened = await self.screen(planned)
            journey.passed("screen_input")
            journey.funded = funded = await self.fund(screened)
            journey.passed("fund")
            answered = await self.call(funded, journey)
            terminal = await self.relay(answered, journey, reply)
        except TrimtabError as error:
            failure = error
        except asyncio.CancelledError:
            failure = Draining("the worker is shutting down; try again", wait_s=1.0)
        # The one place where a bug becomes an answer: it must still settle.
        except Exception:
            log.exception("request %s failed", request.request_id)
            failure = TrimtabError(f"request {request.request_id!r} met a bug; tell an operator")
        journey.passed("call")
        await self._end(journey, reply, answered, terminal, failure)

    async def look(self, request: Request) -> Identified:
        """Identify a request that needs no provider, and record it.

        Raises:
            Refused: the key is not good, or the tenant is suspended.
        """
        journey = Journey(request, self.clock)
        failure: TrimtabError | None = None
        try:
            journey.identified = identified = self.identify(request)
            self.admit.check_switch(identified)
            journey.passed("admit")
        except TrimtabError as error:
            failure = error
            raise
        else:
            return identified
        finally:
            await self.settle(journey, failure, self._status(failure, request))

    async def _end(
        self,
        journey: Journey,
        reply: Reply,
        answered: Answered | None,
        terminal: bytes,
        failure: TrimtabError | None,
    ) -> None:
        """Settle first, then send the last byte: what was answered is remembered."""
        record = None
        journey.gone = reply.gone
        status = HTTP_OK if journey.committed else self._status(failure, journey.request)
        try:
            record = await self.settle(journey, failure, status)
        except TrimtabError as error:
            failure = failure or error
        facts = facts_of(journey, record)
        if failure is not None and journey.committed:
            told = journey.tries[-1].transcript.failed is not None
            await reply.cut(failure, told=told, facts=facts)
        elif failure is not None or answered is None:
            await reply.refuse(failure or TrimtabError("no answer; tell an operator"), facts)
        elif answered.reader is None:
            await reply.whole(answered.body, facts)
        else:
            await reply.end_stream(terminal, facts)
        if answered is not None:
            await _read_on(answered.response)

    def _status(self, failure: TrimtabError | None, request: Request) -> int:
        return HTTP_OK if failure is None else self.http_status(failure, request.wire)


async def _read_on(response: Response) -> None:
    """Read what follows the terminal, so that the connection can be used again."""
    try:
        async with asyncio.timeout(READ_ON_S):
            while await response.read():
                pass
    except (TransportError, TimeoutError):
        pass
    finally:
        response.close()
