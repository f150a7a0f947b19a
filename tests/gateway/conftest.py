"""A gateway called as a server would call it, over the pipeline of `tests/pipeline`."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from tests.pipeline.conftest import KEY, Rig

from trimtab.domain.errors import TrimtabError
from trimtab.gateway.app import Beside, Gateway
from trimtab.gateway.reply import Message
from trimtab.testing import seeded_entropy

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
HI = b'{"model":"chat","messages":[{"role":"user","content":"hi"}],"input":"hi"}'
"""Good on every wire: each takes its own member, and leaves the other to the provider."""
HI_STREAM = HI[:-1] + b',"stream":true}'
AUTH = (b"authorization", f"Bearer {KEY.text}".encode())
MAX_BODY = 10_000


@dataclass
class Answer:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: bytes

    # The shape is the test's business.
    @property
    def json(self) -> Any:  # noqa: ANN401
        return msgspec.json.decode(self.body)


class Caller:
    """One connection. Its body comes in blocks; then it waits, or hangs up."""

    def __init__(
        self, blocks: Iterable[bytes], *, ends: bool = True, hangs_up: bool = False
    ) -> None:
        self.unread = list(blocks)
        self._ends = ends
        self._hangs_up = hangs_up
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if self.unread:
            block = self.unread.pop(0)
            more = bool(self.unread) or not self._ends
            return {"type": "http.request", "body": block, "more_body": more}
        if not self._hangs_up:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> Answer:
        """The answer, if it is one of HTTP: one head, then the body to its end."""
        head, *rest = self.sent
        assert head["type"] == "http.response.start"
        assert {message["type"] for message in rest} == {"http.response.body"}
        assert [bool(message.get("more_body")) for message in rest] == [True] * (len(rest) - 1) + [
            False
        ]
        headers = {name.decode(): value.decode() for name, value in head["headers"]}
        body = b"".join(message["body"] for message in rest)
        assert headers.get("content-length", str(len(body))) == str(len(body))
        return Answer(head["status"], headers, body)


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None]:
    yield


def gateway(rig: Rig, *beside: Beside, problem: TrimtabError | None = None) -> Gateway:
    return Gateway(
        rig.pipeline,
        seeded_entropy(),
        beside,
        _nothing,
        max_body=MAX_BODY,
        problem=lambda: problem,
    )


def scope(
    method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = (), query: bytes = b""
) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
        "client": ("192.0.2.7", 4711),
    }


async def call(
    app: Gateway,
    method: str,
    path: str,
    *blocks: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (AUTH,),
) -> Answer:
    """Call the gateway and take its answer."""
    caller = Caller(blocks or (b"",))
    await app(scope(method, path, headers), caller.receive, caller.send)
    return caller.answer
