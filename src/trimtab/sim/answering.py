"""From a call to its answer, with everything that may go wrong on the way."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from trimtab.sim import embeddings, moderations
from trimtab.sim.answer import Answer, compose
from trimtab.sim.bill import Bill, Usage
from trimtab.sim.cache import PrefixCache
from trimtab.sim.calls import Calls, Seen
from trimtab.sim.conversations import Conversations
from trimtab.sim.exchange import Exchange
from trimtab.sim.faults import BadFault, FaultBoard, Faults
from trimtab.sim.reply import Reply, to_json
from trimtab.sim.request import Refused, Request, user_of
from trimtab.sim.sending import Sending, Tab, Turn
from trimtab.sim.text import tokens_of
from trimtab.sim.wires import Wire

_MESSAGES = {
    401: "Incorrect API key provided.",
    429: "Rate limit reached; try again later.",
    529: "Overloaded",
}
_TOO_MANY = 429

Respond = Callable[[Turn, Request], Awaitable[None]]


class _Status(Refused):
    """An error status that was asked for."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(status, _MESSAGES.get(status, f"simulated error {status}"))
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Answers calls. `unique` makes its ids different from those of any other process."""

    seed: int
    unique: str
    clock: Callable[[], float]
    sending: Sending
    bill: Bill
    cache: PrefixCache
    board: FaultBoard
    calls: Calls
    conversations: Conversations
    numbers: Iterator[int] = field(default_factory=count)

    async def serve(
        self, exchange: Exchange, wire: Wire, read: Callable[[bytes], Request], respond: Respond
    ) -> None:
        """Read a call and answer it, unless something goes wrong before."""
        account = exchange.account
        turn = Turn(exchange, wire, f"{self.unique}{next(self.numbers):08x}", account)
        try:
            body = await exchange.body()
            self.calls.add(
                Seen(
                    self.clock(),
                    exchange.method,
                    exchange.path,
                    account,
                    exchange.headers,
                    body,
                )
            )
            turn = turn._replace(user=user_of(body))
            request = self._hit(turn, read(body))
            if request.faults.reset:
                await exchange.reset()
            else:
                _check_status(request.faults)
                await respond(turn, request)
        except Refused as refused:
            await _refuse(turn, refused)
        finally:
            exchange.end()

    async def text(self, turn: Turn, request: Request) -> None:
        """Answer with text, tool calls or both."""
        tokens, most = tokens_of(request.prompt), request.served.model.context
        if tokens > most:
            raise turn.wire.too_long(tokens, most)
        answers = compose(request, self.seed)
        usage = turn.wire.count(self.cache, turn.account, request)._replace(
            output=sum(answer.tokens for answer in answers),
            reasoning=sum(tokens_of(answer.reasoning) for answer in answers),
        )
        tab = Tab(self.bill, turn, turn.wire.call_id(turn.unique), usage)
        reply = self._reply(turn, request, usage, answers)
        if request.keeps is not None:
            talk = request.keeps + "".join(map(_written, answers))
            self.conversations.keep(turn.account, turn.wire.call_id(turn.unique), talk)
        if request.faults.hang:
            await _hang(turn, request, tab)
        elif request.stream:
            await self.sending.stream(turn, reply, tab)
        else:
            await self.sending.whole(turn, reply, turn.wire.whole(reply), tab)

    async def vectors(self, turn: Turn, request: Request) -> None:
        """Answer with embeddings."""
        usage = embeddings.count(request)
        tab = Tab(self.bill, turn, f"embd-{turn.unique}", usage)
        reply = self._reply(turn, request, usage)
        if request.faults.hang:
            await _hang(turn, request, tab)
        else:
            await self.sending.whole(turn, reply, embeddings.told(reply, self.seed), tab)

    async def verdicts(self, turn: Turn, request: Request) -> None:
        """Answer with judgements of texts; this is free."""
        if request.faults.hang:
            await turn.exchange.until_gone()
        told = moderations.told(self._reply(turn, request, Usage()), self.seed)
        await turn.exchange.answer(200, turn.json_headers(), told)

    async def count(self, turn: Turn, request: Request) -> None:
        """Answer with the number of tokens of a call; this is free."""
        if request.faults.hang:
            await turn.exchange.until_gone()
        told = to_json({"input_tokens": tokens_of(request.prompt)})
        await turn.exchange.answer(200, turn.json_headers(), told)

    def _hit(self, turn: Turn, request: Request) -> Request:
        """Decide what goes wrong with a call."""
        own = request.fault
        header = turn.exchange.headers.get(b"x-sim-fault")
        if header is not None:
            own = f"{own}!{header.decode('latin-1')}"
        try:
            faults = self.board.choose(turn.account, request.served.model.name, own)
        except BadFault as exc:
            raise Refused(400, str(exc)) from exc
        return request if faults is request.faults else replace(request, faults=faults)

    def _reply(
        self, turn: Turn, request: Request, usage: Usage, answers: tuple[Answer, ...] = ()
    ) -> Reply:
        return Reply(
            unique=turn.unique,
            created_s=int(self.clock()),
            request=request,
            answers=answers,
            usage=usage,
        )


def _written(answer: Answer) -> str:
    """Write an answer down as the next turn reads it."""
    calls = "".join(f"{call.name}({call.arguments})" for call in answer.calls)
    return f"<|assistant|>{answer.text}{calls}"


async def _hang(turn: Turn, request: Request, tab: Tab) -> None:
    """Say nothing until the caller is gone; what was read is billed."""
    tab.settle(request)
    await turn.exchange.until_gone()


async def _refuse(turn: Turn, refused: Refused) -> None:
    headers = turn.json_headers()
    if isinstance(refused, _Status) and refused.retry_after is not None:
        headers.append((b"retry-after", refused.retry_after.encode()))
    told = turn.wire.error(refused, turn.request_id)
    await turn.exchange.answer(refused.status, headers, told)


def _check_status(faults: Faults) -> None:
    if faults.status is not None or faults.retry_after is not None:
        raise _Status(_TOO_MANY if faults.status is None else faults.status, faults.retry_after)
