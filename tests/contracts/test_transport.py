"""What every `domain.transport.Transport` must do, judged against real sockets, on both loops."""

import asyncio
import contextlib
import functools
import inspect
import random
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvloop

from trimtab.domain.transport import (
    AddressRefused,
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    Origin,
    Poked,
    Transport,
    TransportError,
    render_head,
)
from trimtab.providers.http1 import Http1Transport


class Closable(Transport, Protocol):
    def close(self) -> None: ...


IMPLEMENTATIONS: Mapping[str, Callable[[], Closable]] = {"http1": Http1Transport}
LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

HEAD = render_head("POST", "/v1/x", [("host", "t")])
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-Name: v\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n"


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on the loop of production and on the one of the standard library."""

    @pytest.mark.parametrize("loop", LOOPS)
    @functools.wraps(test)
    def run(*, loop: str, **fixtures: object) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(test(**fixtures))

    taken = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__dict__["__signature__"] = taken.replace(parameters=[*taken.parameters.values(), loop])
    return run


def promise(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Judge each implementation, on each loop; gives the test its `transport`."""

    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    @functools.wraps(test)
    async def judge(*, implementation: str, **fixtures: object) -> None:
        transport = IMPLEMENTATIONS[implementation]()
        try:
            await test(transport=transport, **fixtures)
        finally:
            transport.close()
            await asyncio.sleep(0)

    taken = inspect.signature(test)
    others = [it for it in taken.parameters.values() if it.name != "transport"]
    name = inspect.Parameter("implementation", inspect.Parameter.KEYWORD_ONLY)
    judge.__dict__["__signature__"] = taken.replace(
        parameters=[*(it.replace(kind=inspect.Parameter.KEYWORD_ONLY) for it in others), name]
    )
    return on_each_loop(judge)


@dataclass
class Peer:
    """A connection as the scripted server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: "Upstream"

    async def request(self) -> bytes:
        """Read a request; gives its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await self.reader.readexactly(int(length or b"0"))
        self.upstream.heard.append(head + body)
        self.upstream.requests.release()
        return body

    async def say(self, *blocks: bytes) -> None:
        """Send blocks one by one."""
        for block in blocks:
            self.writer.write(block)
            await self.writer.drain()

    async def hung_up(self) -> None:
        """Wait until the client has closed."""
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass
        self.upstream.hang_ups.release()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Upstream:
    """A scripted server.

    State: what it heard, from how many connections; `requests` and `hang_ups` can be waited for.
    """

    origin: Origin
    connections: int = 0
    heard: list[bytes] = field(default_factory=list[bytes])
    requests: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    hang_ups: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))


