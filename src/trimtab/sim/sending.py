"""Puts an answer on the connection: at its pace, damaged as asked, and billed when it is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import NamedTuple

from trimtab.sim.answer import digest
from trimtab.sim.bill import Bill, Usage
from trimtab.sim.damage import Ending, damaged
from trimtab.sim.exchange import Exchange, Headers
from trimtab.sim.faults import Faults
from trimtab.sim.latency import Profile
from trimtab.sim.models import Task
from trimtab.sim.reply import Event, Kind, Reply
from trimtab.sim.request import Refused, Request
from trimtab.sim.wires import Wire

LARGEST_WRITE = 64 * 1024

_JSON = (b"content-type", b"application/json")
_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)


class Turn(NamedTuple):
    """One call on its way: who asked on which wire, for whom, and how the answer is named."""

    exchange: Exchange
    wire: Wire
    unique: str
    account: str
    user: str = ""

    @property
    def request_id(self) -> str:
        """The name of the call, which errors tell too."""
        return f"req_{self.unique}"

    def json_headers(self) -> Headers:
        """Give the headers of a whole answer."""
        return [_JSON, (self.wire.id_header, self.request_id.encode())]

    def stream_headers(self) -> Headers:
        """Give the headers of a streamed answer."""
        return [*_STREAM, (self.wire.id_header, self.request_id.encode())]


class Tab:
    """What one call will be billed. State: what was generated, and whether it is on the bill."""

    __slots__ = ("_bill", "_call_id", "_output", "_reasoning", "_settled", "_turn", "_usage")

    def __init__(self, bill: Bill, turn: Turn, call_id: str, usage: Usage) -> None:
        self._bill = bill
        self._turn = turn
        self._call_id = call_id
        self._usage = usage
        self._output = self._reasoning = 0
        self._settled = False

    def generated(self, event: Event) -> None:
        """Count an event's tokens."""
        self._output += event.tokens
        if event.kind is Kind.REASONING:
            self._reasoning += event.tokens

    def generated_all(self) -> None:
        """Count everything."""
        self._output, self._reasoning = self._usage.output, self._usage.reasoning

    def settle(self, request: Request) -> None:
        """Put the call on the bill, once."""
        if not self._settled:
            self._settled = True
            usage = self._usage._replace(output=self._output, reasoning=self._reasoning)
            turn, (model, dated) = self._turn, request.served
            self._bill.add(
                self._call_id,
                turn.account,
                model,
                usage,
                turn.user,
                desk="embeddings" if model.task is Task.EMBED else turn.wire.desk,
                dated=dated,
            )


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends answers at the pace of a profile."""

    seed: int
    profile: Profile | None

    async def whole(self, turn: Turn, reply: Reply, body: bytes, tab: Tab) -> None:
        """Send an answer in one piece; it was generated whole, whoever is still there to read."""
        request, exchange = reply.request, turn.exchange
        faults = request.faults
        wait_s = faults.slow_headers_s + faults.slow_first_s
        if self.profile is not None:
            wait_s += sum(islice(self._waits(reply), max(1, reply.usage.output)))
        if wait_s:
            await exchange.wait(wait_s)
        if faults.error_after_preamble:
            failed = Refused(500, "The server had an error while processing your request.")
            body = turn.wire.error(failed, turn.request_id)
        else:
            tab.generated_all()
            tab.settle(request)
        await _send(turn, faults, body)

    async def stream(self, turn: Turn, reply: Reply, tab: Tab) -> None:
        """Send the events of an answer; what was generated until the end is billed."""
        exchange, faults = turn.exchange, reply.request.faults
        events, ending = damaged(turn.wire.stream(reply), turn.wire, faults)
        try:
            if faults.slow_headers_s:
                await exchange.wait(faults.slow_headers_s)
                if exchange.gone:
                    return
            await exchange.start(200, turn.stream_headers())
            rest = await _play(exchange, events, self._pace(reply), tab)
        finally:
            if not faults.error_after_preamble:
                tab.settle(reply.request)
        await exchange.write(rest, more=ending is not Ending.WELL)
        await _end(exchange, ending)

    def _pace(self, reply: Reply) -> Iterator[float] | None:
        """Give the waits before tokens; `None` if there are none."""
        slow_s = reply.request.faults.slow_first_s
        if self.profile is None and not slow_s:
            return None
        waits = self._waits(reply)
        return chain((slow_s + next(waits),), waits)

    def _waits(self, reply: Reply) -> Iterator[float]:
        if self.profile is None:
            return repeat(0.0)
        return self.profile.waits(digest(reply.request, self.seed).of)


async def _send(turn: Turn, faults: Faults, body: bytes) -> None:
    exchange = turn.exchange
    sent = body[: len(body) // 2] if faults.bad_lines else body
    if faults.cut_after is None and faults.stall_after is None:
        await exchange.answer(200, turn.json_headers(), sent)
        return
    length = (b"content-length", b"%d" % len(sent))
    await exchange.start(200, [*turn.json_headers(), length])
    await exchange.write(sent[: len(sent) // 2])
    await _end(exchange, Ending.STALL if faults.cut_after is None else Ending.CUT)


async def _play(
    exchange: Exchange, events: list[Event], pace: Iterator[float] | None, tab: Tab
) -> bytes:
    """Send events, each after its wait, while the caller is there; give what is left to send."""
    unsent: list[bytes] = []
    size = 0
    for event in events:
        wait_s = event.wait_s
        if event.tokens and pace is not None:
            wait_s += next(pace) * event.tokens
        if wait_s or size > LARGEST_WRITE:
            await exchange.write(b"".join(unsent))
            unsent.clear()
            size = 0
            await exchange.wait(wait_s)
            if exchange.gone:
                break
        tab.generated(event)
        unsent.append(event.raw)
        size += len(event.raw)
    return b"".join(unsent)


async def _end(exchange: Exchange, ending: Ending) -> None:
    match ending:
        case Ending.WELL:
            pass
        case Ending.CUT:
            await exchange.hang_up()
        case Ending.STALL:
            await exchange.until_gone()
