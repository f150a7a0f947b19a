"""Calls providers by `litellm`, on a loop and a thread of its own.

One call of it is 20 ms of Python and may read files or ask a metadata service without awaiting:
on the worker's loop every other request would stand still meanwhile. What it gives is written as
the bytes that an OpenAI server would have sent, so the adapters of that wire read them.
"""

import asyncio
import logging
import struct
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, cast

import litellm
import msgspec

from trimtab.domain.transport import Origin
from trimtab.providers.litellm.account import FIXED, Account, Operation, read
from trimtab.providers.litellm.answer import Answer, elsewhere

MAX_ACCOUNTS = 1024
MAX_MESSAGE = 500

_HEARD = ("received_finish_reason", "intermittent_finish_reason", "received_any_finish_reason")
_WAITS = ("retry-after", "retry-after-ms", "x-request-id")
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"content-type", b"text/event-stream")


class Engine(Protocol):
    """The part of `litellm` that is used."""

    async def acompletion(self, **arguments: Any) -> Any:  # noqa: ANN401 -- its models are its own
        """Chat, streamed or not."""
        ...

    async def aembedding(self, **arguments: Any) -> Any:  # noqa: ANN401
        """Embed."""
        ...


def started(resolved: Callable[[object], object]) -> "LiteLLM":
    """Give the transport over the real engine, which says nothing to anybody.

    Args:
        resolved: Gives what a reference leads to, and all else as it is; raises `ProviderAuth`.
    """
    engine = cast("Any", litellm)
    engine.telemetry = engine.set_verbose = engine.drop_params = engine.modify_params = False
    engine.suppress_debug_info = engine.turn_off_message_logging = True
    engine.num_retries = 0
    engine.cache = None
    for name in ("callbacks", "input_callback", "success_callback", "failure_callback"):
        setattr(engine, name, [])
    # They would log what people wrote.
    for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return LiteLLM(engine, resolved)


class LiteLLM:
    """`domain.transport.Transport` to providers that have a prefix instead of an origin.

    State: its thread, and the accounts that were read.
    """

    def __init__(self, engine: Engine, resolved: Callable[[object], object]) -> None:
        self._engine = engine
        self._resolved = resolved
        self._accounts: dict[bytes, Account] = {}
        self._loop = asyncio.new_event_loop()
        # What it leaves undone ends in no log: it could hold what people wrote.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._thread = threading.Thread(target=self._run, name="litellm", daemon=True)
        self._thread.start()

    async def send(
        self,
        origin: Origin,  # noqa: ARG002
        head: bytes,
        body: bytes,
        *,
        connect_timeout_s: float,  # noqa: ARG002 -- it has no such notion; the attempt has an end
    ) -> "Answer":
        """See `Transport.send`. `head` is an account: see `account.head`."""
        account = self._account(head)
        arguments: dict[str, Any] = {**account.given, **msgspec.json.decode(body), **FIXED}
        arguments["model"] = account.prefix + arguments["model"]
        if account.operation is Operation.CHAT:
            coming = self._chat(arguments, account)
        else:
            coming = self._embeddings(arguments, account)
        status, headers, blocks = await elsewhere(coming, self._loop)
        return Answer(self._loop, status, headers, blocks)

    def close(self) -> None:
        """End its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _account(self, head: bytes) -> Account:
        account = self._accounts.get(head)
        if account is None:
            if len(self._accounts) >= MAX_ACCOUNTS:
                self._accounts.clear()
            written = read(head)
            account = self._accounts[head] = written.with_secrets(self._resolved)
        return account

    async def _chat(self, arguments: dict[str, Any], account: Account) -> "_Begun":
        try:
            answer = await self._engine.acompletion(**arguments)
            if not arguments.get("stream"):
                return HTTPStatus.OK, (_JSON,), _one(_whole(answer))
            stream = _events(answer)
            # What fails at once is an error status and no broken stream.
            first = await anext(stream)
        except Exception as exc:  # noqa: BLE001 -- the seam to an engine that raises anything
            return _failure(exc, account)
        return HTTPStatus.OK, (_EVENTS,), _from(first, stream)

    async def _embeddings(self, arguments: dict[str, Any], account: Account) -> "_Begun":
        packed = arguments.pop("encoding_format", None) == "base64"
        try:
            answer = await self._engine.aembedding(**arguments)
            if packed:
                for row in answer.data:
                    row["embedding"] = _packed(row["embedding"])
            told = _whole(answer)
        except Exception as exc:  # noqa: BLE001 -- the seam to an engine that raises anything
            return _failure(exc, account)
        return HTTPStatus.OK, (_JSON,), _one(told)


_Begun = tuple[int, tuple[tuple[bytes, bytes], ...], AsyncGenerator[bytes]]


async def _events(stream: Any) -> AsyncGenerator[bytes]:  # noqa: ANN401
    """Write a stream as server-sent events.

    Raises:
        EOFError: the provider's stream ended, and not because it was complete.
    """
    try:
        async for chunk in stream:
            if any(choice.finish_reason for choice in chunk.choices) and _is_cut(stream):
                raise EOFError
            if getattr(chunk, "usage", None) is not None and not _told_usage(stream):
                continue
            yield b"data: %b\n\n" % chunk.model_dump_json(exclude_none=True).encode()
        yield b"data: [DONE]\n\n"
    finally:
        await stream.aclose()


def _is_cut(stream: Any) -> bool:  # noqa: ANN401
    """Whether the engine made the stop up: it says `stop` of every stream that ends.

    It remembers beside that whether the provider said why.
    """
    if stream.is_mock:
        return False
    return not any(getattr(stream, name) for name in _HEARD)


def _told_usage(stream: Any) -> bool:  # noqa: ANN401
    """Whether the provider told it: the engine counts by itself where it did not."""
    if stream.is_mock:
        return True
    return any(getattr(chunk, "usage", None) is not None for chunk in stream.chunks)


def _whole(answer: Any) -> bytes:  # noqa: ANN401
    """Write a whole answer; usage without a token is what the engine makes of none."""
    told: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    usage = told.get("usage", {})
    if not usage.get("prompt_tokens") and not usage.get("completion_tokens"):
        told.pop("usage", None)
    return msgspec.json.encode(told)


async def _one(block: bytes) -> AsyncGenerator[bytes]:
    yield block


async def _from(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield first
        async for block in rest:
            yield block
    finally:
        await rest.aclose()


def _failure(exc: Exception, account: Account) -> _Begun:
    """Write an exception as the error answer that the provider gave, or could have given."""
    status = getattr(exc, "status_code", None)
    if not isinstance(status, int) or not HTTPStatus.BAD_REQUEST <= status < 600:  # noqa: PLR2004
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    kind = type(exc).__name__
    code = "context_length_exceeded" if kind == "ContextWindowExceededError" else None
    error = {"message": _message(exc, account), "type": kind, "param": None, "code": code}
    sent: Mapping[str, str] = getattr(getattr(exc, "response", None), "headers", None) or {}
    waits = ((name.encode(), sent[name].encode()) for name in _WAITS if name in sent)
    return status, (_JSON, *waits), _one(msgspec.json.encode({"error": error}))


def _message(exc: Exception, account: Account) -> str:
    """Take the first line: tracebacks follow. Secrets are taken out."""
    message = str(exc).partition("\n")[0][:MAX_MESSAGE]
    for secret in account.secrets:
        message = message.replace(secret, "***")
    return message


def _packed(vector: list[float]) -> str:
    """Write a vector as OpenAI's `base64` form: little-endian 32 bit floats."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
