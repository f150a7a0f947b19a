"""The OpenAI wire: moderations.

Wire facts: https://platform.openai.com/docs/api-reference/moderations. It is free and tells no
usage.
"""

from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import End, Event, Start
from trimtab.domain.model import Provider, Wire
from trimtab.providers import openai_http
from trimtab.providers.base import ProviderFault
from trimtab.providers.same_wire import SameWire


class _Answer(Struct):
    results: list[Raw]
    id: str | None = None
    model: str | None = None


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class OpenAIModerations(SameWire):
    """`providers.base.Adapter` of `POST /moderations`."""

    wire: Wire = Wire.OPENAI_MODERATIONS

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """See `Adapter.head`."""
        return openai_http.head(provider, secret, headers, "/moderations")

    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """See `SameWire.read_answer`."""
        answer = _answer.decode(body)
        return (Start(answer.id, answer.model), End())

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return openai_http.fault(body)
