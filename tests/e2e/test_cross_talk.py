"""Under load, with callers who hang up, nobody ever sees a byte of somebody else's answer."""

import asyncio
import json
import random

import pytest
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.e2e

REQUESTS = 600
AT_ONCE = 60


async def test_every_event_belongs_to_the_request_that_asked(stack: Stack, key: str) -> None:
    chance = random.Random(7)
    gate = asyncio.Semaphore(AT_ONCE)
    whole = 0

    async def ask(number: int) -> None:
        nonlocal whole
        async with gate:
            whole += await _ask(stack, key, number, chance.random())

    async with asyncio.TaskGroup() as group:
        for number in range(REQUESTS):
            group.create_task(ask(number))

    assert whole > REQUESTS / 2


async def _ask(stack: Stack, key: str, number: int, chance: float) -> bool:
    """Ask with a marker of one's own; one in three hangs up early. Tells if it heard it all."""
    marker = f"marker{number:05d}"
    stream = number % 2 == 0
    body = json.dumps(
        {
            "model": "chat",
            "stream": stream,
            "messages": [{"role": "user", "content": f"[[sim: answer={f'{marker} ' * 40}]]"}],
        }
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    try:
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nconnection: close\r\n"
            b"authorization: Bearer " + key.encode() + b"\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        if chance < 1 / 3:
            heard = await reader.read(round(chance * 6000))
        else:
            heard = await reader.read(-1)
    finally:
        writer.close()
    text = heard.decode(errors="replace")
    others = {word for word in text.replace('"', " ").split() if word.startswith("marker")}
    assert {word[:11] for word in others if len(word) >= 11} <= {marker}
    return chance >= 1 / 3 and marker in text
