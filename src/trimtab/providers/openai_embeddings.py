"""The OpenAI wire: embeddings.

Wire facts: https://platform.openai.com/docs/api-reference/embeddings. Vectors are no text: they
become no event, so they are relayed, charged and not kept.
"""

from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import End, Event, Start, UsageReport
from trimtab.domain.model import Provider, Wire
from trimtab.providers import openai_http
from trimtab.providers.base import ProviderFault
from trimtab.providers.same_wire import SameWire


class _Answer(Struct):
    data: list[Raw]
    model: str | None = None
    usage: Raw = Raw(b"null")


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddings(SameWire):
    """`providers.base.Adapter` of `POST /embeddings`."""

    wire: Wire = Wire.OPENAI_EMBEDDINGS

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """See `Adapter.head`."""
        return openai_http.head(provider, secret, headers, "/embeddings")

    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """See `SameWire.read_answer`."""
        answer = _answer.decode(body)
        events: list[Event] = [Start(None, answer.model)]
        if bytes(answer.usage) != b"null":
            events.append(UsageReport(bytes(answer.usage), final=True))
        return (*events, End())

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return openai_http.fault(body)
