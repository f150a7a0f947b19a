"""The OpenAI wire: moderations.

Wire facts: https://platform.openai.com/docs/api-reference/moderations. It is free and tells no
usage.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import End, Event, Start
from trimtab.domain.model import Provider, Wire
from trimtab.providers import members as upstream
from trimtab.providers import openai_http
from trimtab.providers.base import UNREADABLE, BadBody, ProviderFault, SameWire, StreamReader
from trimtab.providers.stream import NoStream


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

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:  # noqa: ARG002
        """See `Adapter.body`."""
        return upstream.for_target(members, model)

    def reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002
        """See `Adapter.reader`."""
        return NoStream()

    def read_body(self, body: bytes) -> tuple[Event, ...]:
        """See `Adapter.read_body`."""
        try:
            answer = _answer.decode(body)
        except UNREADABLE as exc:
            raise BadBody(str(exc)) from exc
        return (Start(answer.id, answer.model), End())

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return openai_http.fault(body)
