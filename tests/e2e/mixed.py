"""Calls of every kind, asked by callers some of whom leave, of providers some of whom fail.

Each call has a number. It is the trace id of the record, and the end user on the simulator's bill,
so every billed call finds its request, whatever became of either side.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, next_answer, request

RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
CHAT_PATHS = (OPENAI, ANTHROPIC, RESPONSES)
LEAVING, CUT = 0.05, 0.02

PREFIX = "The log of the night watch, kept since the yard, is read aloud before the watch changes. "
LONG = PREFIX * 80
"""More than 1,024 tokens: what both providers keep."""

TOOL = {"type": "object", "properties": {"query": {"type": "string"}}}
OF_TOOLS: dict[str, dict[str, Any]] = {
    OPENAI: {"type": "function", "function": {"name": "lookup", "parameters": TOOL}},
    ANTHROPIC: {"name": "lookup", "input_schema": TOOL},
    RESPONSES: {"type": "function", "name": "lookup", "parameters": TOOL},
}
FAILING = ("status:500", "status:502", "status:503", "status:504", "error_after_preamble")


@dataclass(frozen=True, slots=True)
class Call:
    """One call; who leaves does so after so many pieces of the answer, 0 for at once."""

    number: int
    path: str
    members: dict[str, Any]
    leaves_after: int | None = None

    def request(self, key: str) -> bytes:
        """Write it down."""
        user = f"call-{self.number}"
        named = {"metadata": {"user_id": user}} if self.path == ANTHROPIC else {"user": user}
        if self.path not in (*CHAT_PATHS, EMBEDDINGS):
            named = {}
        trace = ("traceparent", f"00-{self.number + 1:032x}-{self.number + 1:016x}-01")
        body = json.dumps({**self.members, **named}).encode()
        return request(key, body, self.path, trace, ("anthropic-version", "2023-06-01"))


def number_of(trace_id: str) -> int:
    """Tell the number of the call that a record is of."""
    return int(trace_id, 16) - 1


def calls(seed: int, faults: float = 1.0) -> Iterator[Call]:
    """Make calls without end: 5 % leave, 2 % are cut, the rest is what apps ask for."""
    chance, number = Random(seed), 0  # noqa: S311 -- repeatable on purpose
    makers, weights = zip(*_ORDINARY.items(), strict=True)
    while True:
        dice = chance.random() / faults
        if dice < LEAVING:
            yield _leaving(chance, number)
        elif dice < LEAVING + CUT:
            yield Call(number, *_cut(chance))
        else:
            [make] = chance.choices(makers, weights)
            yield Call(number, *make(chance))
        number += 1


_Asked = tuple[str, dict[str, Any]]


def _text(chance: Random, path: str, model: str, script: str = "", **more: Any) -> _Asked:  # noqa: ANN401 -- JSON
    """Ask for text, streamed or not; how much is asked and answered varies."""
    script = script or f"tokens={chance.randint(1, 60)}"
    question = f"[[sim: {script}]] {PREFIX * chance.randint(0, 12)}{chance.getrandbits(64):x}"
    stream = chance.random() < 0.5
    if path == RESPONSES:
        asked: dict[str, Any] = {"input": question, "max_output_tokens": 400}
    else:
        asked = {"messages": [{"role": "user", "content": question}], "max_tokens": 400}
    if path == OPENAI and stream and chance.random() < 0.5:
        asked["stream_options"] = {"include_usage": True}
    return path, {"model": model, "stream": stream, **asked, **more}


def _leaving(chance: Random, number: int) -> Call:
    model = chance.choice(("left-drain", "left-cancel"))
    tokens = chance.randint(10, 40)
    path, asked = _text(chance, chance.choice((OPENAI, ANTHROPIC)), model, f"tokens={tokens}")
    if chance.random() < 0.2:
        _keep(chance, path, asked)
    return Call(number, path, asked, chance.randint(1, tokens) if asked["stream"] else 0)


def _cut(chance: Random) -> _Asked:
    return _text(chance, chance.choice(CHAT_PATHS), f"chat!cut_after:{chance.randint(0, 20)}")


def _plain(chance: Random) -> _Asked:
    return _text(chance, chance.choice(CHAT_PATHS), chance.choice(("chat", "small")))


def _cached(chance: Random) -> _Asked:
    path, asked = _text(chance, chance.choice((OPENAI, ANTHROPIC)), "chat")
    _keep(chance, path, asked)
    return path, asked


def _keep(chance: Random, path: str, asked: dict[str, Any]) -> None:
    """Put much before the question that the provider keeps from one call to the next."""
    system: dict[str, Any] = {"type": "text", "text": LONG}
    if path == ANTHROPIC:
        kept = {"type": "ephemeral", "ttl": chance.choice(("5m", "1h"))}
        asked["system"] = [{**system, "cache_control": kept}]
    else:
        asked["messages"].insert(0, {"role": "system", "content": [system]})


def _reasoning(chance: Random) -> _Asked:
    return _text(chance, chance.choice(CHAT_PATHS), "reasoner")


def _tools(chance: Random) -> _Asked:
    path = chance.choice(CHAT_PATHS)
    script = 'tool=lookup({"query":"tab"}), tool=lookup({"query":"rudder"})'
    return _text(chance, path, chance.choice(("chat", "small")), script, tools=[OF_TOOLS[path]])


def _fallback(chance: Random) -> _Asked:
    return _text(chance, chance.choice((OPENAI, ANTHROPIC)), f"stubborn!{chance.choice(FAILING)}")


def _translated(chance: Random) -> _Asked:
    path, model = chance.choice(((OPENAI, "claude"), (ANTHROPIC, "gpt")))
    return _text(chance, path, model)


def _odd_usage(chance: Random) -> _Asked:
    fault = chance.choice(("no_usage", "usage_repeated", "usage_string"))
    return _text(chance, chance.choice((OPENAI, ANTHROPIC)), f"chat!{fault}")


def _stalling(chance: Random) -> _Asked:
    return _text(
        chance, chance.choice((OPENAI, ANTHROPIC)), f"hasty!stall_after:{chance.randint(1, 5)}"
    )


def _embeddings(chance: Random) -> _Asked:
    return EMBEDDINGS, {"model": "embed", "input": PREFIX * chance.randint(1, 9)}


def _free(chance: Random) -> _Asked:
    if chance.random() < 0.5:
        return "/v1/moderations", {"model": "omni-moderation-latest", "input": PREFIX}
    _, asked = _text(chance, ANTHROPIC, "chat")
    return "/v1/messages/count_tokens", {name: asked[name] for name in ("model", "messages")}


def _refused(chance: Random) -> _Asked:
    return _text(chance, OPENAI, chance.choice(("nothing", "chat!status:400", "chat!status:422")))


_ORDINARY: dict[Callable[[Random], _Asked], int] = {
    _plain: 50,
    _cached: 8,
    _reasoning: 6,
    _tools: 6,
    _fallback: 5,
    _translated: 8,
    _odd_usage: 3,
    _stalling: 1,
    _embeddings: 5,
    _free: 5,
    _refused: 3,
}


@dataclass(slots=True)
class Crowd:
    """Callers who work through calls, each on a connection of its own.

    Attributes:
        answered: Request ids of answers that were read to their end, by the number of the call.
        left: Calls whose caller left.
        broken: Calls whose connection broke, which is what callers see of a killed worker.
        begun: Calls that were asked.
    """

    port: int
    key: str
    answered: dict[int, str] = field(default_factory=dict[int, str])
    statuses: Counter[int] = field(default_factory=Counter[int])
    begun: int = 0
    left: int = 0
    broken: int = 0

    async def work(self, todo: Iterator[Call], at_once: int) -> None:
        """Ask until nothing is left to ask."""
        await asyncio.gather(*(self._caller(todo) for _ in range(at_once)))

    async def _caller(self, todo: Iterator[Call]) -> None:
        line: _Line | None = None
        for call in todo:
            self.begun += 1
            try:
                line = line or _Line(*await asyncio.open_connection("127.0.0.1", self.port))
                line = await self._ask(line, call)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.broken += 1
                line = await line.close() if line else None
        if line is not None:
            await line.close()

    async def _ask(self, line: "_Line", call: Call) -> "_Line | None":
        line.writer.write(call.request(self.key))
        if call.leaves_after is None:
            self._heard(call, await next_answer(line.reader))
            return line
        await line.pieces(call.leaves_after)
        self.left += 1
        return await line.close()

    def _heard(self, call: Call, answer: Answer) -> None:
        self.answered[call.number] = answer.request_id
        self.statuses[answer.status] += 1


@dataclass(frozen=True, slots=True)
class _Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def pieces(self, count: int) -> None:
        """Read so many pieces of a stream, or to its end; for none, leave once it was sent."""
        await self.writer.drain()
        if count:
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert b"chunked" in head, head
        for _ in range(count):
            size = int(await self.reader.readuntil(b"\n"), 16)
            await self.reader.readexactly(size + 2)
            if not size:
                break

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
