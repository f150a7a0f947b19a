"""The Anthropic wire: counting the tokens of a message.

Wire facts: https://docs.anthropic.com/en/api/messages-count-tokens. It is free; the count is the
answer and no usage.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import End, Event
from trimtab.domain.model import Provider, Wire
from trimtab.providers import anthropic_http
from trimtab.providers import members as upstream
from trimtab.providers.base import UNREADABLE, BadBody, ProviderFault, SameWire, StreamReader
from trimtab.providers.stream import NoStream


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

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:  # noqa: ARG002
        """See `Adapter.body`."""
        return upstream.for_target(members, model)

    def reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002
        """See `Adapter.reader`."""
        return NoStream()

    def read_body(self, body: bytes) -> tuple[Event, ...]:
        """See `Adapter.read_body`."""
        try:
            _answer.decode(body)
        except UNREADABLE as exc:
            raise BadBody(str(exc)) from exc
        return (End(),)

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return anthropic_http.fault(body)
