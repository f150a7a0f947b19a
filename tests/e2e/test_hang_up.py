"""Callers who hang up: what was begun is paid for, no more and no less than the provider bills."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, stack_of
from tests.e2e.raw_http import ANTHROPIC, OPENAI, chat, request

pytestmark = pytest.mark.e2e

LONG = "Sail on. " * 500
EVENTS = 12
"""Events with content of every stream here."""
CONTENT = {OPENAI: b'"delta":{"content":"', ANTHROPIC: b'"type":"text_delta"'}
ID = b"x-trimtab-request-id: "
DRAINED = (
    "  drained: {wire: caller, url: http://127.0.0.1:PORT, allow_private_network: true,"
    " prices_as: sim, on_client_gone: drain}\n"
)

each_wire = pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])
at_events = pytest.mark.parametrize("events", [1, 5, EVENTS - 1])


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Trimtab with a provider that is read to the end, and one that is left."""
    told = CONFIG.read_text().replace("providers:\n", "providers:\n" + DRAINED, 1)
    told = told.replace("sim/*]", "sim/*, drained/*]")
    with stack_of(tmp_path_factory.mktemp("hang-up"), told) as running:
        yield running


@pytest.fixture(scope="module")
def key_of_left(left: Stack) -> str:
    return left.key()


@at_events
@each_wire
async def test_t05_a_stream_left_by_its_caller_is_drained_and_charged_what_is_billed(
    left: Stack, key_of_left: str, path: str, events: int
) -> None:
    model = "drained/large!usage_after_finish:0.3"

    request_id = await _hang_up(left, key_of_left, path, model, events=events)

    record = await asyncio.to_thread(left.record, request_id)
    assert (record["status"], record["usage_source"]) == ("cancelled", "provider")
    assert record["output_tokens"] == EVENTS
    assert record["cost_nano"] == left.billed(record["response_id"])


@at_events
@each_wire
async def test_t05_a_stream_left_by_its_caller_is_cancelled_and_charged_what_was_seen(
    left: Stack, key_of_left: str, path: str, events: int
) -> None:
    model = f"sim/large!stall_after:{events}"

    request_id = await _hang_up(left, key_of_left, path, model, events=events)

    record = await asyncio.to_thread(left.record, request_id)
    assert record["status"] == "cancelled"
    assert record["usage_source"] == ("estimated" if path == OPENAI else "partial")
    assert record["output_tokens"] == events


@each_wire
async def test_t13_a_cancelled_stream_is_charged_within_a_tenth_of_the_bill(
    left: Stack, key_of_left: str, path: str
) -> None:
    hold = 100_000
    # Of a wire that tells usage last, nobody knows what the provider had in its cache.
    unheard = f"{uuid4()} {LONG}"

    request_id = await _hang_up(
        left, key_of_left, path, "sim/large!stall_after:5", events=5, text=unheard, max_tokens=hold
    )

    record = await asyncio.to_thread(left.record, request_id)
    billed = left.billed(record["response_id"])
    assert record["status"] == "cancelled"
    assert record["cost_nano"] == pytest.approx(billed, rel=0.1)
    assert record["output_tokens"] < hold // 1000


@pytest.mark.parametrize("provider", ["drained", "sim"])
@each_wire
async def test_t05_an_answer_in_one_piece_is_waited_for_and_charged_what_is_billed(
    left: Stack, key_of_left: str, path: str, provider: str
) -> None:
    calls = left.sim("calls")["count"]
    model = f"{provider}/large!slow_first:0.4"
    _, writer = await asyncio.open_connection("127.0.0.1", left.port)
    writer.write(request(key_of_left, chat(LONG, model=model), path))
    asked = "the provider is asked"
    await asyncio.to_thread(eventually, lambda: left.sim("calls")["count"] > calls, asked)

    writer.transport.abort()

    [record] = await asyncio.to_thread(eventually, lambda: _latest(left, model), "a record")
    assert record["usage_source"] == "provider"
    assert record["cost_nano"] == left.billed(record["response_id"])


def _latest(stack: Stack, model: str) -> list[dict[str, Any]]:
    since = "SELECT * FROM request WHERE model_requested = ? ORDER BY ts_us DESC LIMIT 1"
    return stack.rows(since, model)


# As many members as a caller has to say.
async def _hang_up(  # noqa: PLR0913
    stack: Stack,
    key: str,
    path: str,
    model: str,
    *,
    events: int,
    text: str = "[[sim: tokens=12]]",
    max_tokens: int = 50,
) -> str:
    """Read so many events of a stream and hang up; gives the id of the request."""
    asked = chat(text, model=model, max_tokens=max_tokens, stream=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(request(key, asked, path))
    told = b""
    async with asyncio.timeout(10):
        while told.count(CONTENT[path]) < events:
            block = await reader.read(65536)
            assert block, told
            told += block
    writer.transport.abort()
    return told.partition(ID)[2].partition(b"\r\n")[0].decode()
