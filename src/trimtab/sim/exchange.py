"""One HTTP call as the simulator sees it: read it, answer it, or break it off.

Breaking off needs the connection. `SimProtocol` puts it where the application finds it; under
another server a call that is broken off just ends, and the server closes.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trimtab.sim.request import Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MOST_BODY = 64 * 1024 * 1024
WATCHED_S = 0.25
"""During a longer wait we notice at once that the caller is gone; during shorter ones after it."""

_CONNECTION = "trimtab.sim"
_RESET = struct.pack("ii", 1, 0)


class SimProtocol(HttpToolsProtocol):
    """An HTTP connection that the application can break off."""

    def on_message_begin(self) -> None:
        """A call begins."""
        super().on_message_begin()
        self.scope["extensions"] = {_CONNECTION: {"transport": self.transport}}


class Exchange:
    """One call. State: whether the caller is still there, once we have to know."""

    __slots__ = ("_receive", "_send", "_watch", "headers", "method", "path", "query", "scope")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(cast("Headers", scope["headers"]))
        self._receive = receive
        self._send = send
        self._watch: asyncio.Task[None] | None = None

    @property
    def account(self) -> str:
        """The key the caller showed, or `anonymous`. Keys of a simulator are no secrets."""
        key = self.headers.get(b"x-api-key")
        if not key:
            key = self.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        return key.decode("latin-1") or "anonymous"

    @property
    def gone(self) -> bool:
        """Whether the caller is known to be gone."""
        return self._watch is not None and self._watch.done()

    async def body(self) -> bytes:
        """Read the whole body.

        Raises:
            Refused: it is too long.
        """
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body
        blocks = [body]
        size = len(body)
        while message.get("more_body", False):
            message = await self._receive()
            blocks.append(message.get("body", b""))
            size += len(blocks[-1])
            if size > MOST_BODY:
                raise Refused(413, f"a body has at most {MOST_BODY} bytes")
        return b"".join(blocks)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer whole."""
        length = (b"content-length", b"%d" % len(body))
        await self.start(status, [*headers, length])
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of an answer."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def wait(self, seconds: float) -> None:
        """Wait that long, or until the caller is gone."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._until_gone())
        if seconds < WATCHED_S:
            await asyncio.sleep(seconds)
        else:
            await asyncio.wait((self._watch,), timeout=seconds)

    async def until_gone(self) -> None:
        """Wait until the caller is gone."""
        if self._watch is None:
            await self._until_gone()
        else:
            await asyncio.wait((self._watch,))

    async def hang_up(self) -> None:
        """Close the connection behind what was sent, as a provider that died would."""
        transport = self._transport()
        if transport is not None:
            transport.close()
            await self.until_gone()

    async def reset(self) -> None:
        """Reset the connection (TCP RST)."""
        transport = self._transport()
        if transport is not None:
            connection = cast("socket.socket", transport.get_extra_info("socket"))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
            await self.until_gone()

    def end(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()

    def _transport(self) -> asyncio.Transport | None:
        extensions: dict[str, Any] = self.scope.get("extensions") or {}
        return extensions.get(_CONNECTION, {}).get("transport")

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
