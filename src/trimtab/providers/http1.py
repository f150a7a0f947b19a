"""A pooled HTTP/1.1 client: one protocol object a connection, httptools for parsing.

It is on the hot path of every request, so it is ours; see `docs/concepts/speed.md` for what was
measured. A connection goes back to its pool only when its answer was read to the end *and* taken by
its reader: one that is given back earlier hands one caller's events to another.
"""

import asyncio
from collections.abc import Callable

import httptools

from trimtab.domain.transport import BadResponse, ConnectionLost, Origin, TransportError
from trimtab.providers.dial import Resolve, dial, resolve

MAX_HEAD_BYTES = 64 * 1024
HIGH_WATER = 256 * 1024
MAX_IDLE = 256
IDLE_S = 30.0
FIRST_FINAL_STATUS = 200


class Http1Response:
    """One answer. State: blocks that came and were not read, and how it ended."""

    __slots__ = (
        "_blocks",
        "_connection",
        "_ended",
        "_failure",
        "_unread",
        "_waiter",
        "headers",
        "status",
    )

    def __init__(
        self, connection: "_Connection", status: int, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self.status = status
        self.headers = headers
        self._connection: _Connection | None = connection
        self._blocks: list[bytes] = []
        self._unread = 0
        self._ended = False
        self._failure: TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """See `Response.read`."""
        while not self._blocks:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                self._give_back()
                return b""
            await self._wait()
        return self._take()

    async def body(self) -> bytes:
        """See `Response.body`."""
        if self._ended and self._failure is None:
            return self._take()
        blocks: list[bytes] = []
        while block := await self.read():
            blocks.append(block)
        return b"".join(blocks)

    def close(self) -> None:
        """See `Response.close`."""
        connection = self._connection
        if connection is None:
            return
        if self._ended and self._failure is None:
            self._blocks.clear()
            self._give_back()
            return
        self._connection = None
        self.failed(ConnectionLost("the answer was given up", before_headers=False))
        connection.drop()

    def came(self, block: bytes) -> bool:
        """Take a block in; tells whether enough waits unread to slow the sender down."""
        self._blocks.append(block)
        self._unread += len(block)
        self._wake()
        return self._unread > HIGH_WATER

    def ended(self) -> None:
        """The answer is complete."""
        self._ended = True
        self._wake()

    def failed(self, failure: TransportError) -> None:
        """The answer will never be complete."""
        if self._failure is None and not (self._ended and self._connection is None):
            self._failure = failure
            self._wake()

    def _take(self) -> bytes:
        blocks = self._blocks
        data = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        blocks.clear()
        if self._connection is not None:
            self._connection.listen()
        self._unread = 0
        if self._ended:
            self._give_back()
        return data

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class _Connection(asyncio.Protocol):
    """One connection. State: the answer being read, or none while it idles.

    Attributes:
        idle_since_s: Loop time at which it was given back.
    """

    __slots__ = (
        "_answered",
        "_head_bytes",
        "_headers",
        "_idle",
        "_keep_alive",
        "_parser",
        "_paused",
        "_release",
        "_response",
        "_to_the_end",
        "_transport",
        "heard",
        "idle_since_s",
    )

    def __init__(self, release: "Callable[[_Connection], None]") -> None:
        self._release = release
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[Http1Response] | None = None
        self._response: Http1Response | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._idle = True
        self._keep_alive = False
        self._to_the_end = False
        self._paused = False
        self.heard = False
        self.idle_since_s = 0.0

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._idle and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, body: bytes) -> Http1Response:
        """Send a request and wait for the head of its answer."""
        transport = self._transport
        if transport is None:
            raise ConnectionLost("the connection was closed", before_headers=True)
        self._idle = False
        self.heard = False
        self._answered = asyncio.get_running_loop().create_future()
        if len(body) < HIGH_WATER:
            transport.write(request + body)
        else:
            transport.writelines((request, body))
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
        """Give the connection back, if it can serve again."""
        self._response = None
        if self._transport is None:
            return
        if self._keep_alive and not self._transport.is_closing():
            self._idle = True
            self.listen()
            self._release(self)
        else:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(type(transport).__name__)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """End whatever was going on."""
        self._transport = None
        if exc is None and self._to_the_end and self._response is not None:
            self._keep_alive = False
            self._response.ended()
        else:
            self._fail(
                ConnectionLost(
                    f"the connection broke off ({type(exc).__name__})",
                    before_headers=self._response is None,
                )
            )

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._idle:
            # Nobody asked: whatever this is, it would be taken for the next answer.
            self.drop()
            return
        self.heard = True
        if self._response is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            cause = exc.__context__
            failure = cause if isinstance(cause, TransportError) else None
            self._fail(failure or BadResponse("the answer is not HTTP"))
            self.drop()
            return
        if self._response is None and self._head_bytes > MAX_HEAD_BYTES:
            self._fail(BadResponse("the head of the answer is too long"))
            self.drop()

    def on_message_begin(self) -> None:
        """Another answer begins: the one we wait for, or one nobody asked for."""
        if self._response is not None:
            self._keep_alive = False
            raise BadResponse("more than one answer came")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is here: whoever waits for it goes on."""
        status = self._parser.get_status_code()
        if status < FIRST_FINAL_STATUS:
            return
        self._head_bytes = 0
        headers = tuple(self._headers)
        framed = {name for name, _ in headers} & {b"content-length", b"transfer-encoding"}
        self._to_the_end = not framed and status not in (204, 304)
        self._response = response = Http1Response(self, status, headers)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(response)

    def on_body(self, block: bytes) -> None:
        """A block of the body came."""
        if (
            self._response is not None
            and self._response.came(block)
            and self._transport is not None
        ):
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is complete; an interim one (1xx) is skipped."""
        if self._response is not None:
            self._keep_alive = self._parser.should_keep_alive()
            self._response.ended()

    def _fail(self, failure: TransportError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(failure)
        if self._response is not None:
            self._response.failed(failure)


class Http1Transport:
    """`domain.transport.Transport` over pooled connections. State: the idle ones, by origin."""

    def __init__(self, resolve_name: Resolve = resolve) -> None:
        self._resolve = resolve_name
        self._idle: dict[Origin, list[_Connection]] = {}

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Http1Response:
        """See `Transport.send`.

        A connection that was idle may have been closed by the other side unseen; if it dies
        before a single byte of answer, the request is sent once more on a fresh one.
        """
        length = b"content-length: %d\r\n\r\n" % len(body)
        request = head + (b"\r\n" if not body and head.startswith(b"GET ") else length)
        reused = self._take(origin)
        if reused is not None:
            try:
                return await reused.exchange(request, body)
            except ConnectionLost:
                if reused.heard:
                    raise
        fresh = await dial(
            lambda: _Connection(lambda idle: self._keep(origin, idle)),
            origin,
            connect_timeout_s,
            self._resolve,
        )
        return await fresh.exchange(request, body)

    def close(self) -> None:
        """Close all idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.drop()
        self._idle.clear()

    def _take(self, origin: Origin) -> _Connection | None:
        """Give the connection that was used last: the others may grow old and be closed."""
        connections = self._idle.get(origin)
        while connections:
            connection = connections.pop()
            if connection.usable:
                return connection
        return None

    def _keep(self, origin: Origin, connection: _Connection) -> None:
        connections = self._idle.setdefault(origin, [])
        now_s = asyncio.get_running_loop().time()
        connection.idle_since_s = now_s
        connections.append(connection)
        while connections and (
            len(connections) > MAX_IDLE or connections[0].idle_since_s < now_s - IDLE_S
        ):
            connections.pop(0).drop()
