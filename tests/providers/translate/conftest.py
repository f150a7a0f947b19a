"""Bridges between the two wires, and short ways to ask through them."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from trimtab.cost.usage_out import convert_usage
from trimtab.domain.model import Wire
from trimtab.providers.anthropic import AnthropicMessages
from trimtab.providers.base import Loss
from trimtab.providers.openai import OpenAIChat
from trimtab.providers.translate.bridge import Bridge
from trimtab.testing import FrozenClock

TO_ANTHROPIC = Bridge(Wire.OPENAI_CHAT, AnthropicMessages(), convert_usage, FrozenClock())
TO_OPENAI = Bridge(Wire.ANTHROPIC_MESSAGES, OpenAIChat(), convert_usage, FrozenClock())

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
