"""The ASGI application: two providers, who makes invoices, and their control room on one root.

No framework: the simulator is the provider of load tests, and must not be what they measure.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn
from urllib.parse import unquote

from trimtab.sim import anthropic_statements, listing, openai_statements
from trimtab.sim.answering import Answering
from trimtab.sim.anthropic_request import read_count, read_messages
from trimtab.sim.bill import Bill
from trimtab.sim.bill_faults import PREFIX, BillBoard
from trimtab.sim.cache import PrefixCache
from trimtab.sim.calls import Calls
from trimtab.sim.control import Control
from trimtab.sim.conversations import Conversations
from trimtab.sim.embeddings import read_embed
from trimtab.sim.exchange import Exchange, Receive, Scope, Send
from trimtab.sim.faults import FaultBoard
from trimtab.sim.latency import PROFILES
from trimtab.sim.moderations import read_moderation
from trimtab.sim.openai_request import missing_model, read_chat
from trimtab.sim.reply import to_json
from trimtab.sim.request import Refused, Request
from trimtab.sim.responses_request import read_responses
from trimtab.sim.sending import Sending
from trimtab.sim.statements import Statements
from trimtab.sim.stripe import MeterEvents
from trimtab.sim.wires import ANTHROPIC, OPENAI, RESPONSES

VERSION_HEADER = b"anthropic-version"
MODELS_PATH = "/v1/models"
STATEMENTS_PATH = "/v1/organization"
"""What the routes of both providers begin with that tell of usage and costs."""

_JSON = [(b"content-type", b"application/json")]


def create(
    *,
    seed: int = 7,
    latency: str = "instant",
    faults: Sequence[str] = (),
    clock: Callable[[], float] = time.time,
) -> "SimApp":
    """Make a simulator with an empty bill.

    Args:
        seed: Of all answers, waits and dice.
        latency: Name of a profile of `latency.PROFILES`.
        faults: Rules; see `faults`.
        clock: Tells Unix time in seconds.

    Raises:
        BadFault: a rule cannot be read.
        KeyError: there is no such profile.
    """
    bill, calls, conversations = Bill(clock), Calls(), Conversations()
    cache = PrefixCache(clock)
    meter = MeterEvents(clock)
    board = FaultBoard([it for it in faults if not it.startswith(PREFIX)], seed, clock)
    bill_board = BillBoard([it for it in faults if it.startswith(PREFIX)])
    answering = Answering(
        seed=seed,
        unique=f"sim{os.urandom(4).hex()}",
        clock=clock,
        sending=Sending(seed, PROFILES[latency]),
        bill=bill,
        cache=cache,
        board=board,
        calls=calls,
        conversations=conversations,
    )
    return SimApp(
        answering,
        Control(bill, calls, cache, board, bill_board, conversations, meter),
        Statements(bill, bill_board, clock),
        meter,
    )


@dataclass(frozen=True, slots=True)
class SimApp:
    """Finds who answers a call."""

    answering: Answering
    control: Control
    statements: Statements
    meter: MeterEvents

    # One case a route.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901, PLR0912, PLR0915
        """Answer one HTTP call."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        serve = self.answering.serve
        match exchange.method, exchange.path:
            case "POST", "/v1/chat/completions":
                await serve(exchange, OPENAI, read_chat, self.answering.text)
            case "POST", "/v1/responses":
                kept = partial(self.answering.conversations.find, exchange.account)
                read = partial(read_responses, kept=kept)
                await serve(exchange, RESPONSES, read, self.answering.text)
            case "POST", "/v1/messages":
                read = _versioned(exchange, read_messages)
                await serve(exchange, ANTHROPIC, read, self.answering.text)
            case "POST", "/v1/messages/count_tokens":
                read = _versioned(exchange, read_count)
                await serve(exchange, ANTHROPIC, read, self.answering.count)
            case "POST", "/v1/embeddings":
                await serve(exchange, OPENAI, read_embed, self.answering.vectors)
            case "POST", "/v1/moderations":
                await serve(exchange, OPENAI, read_moderation, self.answering.verdicts)
            case "POST", "/v1/billing/meter_events":
                await self.meter(exchange)
            case _, path if path.startswith("/_sim/"):
                await self.control(exchange)
            case "GET", path if path.startswith(MODELS_PATH):
                await self._models(exchange)
            case "GET", path if path.startswith(STATEMENTS_PATH):
                await self._statement(exchange)
            case method, path:
                await self._refuse(exchange, Refused(404, f"Invalid URL ({method} {path})"))

    async def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        wire = ANTHROPIC if VERSION_HEADER in exchange.headers else OPENAI
        await self.answering.serve(exchange, wire, _refuser(refused), self.answering.text)

    async def _models(self, exchange: Exchange) -> None:
        anthropic = VERSION_HEADER in exchange.headers
        name = unquote(exchange.path.removeprefix(MODELS_PATH).strip("/"))
        told: dict[str, Any] | None
        if name:
            told = listing.anthropic_one(name) if anthropic else listing.openai_one(name)
        else:
            told = listing.anthropic_list() if anthropic else listing.openai_list()
        if told is None:
            await self._refuse(exchange, missing_model(name))
        else:
            await exchange.answer(200, _JSON, to_json(told))

    async def _statement(self, exchange: Exchange) -> None:
        is_anthropic = exchange.path.startswith(anthropic_statements.ROOT)
        try:
            told = to_json(self._stated(exchange, is_anthropic=is_anthropic))
        except Refused as refused:
            wire = ANTHROPIC if is_anthropic else OPENAI
            await exchange.answer(refused.status, _JSON, wire.error(refused, "req_statement"))
        else:
            await exchange.answer(200, _JSON, told)

    def _stated(self, exchange: Exchange, *, is_anthropic: bool) -> dict[str, Any]:
        if is_anthropic and VERSION_HEADER not in exchange.headers:
            raise Refused(400, "anthropic-version: header is required")
        if self.statements.board.refuses():
            raise Refused(429, "Rate limit reached; try again later.")
        report = anthropic_statements.report if is_anthropic else openai_statements.report
        return report(self.statements, exchange.path, exchange.query, exchange.account)


def _versioned(exchange: Exchange, read: Callable[[bytes], Request]) -> Callable[[bytes], Request]:
    """Insist on the version header that Anthropic's wire requires."""
    if VERSION_HEADER in exchange.headers:
        return read
    return _refuser(Refused(400, "anthropic-version: header is required"))


def _refuser(refused: Refused) -> Callable[[bytes], Request]:
    def refuse(_body: bytes) -> NoReturn:
        raise refused

    return refuse
