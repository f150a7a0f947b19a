import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.gateway.conftest import Caller, call, gateway, scope
from tests.pipeline.conftest import Rig

from trimtab.domain.transport import Origin
from trimtab.gateway import forward as module
from trimtab.gateway.forward import Forward
from trimtab.providers.http1 import Http1Transport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\nhi"


class Keeper:
    """Answers every request with the same bytes, and remembers what it heard."""

    def __init__(self, answer: bytes) -> None:
        self.heard: list[bytes] = []
        self.hung_up = asyncio.Event()
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        self.heard.append(head + await reader.readexactly(length))
        writer.write(self._answer)
        await writer.drain()
        await reader.read()
        self.hung_up.set()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(tmp_path: Path, serve: Serve) -> AsyncGenerator[Forward]:
    path, transport = tmp_path / "keeper.sock", Http1Transport()
    running: set[asyncio.Task[None]] = set()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        await serve(reader, writer)
        writer.close()

    async with await asyncio.start_unix_server(begin, path):
        yield Forward(transport, Origin(scheme="unix", host=str(path)))
        transport.close()
        if running:
            await asyncio.wait(running)


@asynccontextmanager
async def keeper(tmp_path: Path, answer: bytes = OK) -> AsyncGenerator[tuple[Keeper, Forward]]:
    served = Keeper(answer)
    async with listening(tmp_path, served) as forward:
        yield served, forward


async def test_passes_a_page_of_the_console_on(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (served, forward):
        answer = await call(gateway(Rig(), forward), "GET", "/console/requests", headers=())

    assert (answer.status, answer.body) == (200, b"hi")
    assert served.heard[0].startswith(b"GET /console/requests HTTP/1.1\r\n")


async def test_a_header_that_cannot_be_passed_on_is_the_callers_fault(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (served, forward):
        answer = await call(gateway(Rig(), forward), "GET", "/console", headers=[(b"a", b"b\tc")])

    assert answer.status == 400
    assert answer.body == b"header cannot be sent: 'a'; take control characters out of it\n"
    assert served.heard == []


async def test_passes_a_form_on_with_its_headers_and_its_query(tmp_path: Path) -> None:
    headers = [
        (b"host", b"trimtab.example"),
        (b"cookie", b"session=1"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"7"),
        (b"connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"x-trimtab-client", b"10.0.0.1"),
    ]
    async with keeper(tmp_path) as (served, forward):
        caller = Caller([b"tenant", b"=a"])
        request = scope("POST", "/admin/v1/tenants", headers, b"for=2h&x=%2F")
        await forward(request, caller.receive, caller.send)

    head, _, body = served.heard[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /admin/v1/tenants?for=2h&x=%2F HTTP/1.1"
    assert {b"host: trimtab.example", b"cookie: session=1"} < set(lines)
    assert [line for line in lines if line.startswith(b"x-trimtab-client")] == [
        b"x-trimtab-client: 192.0.2.7"
    ]
    assert [line for line in lines if line.startswith(b"content-length")] == [b"content-length: 8"]
    assert not any(line.startswith((b"connection", b"transfer-encoding")) for line in lines)
    assert body == b"tenant=a"


async def test_every_header_of_the_answer_comes_back_but_those_of_the_hop(tmp_path: Path) -> None:
    chunked = (
        b"HTTP/1.1 303 See Other\r\nlocation: /console\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
        b"transfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    )
    async with keeper(tmp_path, chunked) as (_, forward):
        caller = Caller([b""])
        await forward(scope("GET", "/console"), caller.receive, caller.send)

    assert caller.answer.status == 303
    assert caller.answer.body == b"hi"
    assert caller.sent[0]["headers"] == [
        (b"location", b"/console"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]


async def test_says_so_if_the_keeper_is_away(tmp_path: Path) -> None:
    forward = Forward(Http1Transport(), Origin(scheme="unix", host=str(tmp_path / "none.sock")))

    answer = await call(gateway(Rig(), forward), "GET", "/", headers=())

    assert answer.status == 503
    assert b"trimtab keeper" in answer.body


async def test_a_form_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY", 10)
    async with keeper(tmp_path) as (served, forward):
        answer = await call(
            gateway(Rig(), forward), "POST", "/console/login", b"12345", b"678901", headers=()
        )

    assert (answer.status, served.heard) == (413, [])


async def test_a_form_that_does_not_arrive_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPLOAD_S", 0.01)
    async with keeper(tmp_path) as (served, forward):
        caller = Caller([b"pass"], ends=False)
        await forward(scope("POST", "/console/login"), caller.receive, caller.send)

    assert (caller.answer.status, served.heard) == (408, [])


async def test_a_form_that_was_cut_short_does_nothing(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (served, forward):
        caller = Caller([b"tenant=a"], ends=False, hangs_up=True)
        await forward(scope("POST", "/admin/v1/tenants"), caller.receive, caller.send)

    assert (caller.sent, served.heard) == ([], [])


async def test_a_reader_who_leaves_an_endless_page_ends_it(tmp_path: Path) -> None:
    endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
    async with keeper(tmp_path, endless) as (served, forward):
        caller = Caller([b""], hangs_up=True)
        async with asyncio.timeout(1):
            await forward(scope("GET", "/console/live"), caller.receive, caller.send)
            await served.hung_up.wait()

    assert caller.sent[0]["status"] == 200


async def test_a_keeper_that_dies_in_its_answer_cuts_it(tmp_path: Path) -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi")

    caller = Caller([b""])
    async with listening(tmp_path, die) as forward:
        await forward(scope("GET", "/console"), caller.receive, caller.send)

    assert [bool(message.get("more_body")) for message in caller.sent] == [False, True]


async def test_a_request_that_could_smuggle_another_is_not_passed_on(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (served, forward):
        caller = Caller([b""])
        headers = [(b"x-note", b"a\r\nx-trimtab-client: 127.0.0.1")]
        await forward(scope("GET", "/console", headers), caller.receive, caller.send)

    assert (caller.answer.status, served.heard) == (400, [])


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/", True),
        ("/console", True),
        ("/console/x", True),
        ("/admin/v1/tenants", True),
        ("/admin", False),
        ("/v1/chat/completions", False),
        ("/metrics", True),
        ("/metrics/x", False),
    ],
)
def test_takes_what_is_the_keepers(*, path: str, taken: bool) -> None:
    forward = Forward(Http1Transport(), Origin(scheme="unix", host="/x"))

    assert forward.takes(path) == taken
