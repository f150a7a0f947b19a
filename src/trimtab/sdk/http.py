"""HTTP with the standard library alone, where nothing takes for ever.

A request has one deadline for all of it, so a server that sends a byte a second is as dead as one
that sends none. Redirects are not followed: they would carry the key elsewhere.
"""

import os
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from trimtab.domain.errors import SettingsInvalid

JSON = "application/json"
MOST_BODY = 2**24
MOST_LINE = 2**16


class NoAnswer(Exception):
    """Nothing came, or not in time, or it was no HTTP."""


class Reply(NamedTuple):
    """What came back."""

    status: int
    content_type: str
    body: bytes


class Wire:
    """One server, and a key for it.

    State: the stream that is open, if one is, and whether there may be one.
    """

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingsInvalid(f"{url!r} is no address of a registry; write http://host:port")
        if not key or not key.isascii() or not key.isprintable():
            raise SettingsInvalid("the key for the registry is empty or broken; give all of it")
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"}
        self._stream: socket.socket | None = None
        self._hung_up = False

    def ask(
        self,
        target: str,
        accept: str,
        timeout_s: float,
        body: bytes | None = None,
        media_type: str = JSON,
    ) -> Reply:
        """Send a request and read all of the answer; a request with a body is a POST.

        Raises:
            NoAnswer: there was none within the time.
        """
        try:
            with self._connected(timeout_s, timeout_s) as (connection, _):
                response = self._send(connection, target, accept, body, media_type)
                said = response.read(MOST_BODY + 1)
        except (OSError, HTTPException, ValueError) as exc:
            raise NoAnswer(type(exc).__name__) from exc
        if len(said) > MOST_BODY:
            raise NoAnswer("too long")
        return Reply(response.status, response.headers.get_content_type(), said)

    def listen(self, target: str, accept: str, silence_s: float) -> Iterator[bytes]:
        """Send a request and give the lines of its answer as they come.

        Raises:
            NoAnswer: it is no answer of this type, it ended, or it was silent for too long.
        """
        try:
            with self._connected(silence_s, None) as (connection, stream):
                self._stream = stream
                if self._hung_up:
                    raise NoAnswer("hung up")
                response = self._send(connection, target, accept, None)
                if (
                    response.status != HTTPStatus.OK
                    or response.headers.get_content_type() != accept
                ):
                    raise NoAnswer("no stream")
                while line := response.readline(MOST_LINE):
                    yield line
        except (OSError, HTTPException, ValueError) as exc:
            raise NoAnswer(type(exc).__name__) from exc
        finally:
            self._stream = None
        raise NoAnswer("ended")

    def hang_up(self) -> None:
        """End the stream, and begin no other."""
        self._hung_up = True
        stream = self._stream
        if stream is not None:
            _shut(stream)

    def forget_stream(self) -> None:
        """Drop what a fork copied of the stream of its parent, and leave the parent's open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            # Readers of the parent's hold the socket open; the descriptor is this process's own.
            os.close(stream.detach())

    @contextmanager
    def _connected(
        self, pause_s: float, whole_s: float | None
    ) -> Generator[tuple[HTTPConnection, socket.socket]]:
        """Connect, and cut the connection when the time for the whole of it is up."""
        connection = self._kind(self._host, self._port, timeout=pause_s)
        late = threading.Event()
        opened: list[socket.socket] = []

        def cut() -> None:
            late.set()
            for each in opened or [connection.sock]:
                _shut(each)

        timer = threading.Timer(whole_s or 0.0, cut)
        timer.daemon = True
        if whole_s is not None:
            timer.start()
        try:
            connection.connect()
            opened.append(connection.sock)
            yield connection, opened[0]
            if late.is_set():
                raise TimeoutError
        finally:
            timer.cancel()
            connection.close()
            for each in opened:
                each.close()

    def _send(
        self,
        connection: HTTPConnection,
        target: str,
        accept: str,
        body: bytes | None,
        media_type: str = JSON,
    ) -> HTTPResponse:
        headers = {**self._headers, "accept": accept}
        if body is not None:
            headers["content-type"] = media_type
        method = "GET" if body is None else "POST"
        connection.request(method, self._path + target, body, headers)
        return connection.getresponse()


def _shut(sock: socket.socket | None) -> None:
    """Wake whoever reads from it; only shutting down does."""
    try:
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
