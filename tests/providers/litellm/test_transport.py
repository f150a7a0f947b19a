"""What the transport makes of the engine's answers; the engine itself runs in tests/e2e."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from trimtab.domain.model import Provider, ProviderWire
from trimtab.domain.transport import ConnectionLost, Origin, Poked
from trimtab.providers.litellm.account import FIXED, Operation, head
from trimtab.providers.litellm.transport import LiteLLM

ACCOUNT = Provider(
    name="eu",
    wire=ProviderWire.LITELLM,
    model_prefix="bedrock/",
    region="eu-west-1",
    options={"aws_session_token": "env:TOKEN", "temperature": 1},
)
HERE = Origin(scheme="litellm", host="eu")
SECRETS = {"env:TOKEN": "a-session-token"}


class Chunk(SimpleNamespace):
    def model_dump_json(self, **_: object) -> str:
        return json.dumps({"text": self.text})


class Stream:
    """A stream that gives chunks, then breaks off or waits if it shall."""

    is_mock = False
    received_finish_reason: str | None = None
    intermittent_finish_reason = None
    received_any_finish_reason = False

    def __init__(self, *given: Chunk | Exception | None) -> None:
        self.given = given
        self.chunks = given
        self.closed = threading.Event()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        for it in self.given:
            if isinstance(it, Exception):
                raise it
            if it is None:
                await asyncio.Event().wait()
            else:
                yield it

    async def aclose(self) -> None:
        self.closed.set()


class Engine:
    """An engine that gives what it was told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.gives: Any = None

    async def acompletion(self, **arguments: Any) -> Any:  # noqa: ANN401
        self.asked = arguments
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    aembedding = acompletion


class RateLimitError(Exception):
    status_code = 429
    response = SimpleNamespace(headers={"retry-after": "7", "set-cookie": "x"})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def transport(engine: Engine) -> Iterator[LiteLLM]:
    made = LiteLLM(engine, lambda value: SECRETS.get(str(value), value))
    yield made
    made.close()


async def send(transport: LiteLLM, **members: object) -> Any:  # noqa: ANN401
    body = json.dumps({"model": "claude", "messages": [], **members}).encode()
    account = head(ACCOUNT, "a-key", Operation.CHAT)
    return await transport.send(HERE, account, body, connect_timeout_s=1)


def chunk(text: str, finish: str | None = None) -> Chunk:
    return Chunk(text=text, choices=[SimpleNamespace(finish_reason=finish)])


async def test_the_account_comes_from_the_file_and_the_rest_from_the_request(
    transport: LiteLLM, engine: Engine
) -> None:
    engine.gives = Stream(chunk("a"))

    await send(transport, stream=True, temperature=0)

    assert engine.asked == {
        **FIXED,
        "model": "bedrock/claude",
        "messages": [],
        "stream": True,
        "temperature": 0,
        "api_key": "a-key",
        "aws_region_name": "eu-west-1",
        "aws_session_token": "a-session-token",
    }


async def test_an_error_has_its_status_and_no_secret(transport: LiteLLM, engine: Engine) -> None:
    engine.gives = RateLimitError("a-session-token of a-key is slow\nTraceback: ...")

    answer = await send(transport)

    assert answer.status == 429
    assert answer.headers == ((b"content-type", b"application/json"), (b"retry-after", b"7"))
    assert json.loads(await answer.body())["error"] == {
        "message": "*** of *** is slow",
        "type": "RateLimitError",
        "param": None,
        "code": None,
    }


async def test_a_stop_that_nobody_said_is_a_lost_connection(
    transport: LiteLLM, engine: Engine
) -> None:
    engine.gives = Stream(chunk("a"), chunk("", "stop"))

    answer = await send(transport, stream=True)

    assert await answer.read() == b'data: {"text": "a"}\n\n'
    with pytest.raises(ConnectionLost):
        await answer.read()


async def test_a_stream_that_breaks_before_its_first_chunk_is_an_error_status(
    transport: LiteLLM, engine: Engine
) -> None:
    engine.gives = Stream(RateLimitError("slow"))

    assert (await send(transport, stream=True)).status == 429


async def test_a_reader_is_poked_and_reads_on_and_what_is_closed_is_closed_there_too(
    transport: LiteLLM, engine: Engine
) -> None:
    engine.gives = stream = Stream(chunk("a"), None)
    answer = await send(transport, stream=True)
    await answer.read()

    waiting = asyncio.create_task(answer.read())
    await asyncio.sleep(0)
    answer.poke()
    with pytest.raises(Poked):
        await waiting
    answer.close()

    assert await asyncio.to_thread(stream.closed.wait, 5)
    with pytest.raises(ConnectionLost):
        await answer.read()
