"""One HTTP/1.1 connection and the answer that is read from it.

One protocol object a connection, httptools for parsing. A connection is given back only when its
answer was read to the end *and* taken by its reader: one that is given back earlier hands one
caller's events to another.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from trimtab.domain.transport import BadResponse, ConnectionLost, Poked, TransportError

MAX_HEAD_BYTES = 64 * 1024
HIGH_WATER = 256 * 1024

_FIRST_STATUS = 100
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL_STATUS = 200


class Http1Response:
    """One answer. State: blocks that came and were not read, and how it ended."""

    __slots__ = (
        "_blocks",
        "_connection",
        "_failure",
        "_poked",
        "_unread",
        "_waiter",
        "complete",
        "headers",
        "status",
    )

    def __init__(
        self, connection: "Connection", status: int, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self.status = status
        self.headers = headers
        self.complete = False
        self._connection: Connection | None = connection
        self._blocks: list[bytes] = []
        self._unread = 0
        self._failure: TransportError | None = None
        self._poked = False
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """See `Response.read`."""
        while not self._blocks:
            if self._failure is not None:
                raise self._failure
            if self.complete:
                self._give_back()
                return b""
            if self._poked:
                self._poked = False
                raise Poked
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self.close()
                raise
            finally:
                self._waiter = None
        return self._take()

    async def body(self) -> bytes:
        """See `Response.body`."""
        connection = self._connection
        if self.complete or connection is None:
            return await self.read()
        blocks: list[bytes] = []
        size = 0
        while block := await self.read():
            blocks.append(block)
            size += len(block)
            if size > connection.max_body:
                self.close()
                raise BadResponse(f"the answer is longer than {connection.max_body} bytes")
        return b"".join(blocks)

    def close(self) -> None:
        """See `Response.close`."""
        connection = self._connection
        if connection is None:
            return
        self._blocks.clear()
        if self.complete:
            self._give_back()
            return
        self._connection = None
        self.failed(ConnectionLost("the answer was given up", before_headers=False))
        connection.drop()

    def poke(self) -> None:
        """See `Response.poke`."""
        if self._waiter is not None:
            self._poked = True
            self._wake()

    def came(self, block: bytes) -> bool:
        """Take a block in; tells whether enough waits unread to slow the sender down."""
        self._blocks.append(block)
        self._unread += len(block)
        self._wake()
        return self._unread > HIGH_WATER

    def completed(self) -> None:
        """All of the answer is here; what happens to its connection matters no more."""
        if self._failure is None:
            self.complete = True
            self._wake()

    def failed(self, failure: TransportError) -> None:
        """Nothing more will come, and what came is not all."""
        if self._failure is None and not self.complete:
            self._failure = failure
            self._wake()

    def _take(self) -> bytes:
        blocks = self._blocks
        block = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        blocks.clear()
        self._unread = 0
        if self.complete:
            self._give_back()
        elif self._connection is not None:
            self._connection.listen()
        return block

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection. State: the answer that is awaited or read, or none while it idles.

    Attributes:
        heard: Whether a byte came since the last request was sent.
        idle_since_s: Loop time at which it was given back.
        max_body: Most bytes that `Http1Response.body` may gather.
    """

    __slots__ = (
        "_answered",
        "_bodyless",
        "_headers",
        "_idle",
        "_keep",
        "_keep_alive",
        "_parser",
        "_paused",
        "_response",
        "_transport",
        "_unframed",
        "heard",
        "idle_since_s",
        "max_body",
    )

    def __init__(self, keep: "Callable[[Connection], None]", max_body: int) -> None:
        self.heard = False
        self.idle_since_s = 0.0
        self.max_body = max_body
        self._keep = keep
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[Http1Response] | None = None
        self._response: Http1Response | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._unframed = 0
        self._bodyless = False
        self._idle = True
        self._keep_alive = False
        self._paused = False

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._idle and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, head: bytes, body: bytes, *, bodyless: bool) -> Http1Response:
        """Send a request and wait for the head of its answer.

        `bodyless` answers end with their head, whatever it says (those to HEAD).
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionLost("the connection was closed", before_headers=True)
        self._idle = self.heard = False
        self._bodyless = bodyless
        self._unframed = 0
        self._answered = asyncio.get_running_loop().create_future()
        if len(body) < HIGH_WATER:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        try:
            return await self._answered
        except asyncio.CancelledError:
            self.drop()
            raise
        finally:
            self._answered = None

    def drop(self) -> None:
        """Close the connection; its answer is of no interest any more."""
        self._idle = False
        if self._transport is not None:
            self._transport.abort()

    def listen(self) -> None:
        """Read on after a pause."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def release(self) -> None:
        """Give the connection back, if it can serve again.

        It cannot when part of the request is unsent: whoever answered early may not read the rest.
        """
        self._response = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._keep_alive or transport.get_write_buffer_size():
            transport.abort()
            return
        self._idle = True
        self.listen()
        self._keep(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Those of uvloop are transports by shape, not by class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End whatever was going on."""
        if exc is None:
            self._ended()
        else:
            self._lost(type(exc).__name__)
        self._transport = None

    def eof_received(self) -> None:
        """End whatever was going on, now: an unsent rest of the request would delay the close."""
        self._ended()
        self.drop()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._idle:
            # Nobody asked: whatever this is, it would be taken for the next answer.
            self.drop()
            return
        self.heard = True
        self._unframed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            cause = exc.__context__
            self._fail(
                cause if isinstance(cause, BadResponse) else BadResponse("the answer is not HTTP")
            )
        else:
            if self._unframed > MAX_HEAD_BYTES:
                self._fail(BadResponse("the head of the answer is too long"))

    def on_message_begin(self) -> None:
        """Another answer begins: the one we wait for, or one nobody asked for."""
        if self._response is not None:
            raise BadResponse("more than one answer came")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; one that trails a chunked body is skipped."""
        if self._response is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is here: whoever waits for it goes on."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            if status == _SWITCHING_PROTOCOLS or status < _FIRST_STATUS:
                raise BadResponse(f"status {status} answers no request of ours")
            return
        headers = tuple(self._headers)
        if self._unframed > MAX_HEAD_BYTES and _size(headers) > MAX_HEAD_BYTES:
            raise BadResponse("the head of the answer is too long")
        self._response = response = Http1Response(self, status, headers)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(response)
        if self._bodyless:
            self._keep_alive = self._parser.should_keep_alive()
            response.completed()
            # The old one would now wait for the body that the head speaks of.
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, block: bytes) -> None:
        """A block of the body came."""
        response = self._response
        if response is None or response.complete:
            raise BadResponse("a body came that belongs to no answer")
        self._unframed = 0
        if response.came(block) and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is complete; an interim one (1xx) is skipped."""
        response = self._response
        if response is not None and not response.complete:
            self._keep_alive = self._parser.should_keep_alive()
            self._unframed = 0
            response.completed()

    def _ended(self) -> None:
        """The other side has said all it will: the end of a body that has no other end."""
        response = self._response
        if response is not None and not any(
            name in (b"content-length", b"transfer-encoding") for name, _ in response.headers
        ):
            response.completed()
        self._lost("end of file")

    def _lost(self, why: str) -> None:
        self._keep_alive = False
        before_headers = self._response is None
        self._settle(
            ConnectionLost(f"the connection broke off: {why}", before_headers=before_headers)
        )

    def _fail(self, failure: BadResponse) -> None:
        self._settle(failure)
        self.drop()

    def _settle(self, failure: TransportError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(failure)
        if self._response is not None:
            self._response.failed(failure)


def _size(headers: tuple[tuple[bytes, bytes], ...]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
