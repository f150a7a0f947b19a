"""Bridges between the two wires, and short ways to ask through them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from trimtab.cost.usage_out import convert_usage
from trimtab.domain.model import Wire
from trimtab.providers.anthropic import AnthropicMessages
from trimtab.providers.base import Chunk, Loss
from trimtab.providers.openai import OpenAIChat
from trimtab.providers.translate.bridge import Bridge
from trimtab.testing import FrozenClock

TO_ANTHROPIC = Bridge(Wire.OPENAI_CHAT, AnthropicMessages(), convert_usage, FrozenClock())
TO_OPENAI = Bridge(Wire.ANTHROPIC_MESSAGES, OpenAIChat(), convert_usage, FrozenClock())

CORPORA = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parents[2] / "contracts" / "wire").iterdir())
    if not path.name.startswith("responses")
}
CREATED_S = 1_767_225_600
HELLO = [{"role": "user", "content": "Hello"}]


def members(**said: object) -> dict[str, Raw]:
    """Make the members of a request, one that says hello unless told otherwise."""
    body = msgspec.json.encode({"model": "chat", "messages": HELLO, **said})
    return msgspec.json.decode(body, type=dict[str, Raw])


def sent(bridge: Bridge, said: Mapping[str, object], *, stream: bool = False) -> dict[str, Any]:
    """Give the body a provider gets."""
    body: dict[str, Any] = json.loads(bridge.body(members(**said), "target", stream=stream))
    return body


def lost(bridge: Bridge, **said: object) -> tuple[Loss, ...]:
    """Name what a request loses."""
    return bridge.losses(members(**said))


def bridge_for(name: str) -> Bridge:
    """Give the bridge to callers of the other wire than a corpus is of."""
    return TO_OPENAI if name.startswith("openai") else TO_ANTHROPIC


def fed(bridge: Bridge, blocks: Sequence[bytes], *, hide_usage: bool = False) -> list[Chunk]:
    """Read a provider's stream."""
    reader = bridge.reader(hide_usage=hide_usage)
    return [chunk for block in blocks for chunk in reader.feed(block)]


def told(chunks: Sequence[Chunk]) -> bytes:
    """Give what the caller gets."""
    return b"".join(chunk.raw for chunk in chunks)


def datas(raw: bytes) -> list[Any]:
    """Read every event of a stream but `[DONE]`."""
    lines = [line for line in raw.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def whole(bridge: Bridge, body: dict[str, Any]) -> dict[str, Any]:
    """Give a provider's answer as the caller gets it."""
    data = msgspec.json.encode(body)
    answer: dict[str, Any] = json.loads(bridge.answer(data, bridge.read_body(data)))
    return answer
