import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from tests.gateway.conftest import AUTH, CHAT, HI, gateway
from tests.pipeline.conftest import ANSWER, Rig, json_answer
from uvicorn.server import ServerState

from trimtab.gateway import server
from trimtab.gateway.headers import MAX_HEADER_BYTES
from trimtab.gateway.server import BoundedProtocol

KEY = b"authorization: " + AUTH[1] + b"\r\n"


@asynccontextmanager
async def served(
    rig: Rig,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give a connection to a gateway behind the protocol, and nothing else of a server."""
    config = uvicorn.Config(gateway(rig), lifespan="off", server_header=False, log_level="error")
    config.load()
    loop = asyncio.get_running_loop()

    def protocol() -> BoundedProtocol:
        return BoundedProtocol(config=config, server_state=ServerState(), app_state={})

    listener = await loop.create_server(protocol, "127.0.0.1", 0)
    async with listener, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        yield reader, writer
        writer.close()


async def exchange(rig: Rig, *blocks: bytes) -> bytes:
    """Send blocks, and read until the server closes."""
    async with served(rig) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            for block in blocks:
                writer.write(block)
                await writer.drain()
                await asyncio.sleep(0.002)
        return await reader.read()


def post(body: bytes, *, more: bytes = b"connection: close\r\n") -> bytes:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n".encode()
    return head + KEY + more + b"\r\n" + body


@pytest.mark.parametrize("cut", [None, 1, 40, 200])
async def test_answers_however_the_request_is_cut(cut: int | None) -> None:
    request = post(HI)
    blocks = [request] if cut is None else [request[:cut], request[cut:]]

    answer = await exchange(Rig(json_answer()), *blocks)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(ANSWER)


async def test_a_connection_serves_many_requests() -> None:
    rig = Rig(json_answer(), json_answer(), json_answer())

    answer = await exchange(rig, post(HI, more=b""), post(HI, more=b"") + post(HI))

    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert len(rig.finishes) == 3


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([b"x-a: " + b"a" * MAX_HEADER_BYTES], id="in one line"),
        pytest.param([b"x-a: a\r\n" * 100] * (MAX_HEADER_BYTES // 800 + 1), id="in many"),
        pytest.param([b"x-a: " + b"a" * MAX_HEADER_BYTES + b"\r\n\r\n"], id="complete"),
    ],
)
async def test_a_head_is_bounded(blocks: list[bytes]) -> None:
    answer = await exchange(Rig(), b"POST / HTTP/1.1\r\nhost: h\r\n", *blocks)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_head_that_comes_in_one_piece_is_bounded() -> None:
    head = b"POST / HTTP/1.1\r\nx-a: " + b"a" * MAX_HEADER_BYTES + b"\r\n\r\n"

    assert (await exchange(Rig(), head)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("size", [20_000, MAX_HEADER_BYTES - 1])
async def test_a_head_that_ends_too_late_is_bounded(size: int) -> None:
    head = b"POST / HTTP/1.1\r\nx-a: " + b"a" * 40_000 + b"\r\n\r\n"

    assert (await exchange(Rig(), head[:size], head[size:])).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("cut", range(5))
async def test_a_long_body_after_a_head_cut_in_its_end_is_no_long_head(cut: int) -> None:
    body = HI[:-1] + b',"x":"' + b"x" * 9_000 + b'"}'
    request = post(body, more=b"x-a: " + b"a" * 30_000 + b"\r\nconnection: close\r\n")
    end = request.index(b"\r\n\r\n") + cut

    answer = await exchange(Rig(json_answer()), request[:end], request[end:])

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_every_head_of_a_connection_has_the_whole_bound() -> None:
    request = post(HI, more=b"x-a: " + b"a" * 20_000 + b"\r\n")
    blocks = [request[:15_000], request[15_000:], request[:15_000], request[15_000:], post(HI)]

    answer = await exchange(Rig(*[json_answer() for _ in range(3)]), *blocks)

    assert answer.count(b"HTTP/1.1 200 ") == 3


async def test_a_long_body_is_no_long_head() -> None:
    body = HI[:-1] + b',"x":"' + b"x" * 9_000 + b'"}'
    chatty = b"x-a: " + b"a" * (MAX_HEADER_BYTES - 1_000) + b"\r\nconnection: close\r\n"

    answer = await exchange(Rig(json_answer()), post(body, more=chatty))

    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"POST / HT"], id="half a line"),
        pytest.param([b"POST / HTTP/1.1\r\n", b"x-a: a\r\n"], id="half a head"),
    ],
)
async def test_a_head_that_does_not_arrive_is_given_up(
    blocks: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADERS_S", 0.02)

    assert (await exchange(Rig(), *blocks)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_body_that_does_not_arrive_ends_the_connection(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_S", 0.02)
    rig = Rig()
    head = post(HI, more=b"")[: -len(HI)]

    assert await exchange(rig, head, begun) == b""

    assert rig.provider.sent == []
    assert rig.record.error_code == "invalid_request"


async def test_a_slow_answer_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADERS_S", 0.02)
    monkeypatch.setattr(server, "BODY_S", 0.02)
    rig = Rig(json_answer())
    real = rig.provider.send

    async def slow(*args: object, **more: object) -> object:
        await asyncio.sleep(0.06)
        return await real(*args, **more)  # pyright: ignore[reportArgumentType]

    vars(rig.provider)["send"] = slow
    request = post(HI)

    answer = await exchange(rig, request[:-5], request[-5:])

    assert answer.startswith(b"HTTP/1.1 200 ")