@asynccontextmanager
async def serving(
    script: Script, *, path: Path | None = None, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Upstream]:
    """Run a script for each connection; a script that returns closes its connection."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        try:
            await script(Peer(reader, writer, upstream))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    if path is not None:
        server = await asyncio.start_unix_server(accept, path)
        upstream = Upstream(Origin(scheme="unix", host=str(path)))
    else:
        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        scheme = "https" if tls else "http"
        upstream = Upstream(Origin(scheme=scheme, host="127.0.0.1", port=port, allow_private=True))
    try:
        yield upstream
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def answering(*blocks: bytes, keep: bool = True) -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(*blocks)
            if not keep:
                return

    return script


async def ask(transport: Transport, origin: Origin, body: bytes = b"{}") -> tuple[int, bytes]:
    response = await transport.send(origin, HEAD, body, connect_timeout_s=5)
    return response.status, await response.body()


@promise
async def test_gives_status_headers_and_body(transport: Transport) -> None:
    async with serving(answering(OK)) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"{}", connect_timeout_s=5)

        assert response.status == 200
        assert response.headers == ((b"content-length", b"5"), (b"x-name", b"v"))
        assert await response.body() == b"hello"
        assert await response.read() == b""
        assert await response.body() == b""


@pytest.mark.parametrize(
    ("answer", "expected", "keep"),
    [
        pytest.param(OK, (200, b"hello"), True, id="content-length"),
        pytest.param(
            CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\ntrailer: t\r\n\r\n",
            (200, b"hello"),
            True,
            id="chunked",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhello", (200, b"hello"), False, id="until the end"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nhello", (200, b"hello"), False, id="HTTP/1.0"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,
            (200, b"hello"),
            True,
            id="after interim answers",
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", (204, b""), True, id="204"),
        pytest.param(
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", (304, b""), True, id="304"
        ),
        pytest.param(
            b"HTTP/1.1 307 Elsewhere\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            (307, b""),
            True,
            id="a redirect is an answer",
        ),
        pytest.param(
            OK.replace(b"X-Name: v", b"connection: close"), (200, b"hello"), False, id="close"
        ),
    ],
)
@promise
async def test_reads_every_framing(
    transport: Transport, answer: bytes, expected: tuple[int, bytes], *, keep: bool
) -> None:
    async with serving(answering(answer, keep=keep)) as upstream:
        for _ in range(2):
            assert await ask(transport, upstream.origin) == expected

    assert upstream.connections == (1 if keep else 2)
    assert len(upstream.heard) == 2


@promise
async def test_an_answer_to_head_has_no_body_whatever_it_says(transport: Transport) -> None:
    head = render_head("HEAD", "/", [("host", "t")])
    async with serving(answering(OK.removesuffix(b"hello"))) as upstream:
        for _ in range(2):
            response = await transport.send(upstream.origin, head, b"", connect_timeout_s=5)
            assert (response.status, await response.body()) == (200, b"")

    assert upstream.heard == [head + b"\r\n"] * 2
    assert upstream.connections == 1


@promise
async def test_a_body_that_follows_an_answer_to_head_is_never_read(transport: Transport) -> None:
    head = render_head("HEAD", "/", [("host", "t")])
    async with serving(answering(OK)) as upstream:
        for _ in range(2):
            response = await transport.send(upstream.origin, head, b"", connect_timeout_s=5)
            assert (response.status, await response.body()) == (200, b"")

    assert upstream.connections == 2


@promise
async def test_sends_the_length_unless_there_is_nothing_to_get(transport: Transport) -> None:
    get = render_head("GET", "/", [("host", "t")])
    async with serving(answering(OK)) as upstream:
        for head in (get, HEAD):
            response = await transport.send(upstream.origin, head, b"", connect_timeout_s=5)
            await response.body()

    assert upstream.heard == [get + b"\r\n", HEAD + b"content-length: 0\r\n\r\n"]


@promise
async def test_speaks_over_unix_sockets(transport: Transport, tmp_path: Path) -> None:
    async with serving(answering(OK), path=tmp_path / "socket") as upstream:
        assert await ask(transport, upstream.origin) == (200, b"hello")


@promise
async def test_uses_a_connection_again(transport: Transport) -> None:
    async with serving(answering(OK)) as upstream:
        for _ in range(5):
            await ask(transport, upstream.origin)

    assert upstream.connections == 1


@promise
async def test_an_answer_is_whole_though_its_connection_is_gone(transport: Transport) -> None:
    async with serving(answering(OK, keep=False)) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"", connect_timeout_s=5)
        # Another exchange on the same loop: by its end the first connection's end was seen.
        await ask(transport, upstream.origin)

        assert await response.body() == b"hello"


@promise
async def test_sends_once_more_when_an_idle_connection_was_closed(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.reader.readexactly(1)
        # Closing with something unread makes it a reset.

    async with serving(script) as upstream:
        for _ in range(5):
            assert await ask(transport, upstream.origin) == (200, b"hello")


@promise
async def test_never_sends_again_on_a_fresh_connection(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with serving(script) as upstream:
        with pytest.raises(ConnectionLost) as raised:
            await ask(transport, upstream.origin)

    assert raised.value.before_headers
    assert len(upstream.heard) == 1


@promise
async def test_never_sends_again_once_a_byte_was_heard(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(b"HTTP/1.")

    async with serving(script) as upstream:
        await ask(transport, upstream.origin)
        with pytest.raises(ConnectionLost) as raised:
            await ask(transport, upstream.origin)

    assert raised.value.before_headers
    assert len(upstream.heard) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(LONG + b"hello", id="content-length"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n", id="chunked"),
    ],
)
@promise
async def test_a_body_that_is_cut_is_an_error(transport: Transport, answer: bytes) -> None:
    async with serving(answering(answer, keep=False)) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"", connect_timeout_s=5)

        assert await response.read() == b"hello"
        for _ in range(2):
            with pytest.raises(ConnectionLost) as raised:
                await response.read()
            assert not raised.value.before_headers


@promise
async def test_half_of_a_cut_body_is_never_given_as_the_whole(transport: Transport) -> None:
    async with serving(answering(LONG + b"hello", keep=False)) as upstream:
        with pytest.raises(ConnectionLost):
            await ask(transport, upstream.origin)


async def _silent_after(peer: Peer, said: bytes) -> None:
    await peer.request()
    await peer.say(said)
    await peer.hung_up()


@promise
async def test_closing_wakes_whoever_reads_and_hangs_up(transport: Transport) -> None:
    async with serving(lambda peer: _silent_after(peer, LONG)) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"", connect_timeout_s=5)
        reading = asyncio.create_task(response.read())
        await asyncio.sleep(0)

        response.close()
        response.close()

        with pytest.raises(ConnectionLost):
            await reading
        await upstream.hang_ups.acquire()


async def _pausing(peer: Peer, let: asyncio.Event) -> None:
    await peer.request()
    await peer.say(LONG)
    await let.wait()
    await peer.say(b"0123456789" * 5)


@promise
async def test_a_reader_that_is_poked_looks_up_and_reads_on(transport: Transport) -> None:
    let = asyncio.Event()
    async with serving(lambda peer: _pausing(peer, let)) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"", connect_timeout_s=5)
        reading = asyncio.create_task(response.read())
        await asyncio.sleep(0)
        response.poke()
        with pytest.raises(Poked):
            await reading

        response.poke()
        let.set()

        assert await response.body() == b"0123456789" * 5


@promise
async def test_cancelling_a_read_hangs_up(transport: Transport) -> None:
    async with serving(lambda peer: _silent_after(peer, LONG)) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"", connect_timeout_s=5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await response.read()

        await upstream.hang_ups.acquire()


@promise
async def test_cancelling_a_request_hangs_up(transport: Transport) -> None:
    async with serving(lambda peer: _silent_after(peer, b"")) as upstream:
        sending = asyncio.create_task(ask(transport, upstream.origin))
        await upstream.requests.acquire()

        sending.cancel()

        with pytest.raises(asyncio.CancelledError):
            await sending
        await upstream.hang_ups.acquire()


@promise
async def test_refuses_private_addresses_unless_allowed(transport: Transport) -> None:
    async with serving(answering(OK)) as upstream:
        shut = Origin(scheme="http", host="127.0.0.1", port=upstream.origin.port)

        with pytest.raises(AddressRefused, match=r"'127\.0\.0\.1' leads to a private address"):
            await ask(transport, shut)

    assert upstream.connections == 0


@promise
async def test_says_when_nobody_listens(transport: Transport) -> None:
    async with serving(answering(OK)) as upstream:
        pass

    with pytest.raises(ConnectFailed):
        await ask(transport, upstream.origin)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, id="a header without end"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 30_000 + b"\r\n", id="many headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 9_000, id="interim answers without end"),
        pytest.param(CHUNKED + b"0\r\n" + b"x: y\r\n" * 30_000, id="trailers without end"),
        pytest.param(CHUNKED + b"1;" + b"x" * 200_000, id="a chunk extension without end"),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", id="an upgrade"
        ),
        pytest.param(OK.replace(b"200", b"101"), id="an upgrade to nothing"),
        pytest.param(OK.replace(b"200", b"099"), id="no status"),
        pytest.param(
            OK.replace(b"X-Name: v", b"transfer-encoding: chunked"), id="framed in two ways"
        ),
        pytest.param(OK.replace(b"X-Name: v", b"content-length: 6"), id="two lengths"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol"),
    ],
)
@promise
async def test_what_is_no_answer_is_refused(transport: Transport, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        with contextlib.suppress(OSError):
            await peer.say(answer)
        await peer.hung_up()

    async with serving(script) as upstream:
        with pytest.raises(BadResponse):
            await ask(transport, upstream.origin)
        await upstream.hang_ups.acquire()


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(OK.replace(b"hello", b"WRONG"), id="an answer"),
        pytest.param(b"H", id="the first byte of one"),
        pytest.param(b"\x00", id="garbage"),
    ],
)
@promise
async def test_what_nobody_asked_for_is_never_read(transport: Transport, extra: bytes) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(OK + extra)

    async with serving(script) as upstream:
        for _ in range(5):
            assert await ask(transport, upstream.origin) == (200, b"hello")

    assert upstream.connections == 5


@promise
async def test_what_comes_unasked_to_an_idle_connection_is_never_read(
    transport: Transport,
) -> None:
    async def script(peer: Peer) -> None:
        if await peer.request() == b"first":
            await peer.say(OK)
            await peer.say(OK.replace(b"hello", b"WRONG"))
            await peer.hung_up()
        else:
            await peer.say(OK)

    async with serving(script) as upstream:
        await ask(transport, upstream.origin, b"first")
        await upstream.hang_ups.acquire()

        assert await ask(transport, upstream.origin) == (200, b"hello")


@promise
async def test_an_early_answer_to_a_large_request_is_given(transport: Transport) -> None:
    refusal = OK.replace(b"200 OK", b"413 Too Large")

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(refusal)
        await peer.hung_up()

    async with serving(script) as upstream:
        for _ in range(2):
            assert await ask(transport, upstream.origin, bytes(32 << 20)) == (413, b"hello")

    assert upstream.connections == 2


@promise
async def test_an_early_answer_is_given_though_the_rest_is_not_read(transport: Transport) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\n\r\nhello"

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(refusal)
        peer.writer.write_eof()
        await asyncio.Event().wait()

    async with serving(script) as upstream:
        assert await ask(transport, upstream.origin, bytes(32 << 20)) == (413, b"hello")


@promise
async def test_a_slow_reader_slows_the_sender_down(transport: Transport) -> None:
    size = 128 << 20
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        if await peer.request():
            await peer.say(OK)
            return
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            sent += 65536
            await peer.say(bytes(65536))

    async with serving(script) as upstream:
        response = await transport.send(upstream.origin, HEAD, b"", connect_timeout_s=5)
        before = -1
        while before != sent:
            before = sent
            for _ in range(20):
                await ask(transport, upstream.origin)
        assert 0 < sent < size / 2
        assert len(await response.body()) == size


@promise
async def test_no_stream_hears_another(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        while True:
            marker = await peer.request()
            await peer.say(CHUNKED)
            for _ in range(20):
                await peer.say(b"%x\r\n%b\r\n" % (len(marker), marker))
                await asyncio.sleep(0)
            await peer.say(b"0\r\n\r\n")

    # Repeatable on purpose: it only picks where callers hang up.
    chance = random.Random(7)  # noqa: S311

    async def one(origin: Origin, marker: bytes) -> None:
        response = await transport.send(origin, HEAD, marker, connect_timeout_s=5)
        heard = b""
        for _ in range(chance.randrange(25)):
            heard += await response.read()
        response.close()
        assert heard == marker * (len(heard) // len(marker))

    async with serving(script) as upstream:
        for start in range(0, 800, 40):
            async with asyncio.TaskGroup() as group:
                for number in range(start, start + 40):
                    group.create_task(one(upstream.origin, b"<%04d>" % number))

    assert upstream.connections < 800


@promise
async def test_every_failure_is_one_of_ours(transport: Transport, tmp_path: Path) -> None:
    origins = [
        Origin(scheme="unix", host=str(tmp_path / "nobody")),
        Origin(scheme="http", host="x" * 80 + ".invalid", port=80),
        Origin(scheme="http", host="a\x00b", port=80),
        Origin(scheme="https", host="127.0.0.1", port=1, ca_file="/nowhere", allow_private=True),
        Origin(scheme="https", host="t", port=1, proxy="nonsense"),
        Origin(scheme="https", host="t", port=1, proxy="http://127.0.0.1:99999"),
    ]
    for origin in origins:
        with pytest.raises(TransportError):
            await ask(transport, origin)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\x00"])
def test_a_header_cannot_be_smuggled(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        render_head("POST", "/", [("x", value)])


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "no/slash", "/\x7f"])
def test_a_request_line_cannot_be_smuggled(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        render_head("POST", path, [])
