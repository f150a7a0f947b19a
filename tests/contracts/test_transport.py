"""What every `domain.transport.Transport` must do, judged against real sockets."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.transport import (
    AddressRefused,
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    Origin,
    Transport,
    TransportError,
    render_head,
)
from trimtab.providers.http1 import Http1Transport

IMPLEMENTATIONS: Mapping[str, Callable[[], Transport]] = {"http1": Http1Transport}

HEAD = render_head("POST", "/v1/x", [("host", "t")])
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-Name: v\r\n\r\nhello"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=IMPLEMENTATIONS)
def transport(request: pytest.FixtureRequest) -> Transport:
    return IMPLEMENTATIONS[request.param]()


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[Origin]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(closing, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield Origin(scheme="http", host="127.0.0.1", port=port, allow_private=True)
    finally:
        running.close()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


def answering(*blocks: bytes, keep: bool = True) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_of(reader)
            for block in blocks:
                writer.write(block)
                await writer.drain()
                await asyncio.sleep(0)
            if not keep:
                return

    return serve


async def ask(transport: Transport, origin: Origin, body: bytes = b"{}") -> tuple[int, bytes]:
    response = await transport.send(origin, HEAD, body, connect_timeout_s=5)
    return response.status, await response.body()


async def test_gives_status_headers_and_body(transport: Transport) -> None:
    async with server(answering(OK)) as origin:
        response = await transport.send(origin, HEAD, b"{}", connect_timeout_s=5)

        assert response.status == 200
        assert dict(response.headers)[b"x-name"] == b"v"
        assert await response.body() == b"hello"
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("answer", "keep"),
    [
        pytest.param(OK, True, id="content-length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            True,
            id="chunked",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello", False, id="until the end"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, True, id="after an interim answer"),
    ],
)
async def test_reads_every_framing(transport: Transport, answer: bytes, *, keep: bool) -> None:
    async with server(answering(answer, keep=keep)) as origin:
        assert await ask(transport, origin) == (200, b"hello")
        assert await ask(transport, origin) == (200, b"hello")


async def test_uses_a_connection_again(transport: Transport) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK)(reader, writer)

    async with server(serve) as origin:
        for _ in range(5):
            await ask(transport, origin)

    assert connections == 1


async def test_sends_once_more_when_an_idle_connection_was_closed(transport: Transport) -> None:
    async with server(answering(OK, keep=False)) as origin:
        for _ in range(5):
            assert await ask(transport, origin) == (200, b"hello")


async def test_never_sends_again_what_may_have_been_heard(transport: Transport) -> None:
    heard = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await request_of(reader)
        heard += 1

    async with server(serve) as origin:
        with pytest.raises(ConnectionLost) as raised:
            await ask(transport, origin)

    assert raised.value.before_headers
    assert heard == 1


async def test_a_body_that_is_cut_is_an_error(transport: Transport) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello"
    async with server(answering(answer, keep=False)) as origin:
        response = await transport.send(origin, HEAD, b"", connect_timeout_s=5)

        assert await response.read() == b"hello"
        with pytest.raises(ConnectionLost) as raised:
            await response.read()

    assert not raised.value.before_headers


async def test_closing_wakes_whoever_reads(transport: Transport) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n"
    async with server(answering(answer)) as origin:
        response = await transport.send(origin, HEAD, b"", connect_timeout_s=5)
        reading = asyncio.create_task(response.read())
        await asyncio.sleep(0)

        response.close()

        with pytest.raises(ConnectionLost):
            await reading


async def test_refuses_private_addresses_unless_allowed(transport: Transport) -> None:
    async with server(answering(OK)) as origin:
        shut = Origin(scheme="http", host="127.0.0.1", port=origin.port)

        with pytest.raises(AddressRefused):
            await ask(transport, shut)


async def test_says_when_nobody_listens(transport: Transport) -> None:
    async with server(answering(OK)) as origin:
        pass

    with pytest.raises(ConnectFailed):
        await ask(transport, origin)


async def test_a_head_without_end_is_refused(transport: Transport) -> None:
    long = b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000
    async with server(answering(long)) as origin:
        with pytest.raises(TransportError):
            await ask(transport, origin)


async def test_a_second_answer_that_nobody_asked_for_is_never_read(transport: Transport) -> None:
    async with server(answering(OK + OK.replace(b"hello", b"WRONG"))) as origin:
        for _ in range(3):
            try:
                assert await ask(transport, origin) == (200, b"hello")
            except BadResponse:
                pass


async def test_a_slow_reader_slows_the_sender_down(transport: Transport) -> None:
    size = 64 << 20
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    async with server(serve) as origin:
        response = await transport.send(origin, HEAD, b"", connect_timeout_s=5)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.05)
        assert sent < size / 2
        assert len(await response.body()) == size


async def test_no_stream_hears_another(transport: Transport) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            marker = await request_of(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(20):
                writer.write(b"%x\r\n%b\r\n" % (len(marker), marker))
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")

    chance = random.Random(7)

    async def one(origin: Origin, marker: bytes) -> None:
        response = await transport.send(origin, HEAD, marker, connect_timeout_s=5)
        for _ in range(chance.randrange(25)):
            block = await response.read()
            assert block.replace(marker, b"") == b""
        response.close()

    async with server(serve) as origin:
        for start in range(0, 400, 40):
            await asyncio.gather(
                *(one(origin, b"<%04d>" % number) for number in range(start, start + 40))
            )


@given(cuts=st.lists(st.integers(1, 80), max_size=6))
def test_the_borders_of_packets_mean_nothing(cuts: list[int]) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    )
    edges = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    blocks = [answer[start:end] for start, end in zip(edges, edges[1:], strict=False)]

    async def run() -> None:
        async with server(answering(*blocks)) as origin:
            transport = Http1Transport()
            assert await ask(transport, origin) == (200, b"hello")
            transport.close()

    asyncio.run(run())


@given(garbage=st.binary(max_size=300))
def test_garbage_is_an_error_and_nothing_worse(garbage: bytes) -> None:
    async def run() -> None:
        async with server(answering(b"HTTP/1.1 2" + garbage, keep=False)) as origin:
            try:
                await ask(Http1Transport(), origin)
            except TransportError:
                pass

    asyncio.run(run())


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00"])
def test_a_header_cannot_be_smuggled(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        render_head("POST", "/", [("x", value)])
