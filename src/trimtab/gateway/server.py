"""The HTTP server under the gateway: uvicorn, with bounds on what a slow or wordy client may do."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trimtab.gateway.app import Gateway
from trimtab.gateway.headers import MAX_HEADER_BYTES

HEADERS_S = 15.0
BODY_S = 40.0
BACKLOG = 4096
KEEP_ALIVE_S = 75

_LAST = 3
_TOO_LONG = b"431 Request Header Fields Too Large"


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request is too long in its head or too slow (slow loris).

    State: bytes of an unfinished head and the last of them, what of a request is being read, and
    the timer that runs until it is complete. A request that comes in one piece starts no timer.
    """

    _head_bytes = 0
    _head_end = b""
    _in_head = False
    _in_body = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A client connected: the clock for its first head runs."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._head_done()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request line begins."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head_done()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete."""
        self._in_body = False
        self._stop_waiting()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Some bytes came; those of an unfinished head are counted."""
        # Between two requests the last cycle stays; before the first there is none, whatever
        # uvicorn's annotation says.
        if self._patience is None and getattr(self.cycle, "response_complete", True):
            self._wait_for_head()
        if self._head_bytes + len(data) > MAX_HEADER_BYTES and self._goes_on_too_long(data):
            self._refuse(_TOO_LONG)
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            self._head_end = data[-_LAST:]
        if self._in_body and self._patience is None:
            # The gateway gives up a slow body before; this is for one that never begins.
            self._patience = self.loop.call_later(BODY_S, self.transport.close)

    def _goes_on_too_long(self, data: bytes) -> bool:
        """Whether a head does not end in a block that could take it past its bound."""
        if self._in_body:
            return False
        left = MAX_HEADER_BYTES - self._head_bytes + len(self._head_end)
        return (self._head_end + data).find(b"\r\n\r\n", 0, left) < 0

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEADERS_S, self._refuse, b"408 Request Timeout")

    def _head_done(self) -> None:
        self._in_head = False
        self._head_bytes, self._head_end = 0, b""
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: bytes) -> None:
        self._head_done()
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.close()


class DrainingServer(uvicorn.Server):
    """Tells the gateway when it is asked to stop, before connections are closed."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking requests, let running ones end."""
        self._on_stop()
        await super().shutdown(sockets)


def serve(gateway: Gateway, listener: socket.socket, *, drain_s: float) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT; running requests get `drain_s` seconds."""
    config = uvicorn.Config(
        gateway,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(drain_s)),
    )
    DrainingServer(config, gateway.drain).run([listener])
