"""The Anthropic wire: counting the tokens of a message.

Wire facts: https://docs.anthropic.com/en/api/messages-count-tokens. It is free; the count is the
answer and no usage.
"""

from dataclasses import dataclass

import msgspec
from msgspec import Struct

from trimtab.domain.chat import End, Event
from trimtab.domain.model import Provider, Wire
from trimtab.providers import anthropic_http
from trimtab.providers.base import ProviderFault
from trimtab.providers.same_wire import SameWire


class _Answer(Struct):
    input_tokens: int


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class AnthropicCountTokens(SameWire):
    """`providers.base.Adapter` of `POST /v1/messages/count_tokens`."""

    wire: Wire = Wire.ANTHROPIC_COUNT_TOKENS

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """See `Adapter.head`."""
        return anthropic_http.head(provider, secret, headers, "/v1/messages/count_tokens")

    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """See `SameWire.read_answer`."""
        _answer.decode(body)
        return (End(),)

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return anthropic_http.fault(body)
