"""A provider played by hand: what it answers is spoiled as the seed in the model's name says."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests.e2e.fuzzing import mutated

WIRE = Path(__file__).parent.parent / "contracts/wire"
PROVIDER_KEY = "sk-marker-of-the-provider"
OTHERS = "marker of the other tenant"
GOOD_SEED = "good"
"""Asks for an answer that is not spoiled, and says `OTHERS`."""

WHOLE = {
    "openai": b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"large-1",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Hi.","refusal":null,'
    b'"tool_calls":[{"id":"call_1","type":"function","function":{"name":"lookup","arguments":"{}"}'
    b'}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,'
    b'"total_tokens":11,"prompt_tokens_details":{"cached_tokens":3}},"service_tier":"default"}',
    "anthropic": b'{"id":"msg_1","type":"message","role":"assistant","model":"large-1","content":['
    b'{"type":"text","text":"Hi."},{"type":"tool_use","id":"toolu_1","name":"lookup","input":{"a"'
    b':1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":9,'
    b'"cache_read_input_tokens":3,"cache_creation_input_tokens":0,"output_tokens":2}}',
}
WHOLE["responses"] = json.dumps(
    {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "large-1",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hi.", "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
    }
).encode()
ERRORS = {
    "openai": b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"x"}}',
    "anthropic": b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}',
}


def _stream(*events: dict[str, Any], done: bytes = b"") -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + done


GOOD_STREAMS = {
    "openai": _stream(
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi."}}]},
        {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
        done=b"data: [DONE]\n\n",
    ),
    "anthropic": _stream(
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 9}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hi."},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ),
    "responses": _stream(
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi."},
        {
            "type": "response.completed",
            "response": {
                "id": "r",
                "status": "completed",
                "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
            },
        },
    ),
}


@asynccontextmanager
async def provider_on(port: int) -> AsyncGenerator[None]:
    """Play a provider of either wire, which says what the model's name asks for."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                assert PROVIDER_KEY.encode() in head
                told, stays = _scripted(head.split(b" ")[1].decode(), body)
                writer.write(told)
                await writer.drain()
                if not stays:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield


def _scripted(path: str, body: dict[str, Any]) -> tuple[bytes, bool]:
    """Give the bytes of an answer, and whether the connection stays open after it."""
    wire = "anthropic" if path.endswith("messages") else "openai"
    about = "responses" if path.endswith("responses") else wire
    _, _, seed = body["model"].partition("!")
    if seed == GOOD_SEED:
        return _good(about, body), True
    chance = Random(seed)  # noqa: S311 -- repeatable
    status, kind, data = 200, "application/json", WHOLE[about]
    if chance.random() < 0.1:
        status, data = chance.choice([400, 429, 500]), ERRORS[wire]
    elif body.get("stream"):
        kind = "text/event-stream"
        data = (WIRE / f"{about}_{chance.choice(['text', 'tools'])}.sse").read_bytes()
    data = mutated(data, chance)
    stays = chance.random() < 0.5
    told = _head(status, kind, len(data) if stays else None) + data
    if chance.random() < 0.15:
        return mutated(told, chance), False
    # What comes after an answer belongs to nobody.
    more = b"HTTP/1.1 200 OK\r\n\r\n" if stays and chance.random() < 0.1 else b""
    return told + more, stays


def _head(status: int, kind: str, length: int | None) -> bytes:
    framing = "connection: close" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n".encode()


def _good(about: str, body: dict[str, Any]) -> bytes:
    """Give a good answer that says the marker of the other tenant."""
    streamed = body.get("stream")
    kind = "text/event-stream" if streamed else "application/json"
    data = (GOOD_STREAMS if streamed else WHOLE)[about].replace(b"Hi.", OTHERS.encode())
    return _head(200, kind, len(data)) + data
