import socket
import threading
from collections.abc import Callable, Generator
from typing import Protocol

import pytest

from trimtab.sdk.http import NoAnswer, Wire

Answer = Callable[[socket.socket], None]


class Serve(Protocol):
    def __call__(self, answer: Answer, heard: list[bytes] | None = None) -> Wire: ...


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"


@pytest.fixture
def serve() -> Generator[Serve]:
    """Serves one connection with a function."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(answer: Answer, heard: list[bytes] | None = None) -> Wire:
        def run() -> None:
            connection, _ = server.accept()
            with connection:
                asked = connection.recv(2**16)
                if heard is not None:
                    heard.append(asked)
                answer(connection)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return Wire(f"http://127.0.0.1:{server.getsockname()[1]}/path/", "key")

    yield start
    for thread in threads:
        thread.join()
    server.close()


def _in_drips(connection: socket.socket) -> None:
    pause = threading.Event()
    try:
        connection.sendall(HEAD)
        for _ in range(200):
            connection.sendall(b".")
            pause.wait(0.02)
    except OSError:
        return


def test_gives_the_whole_answer(serve: Serve) -> None:
    wire = serve(lambda it: it.sendall(HEAD + b"hello"))

    assert wire.ask("/x", "text/plain", 5.0) == (200, "text/plain", b"hello")


def test_half_an_answer_is_none_though_nobody_said_how_long_it_is(serve: Serve) -> None:
    wire = serve(_in_drips)

    with pytest.raises(NoAnswer):
        wire.ask("/x", "text/plain", 0.1)


def test_sends_the_key_and_what_it_takes(serve: Serve) -> None:
    wire = serve(lambda it: it.sendall(HEAD), heard := list[bytes]())

    wire.ask("/x", "text/plain", 5.0)

    lines = heard[0].split(b"\r\n")
    assert lines[0] == b"GET /path/x HTTP/1.1"
    assert {b"authorization: Bearer key", b"accept: text/plain"} <= set(lines)


def test_hanging_up_ends_a_silent_stream(serve: Serve) -> None:
    gone = threading.Event()

    def silent(connection: socket.socket) -> None:
        connection.sendall(HEAD + b": hello\n")
        connection.recv(1)
        gone.set()

    wire = serve(silent)
    lines = wire.listen("/x", "text/plain", 60.0)
    first = next(lines)

    wire.hang_up()

    assert first == b": hello\n"
    with pytest.raises(NoAnswer):
        next(lines)
    assert gone.wait(5.0)


def test_silence_ends_a_stream(serve: Serve) -> None:
    def silent(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        connection.recv(1)

    wire = serve(silent)

    with pytest.raises(NoAnswer):
        next(wire.listen("/x", "text/plain", 0.05))
