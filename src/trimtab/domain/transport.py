"""The seam to HTTP: one verb, `send`, behind which any client may stand."""

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import urlsplit

from msgspec import Struct


class TransportError(Exception):
    """An exchange failed below HTTP."""


class ConnectFailed(TransportError):
    """No connection was made, so nothing was sent."""


class ConnectTimedOut(ConnectFailed):
    """No connection was made in time."""


class AddressRefused(ConnectFailed):
    """The name leads to an address that may not be called."""


class ConnectionLost(TransportError):
    """The connection ended before the answer did.

    Attributes:
        before_headers: Whether not even the head of the answer had come.
    """

    def __init__(self, message: str, *, before_headers: bool) -> None:
        super().__init__(message)
        self.before_headers = before_headers


class BadResponse(TransportError):
    """What came back is not HTTP, or larger than any answer may be."""


class Poked(Exception):
    """Somebody asked a reader that waits to look up; nothing is wrong, and it may read on."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a connection leads.

    Attributes:
        scheme: `http`, `https` or `unix`; `litellm` for providers that it knows by name.
        host: Host name or address; the path of the socket for `unix`.
        allow_private: Whether loopback, private and link-local addresses may be called.
        ca_file: PEM file of one more trusted root.
        proxy: URL of an HTTP proxy that tunnels by CONNECT.
    """

    scheme: str
    host: str
    port: int = 0
    allow_private: bool = False
    ca_file: str | None = None
    proxy: str | None = None


class Response(Protocol):
    """An answer whose head has come. Header names are in lower case, in order."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Headers as sent, names in lower case."""
        ...

    async def read(self) -> bytes:
        """Give the next bytes of the body as they came, joined if several wait; b"" at the end.

        Raises:
            ConnectionLost: the connection ended first, or `close` was called.
            BadResponse: the body's framing is broken.
            Poked: `poke` was called while this waited.
        """
        ...

    def poke(self) -> None:
        """Make a `read` that waits raise `Poked`; without one, do nothing."""
        ...

    async def body(self) -> bytes:
        """Give all that is left of the body. Raises as `read`."""
        ...

    def close(self) -> None:
        """Give up; a connection that was not read to the end is closed. Safe twice."""
        ...


class Transport(Protocol):
    """Sends requests over pooled connections."""

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Response:
        """Send a request and give its answer as soon as the answer's head has come.

        `head` is request line and headers without content-length and the empty line.

        Raises:
            ConnectFailed: nothing was sent.
            ConnectionLost, BadResponse: the answer did not come, or is not one.
        """
        ...


def origin_of(
    url: str,
    *,
    allow_private: bool = False,
    ca_file: str | None = None,
    proxy: str | None = None,
) -> Origin:
    """Tell where a URL leads.

    Raises:
        ValueError: it is no http:// or https:// URL with a host and a port that can be.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http:// or https:// URL")
    return Origin(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        allow_private=allow_private,
        ca_file=ca_file,
        proxy=proxy,
    )


def render_head(method: str, path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write request line and headers for `Transport.send`.

    Raises:
        ValueError: a control character or a blank in the wrong place could smuggle a header.
    """
    if not path.startswith("/") or any(char <= " " or char == "\x7f" for char in path + method):
        raise ValueError(f"method or path cannot be sent: {method[:16]!r}")
    lines = [f"{method} {path} HTTP/1.1\r\n"]
    for name, value in headers:
        text = f"{name}: {value}"
        if not name or " " in name or any(char < " " or char == "\x7f" for char in text):
            raise ValueError(f"header cannot be sent: {name[:64]!r}")
        lines.append(text + "\r\n")
    return "".join(lines).encode("latin-1")
