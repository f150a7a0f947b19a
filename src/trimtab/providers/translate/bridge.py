"""An adapter for callers of one wire and a provider of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec import Raw

from trimtab.domain.chat import Event, UsageReport
from trimtab.domain.clock import Clock
from trimtab.domain.model import Provider, Wire
from trimtab.providers.base import Adapter, Chunk, Loss, ProviderFault, StreamReader
from trimtab.providers.translate import (
    anthropic_answer,
    anthropic_reader,
    anthropic_writer,
    openai_answer,
    openai_reader,
    openai_writer,
)
from trimtab.providers.translate.answer import Dialect, EventWriter, Telling
from trimtab.providers.translate.neutral import Role
from trimtab.providers.translate.reading import Losses

US_PER_S = 1_000_000

DIALECTS: Mapping[Wire, Dialect] = {
    Wire.OPENAI_CHAT: Dialect(
        openai_reader.read_request,
        openai_writer.write_request,
        openai_answer.whole,
        openai_answer.CompletionWriter,
        openai_answer.refusal,
    ),
    Wire.ANTHROPIC_MESSAGES: Dialect(
        anthropic_reader.read_request,
        anthropic_writer.write_request,
        anthropic_answer.whole,
        anthropic_answer.MessageWriter,
        anthropic_answer.refusal,
    ),
}
"""One line a wire."""

UsageWriter = Callable[[Wire, Wire, Sequence[UsageReport]], Raw | None]
"""Writes what a provider reported in its wire as the usage object of another; see `cost`."""

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Bridge:
    """`providers.base.Adapter` that speaks one wire to callers and another to a provider.

    Attributes:
        caller: The wire of the callers.
        provider: The adapter of the provider's wire.
    """

    caller: Wire
    provider: Adapter
    write_usage: UsageWriter
    clock: Clock

    @property
    def wire(self) -> Wire:
        """See `Adapter.wire`."""
        return self.provider.wire

    def losses(self, members: Mapping[str, Raw]) -> tuple[Loss, ...]:
        """See `Adapter.losses`."""
        losses = Losses()
        self._translated(members, losses)
        return tuple(losses.found)

    def told(self, members: Mapping[str, Raw]) -> tuple[tuple[Loss, ...], dict[str, Raw]]:
        """Give the losses, and what the provider is told in its wire. Raises as `losses`."""
        losses = Losses()
        translated = self._translated(members, losses)
        raw = {name: Raw(_encoder.encode(value)) for name, value in translated.items()}
        return tuple(losses.found), raw

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:  # noqa: ARG002
        """See `Adapter.head`. The headers of the caller's wire mean nothing on the other."""
        return self.provider.head(provider, secret, ())

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:
        """See `Adapter.body`. What `losses` names is left out."""
        _, raw = self.told(members)
        if stream:
            raw["stream"] = Raw(b"true")
        return self.provider.body(raw, model, stream=stream)

    def reader(self, *, hide_usage: bool) -> "BridgeReader":
        """See `Adapter.reader`."""
        writer = DIALECTS[self.caller].stream(self._telling(hide_usage=hide_usage))
        return BridgeReader(self.provider.reader(hide_usage=False), writer)

    def read_body(self, body: bytes) -> tuple[Event, ...]:
        """See `Adapter.read_body`."""
        return self.provider.read_body(body)

    def answer(self, body: bytes, events: Sequence[Event]) -> bytes:  # noqa: ARG002
        """See `Adapter.answer`."""
        return DIALECTS[self.caller].whole(events, self._telling())

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return self.provider.fault(body)

    def refusal(self, body: bytes) -> bytes:
        """See `Adapter.refusal`."""
        return DIALECTS[self.caller].refusal(self.provider.fault(body))

    def _translated(self, members: Mapping[str, Raw], losses: Losses) -> dict[str, object]:
        ask = DIALECTS[self.caller].read(members, losses)
        if ask.turns and ask.turns[-1].role is Role.ASSISTANT:
            # One wire goes on with such a turn and the other answers it.
            losses.lose(ask.turns[-1].at)
            ask = msgspec.structs.replace(ask, turns=ask.turns[:-1])
        return dict(DIALECTS[self.provider.wire].write(ask, losses))

    def _telling(self, *, hide_usage: bool = False) -> Telling:
        usage = partial(self.write_usage, self.provider.wire, self.caller)
        return Telling(self.clock.now_us() // US_PER_S, usage, hide_usage)


class BridgeReader:
    """Reads a provider's stream and writes the caller's beside its events.

    State: that of the reader and of the writer.
    """

    __slots__ = ("_reader", "_writer")

    def __init__(self, reader: StreamReader, writer: EventWriter) -> None:
        self._reader = reader
        self._writer = writer

    def feed(self, block: bytes) -> list[Chunk]:
        """See `StreamReader.feed`."""
        write = self._writer.write
        return [
            Chunk(b"".join([write(event) for event in chunk.events]), chunk.events)
            for chunk in self._reader.feed(block)
        ]
