"""Under load, with callers who hang up, nobody ever sees a byte of somebody else's answer.

Peers mix answers up when a caller leaves and its connection is used again:
https://github.com/redis/redis-py/issues/2624 is the best known case.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CLIENTS = 500
CALLS_EACH = 3
AT_ONCE = 50
FEATURE = "cross-talk"
MODELS = ("chat", "chat", "chat-small", "chat!slow_first:0.02", "chat!usage_after_finish:0.03")
SHARE_WHO_HANG_UP = 1 / 3


@dataclass(slots=True)
class Call:
    """One request and all that was heard of its answer."""

    number: int
    stream: bool
    openai: bool
    model: str
    words: int
    patience: int | None
    request_id: str | None = None
    body: bytearray = field(default_factory=bytearray)
    heard_all: bool = False

    @property
    def marker(self) -> str:
        return f"marker{self.number:05d}"

    @property
    def text(self) -> str:
        """What the answer has to be."""
        return " ".join([self.marker] * self.words)

    def request(self, key: str) -> bytes:
        """Write the request."""
        members = {
            "model": self.model,
            "stream": self.stream,
            "max_tokens": 10_000,
            "messages": [{"role": "user", "content": f"[[sim: answer={self.text}]]"}],
        }
        body = json.dumps(members).encode()
        path = "/v1/chat/completions" if self.openai else "/v1/messages"
        return (
            f"POST {path} HTTP/1.1\r\nhost: trimtab\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-trimtab-feature: {FEATURE}\r\nx-trimtab-conversation: {self.marker}\r\n\r\n"
        ).encode() + body


class HungUp(Exception):
    """The caller has heard enough."""


async def test_every_event_belongs_to_the_request_that_asked(stack: Stack, key: str) -> None:
    calls = list(_calls(random.Random(7)))  # noqa: S311 -- repeatable on purpose
    gate = asyncio.Semaphore(AT_ONCE)

    async def client(mine: list[Call]) -> None:
        async with gate:
            await _talk(stack.port, key, mine)

    async with asyncio.TaskGroup() as group:
        for start in range(0, len(calls), CALLS_EACH):
            group.create_task(client(calls[start : start + CALLS_EACH]))

    ids = [_check_answer(call) for call in calls]
    known = [response_id for response_id in ids if response_id is not None]
    assert len(known) == len(set(known))
    whole = [(call, told) for call, told in zip(calls, ids, strict=True) if call.heard_all]
    assert len(whole) > len(calls) / 2
    records = eventually(lambda: _records(stack, calls), "every request is recorded")
    for call, response_id in whole:
        _check_record(records[call.marker], call, response_id)
    _check_those_who_left(records, calls)
    _check_bill(stack, records)


def _calls(chance: random.Random) -> Iterator[Call]:
    for number in range(CLIENTS * CALLS_EACH):
        # A client who hangs up does so in its last call: the connection is gone then.
        leaves = number % CALLS_EACH == CALLS_EACH - 1 and chance.random() < SHARE_WHO_HANG_UP * 3
        yield Call(
            number=number,
            stream=chance.random() < 0.5,
            openai=chance.random() < 0.5,
            model=chance.choice(MODELS),
            words=chance.choice([5, 40, 40, 200]),
            patience=chance.choice([0, 1, 500, 3000, 10_000]) if leaves else None,
        )


async def _talk(port: int, key: str, calls: list[Call]) -> None:
    """Ask one question after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for call in calls:
            writer.write(call.request(key))
            await writer.drain()
            await _listen(reader, call)
    except HungUp:
        pass
    finally:
        writer.close()


async def _listen(reader: asyncio.StreamReader, call: Call) -> None:
    if call.patience == 0:
        raise HungUp
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    assert head.startswith("HTTP/1.1 200 "), head
    call.request_id = headers["x-trimtab-request-id"]
    if "content-length" in headers:
        await _hear(reader, call, int(headers["content-length"]))
    else:
        while size := int(await reader.readline(), 16):
            await _hear(reader, call, size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readline() == b"\r\n"
    call.heard_all = True


async def _hear(reader: asyncio.StreamReader, call: Call, size: int) -> None:
    """Read a piece of the body, as far as patience goes."""
    left = size if call.patience is None else min(size, call.patience - len(call.body))
    call.body += await reader.readexactly(left)
    if left < size:
        raise HungUp


def _check_answer(call: Call) -> str | None:
    """Check all that was heard; gives the id of the answer, if that was heard."""
    if not call.stream:
        return _check_whole(call) if call.heard_all else None
    said, ids, ended = "", set[str](), False
    for event in bytes(call.body).split(b"\n\n")[:-1]:
        data = event.removeprefix(b": ").partition(b"data: ")[2]
        if not data:
            continue
        ended = data == b"[DONE]"
        piece, event_id = ("", None) if ended else _read(call, json.loads(data))
        said += piece
        ids |= {event_id} - {None} if event_id else set[str]()
    assert call.text.startswith(said), f"{call.marker} heard {said[-200:]!r}"
    assert len(ids) <= 1
    if call.heard_all:
        assert said == call.text
        assert ended or not call.openai
    return next(iter(ids), None)


def _check_whole(call: Call) -> str:
    answer = json.loads(call.body)
    said = (
        answer["choices"][0]["message"]["content"] if call.openai else answer["content"][0]["text"]
    )
    assert said == call.text
    return answer["id"]


def _read(call: Call, event: dict[str, Any]) -> tuple[str, str | None]:
    """Give the text and the answer's id of one event."""
    if call.openai:
        assert "error" not in event
        text = "".join(choice["delta"].get("content") or "" for choice in event["choices"])
        return text, event["id"]
    assert event["type"] != "error"
    text = event.get("delta", {}).get("text", "")
    return text, event.get("message", {}).get("id")


def _records(stack: Stack, calls: list[Call]) -> dict[str, dict[str, Any]] | None:
    """Give the records by marker, once all that were answered are there and none runs any more."""
    rows = stack.rows("SELECT * FROM request WHERE feature = ?", FEATURE)
    if stack.rows("SELECT request_id FROM open_request"):
        return None
    records = {row["conversation_id"]: row for row in rows}
    assert len(records) == len(rows), "a request has two records"
    expected = {call.marker for call in calls if call.request_id}
    return records if expected <= set(records) else None


def _check_record(record: dict[str, Any], call: Call, response_id: str | None) -> None:
    assert record["request_id"] == call.request_id
    assert record["response_id"] == response_id
    assert record["status"] == "ok"
    assert record["model_requested"] == call.model
    assert record["wire"] == ("openai.chat" if call.openai else "anthropic.messages")
    assert record["output_tokens"] == -(-len(call.text) // 4)


def _check_those_who_left(records: dict[str, dict[str, Any]], calls: list[Call]) -> None:
    left = [call for call in calls if not call.heard_all]
    assert len(left) > len(calls) / 5
    for call in left:
        record = records.get(call.marker)
        if record is None:  # it may leave before it was read
            assert call.request_id is None
            continue
        assert call.request_id in (None, record["request_id"])
        assert record["status"] in {"ok", "cancelled"}


def _check_bill(stack: Stack, records: dict[str, dict[str, Any]]) -> None:
    """Whoever heard all pays what the provider bills."""
    billed = {line["id"]: line["cost_nano"] for line in stack.sim("bill")["lines"]}
    for record in records.values():
        if record["status"] == "ok":
            assert record["cost_nano"] == billed[record["response_id"]]
