"""The Anthropic wire: messages.

Wire facts: https://docs.anthropic.com/en/api/messages-streaming. Usage of `message_start` is only
partial: its input is exact, its output a placeholder; `message_delta` repeats it cumulatively.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import (
    Channel,
    End,
    Event,
    Failed,
    Reasoning,
    Start,
    Stop,
    StopReason,
    Text,
    ToolArgs,
    ToolStart,
    UsageReport,
)
from trimtab.domain.model import Provider, Wire
from trimtab.providers import anthropic_http
from trimtab.providers.anthropic_http import Error
from trimtab.providers.base import BadBody, Chunk, ProviderFault, StreamReader
from trimtab.providers.same_wire import SameWire
from trimtab.providers.stream import EventStream

_STOPS = {
    "end_turn": StopReason.STOP,
    "stop_sequence": StopReason.STOP,
    "pause_turn": StopReason.STOP,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "tool_use": StopReason.TOOL_CALLS,
    "refusal": StopReason.CONTENT_FILTER,
}


class _Block(Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = Raw(b"{}")
    stop_reason: str | None = None


class _Message(Struct):
    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: Raw = Raw(b"null")


class _StreamEvent(Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    usage: Raw = Raw(b"null")
    error: Error | None = None


_message = msgspec.json.Decoder(_Message)
_event = msgspec.json.Decoder(_StreamEvent)


@dataclass(frozen=True, slots=True)
class AnthropicMessages(SameWire):
    """`providers.base.Adapter` of `POST /v1/messages`."""

    wire: Wire = Wire.ANTHROPIC_MESSAGES

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """See `Adapter.head`."""
        return anthropic_http.head(provider, secret, headers, "/v1/messages")

    def reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002
        """See `Adapter.reader`. Nothing is hidden: every stream of this wire has usage."""
        return EventStream(_ReadEvent())

    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """See `SameWire.read_answer`."""
        message = _message.decode(body)
        if message.content is None:
            raise BadBody("no content")
        events: list[Event] = [Start(message.id, message.model)]
        for index, block in enumerate(message.content):
            events.extend(_read_block(index, block))
        if message.stop_reason is not None:
            events.append(_stop(message.stop_reason))
        if bytes(message.usage) != b"null":
            events.append(UsageReport(bytes(message.usage), final=True))
        events.append(End())
        return tuple(events)

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return anthropic_http.fault(body)


class _ReadEvent:
    """Reads the events of a messages stream.

    State: whether the model stopped: each `message_delta` after it says so again.
    """

    __slots__ = ("_stopped",)

    def __init__(self) -> None:
        self._stopped = False

    def __call__(self, raw: bytes, data: bytes) -> Chunk:
        """See `EventReader`."""
        said = _event.decode(data)
        events = _read_event(said)
        if said.type == "message_delta":
            events = self._once(events)
        return Chunk(raw, tuple(events))

    def _once(self, events: list[Event]) -> list[Event]:
        fresh = [event for event in events if not (self._stopped and isinstance(event, Stop))]
        self._stopped = self._stopped or any(isinstance(event, Stop) for event in fresh)
        return fresh


def _read_event(said: _StreamEvent) -> list[Event]:
    read = _READERS.get(said.type)
    return [] if read is None else read(said)


def _read_start(said: _StreamEvent) -> list[Event]:
    message = said.message or _Message()
    events: list[Event] = [Start(message.id, message.model)]
    if bytes(message.usage) != b"null":
        events.append(UsageReport(bytes(message.usage), final=False))
    return events


def _read_block_start(said: _StreamEvent) -> list[Event]:
    return _read_block(said.index, said.content_block or _Block())


def _read_block_delta(said: _StreamEvent) -> list[Event]:
    return _read_block(said.index, said.delta or _Block())


def _read_end(said: _StreamEvent) -> list[Event]:
    events: list[Event] = []
    if said.delta is not None and said.delta.stop_reason is not None:
        events.append(_stop(said.delta.stop_reason))
    if bytes(said.usage) != b"null":
        events.append(UsageReport(bytes(said.usage), final=True))
    return events


def _read_stop(_said: _StreamEvent) -> list[Event]:
    return [End()]


def _read_error(said: _StreamEvent) -> list[Event]:
    error = said.error or Error()
    return [Failed(error.message or "", error.type or "unknown")]


def _read_block(index: int, block: _Block) -> list[Event]:
    channel = (0, index)
    if block.type == "tool_use":
        return _read_call(channel, block)
    if block.text:
        return [Text(channel, block.text)]
    if block.partial_json:
        return [ToolArgs(channel, block.partial_json)]
    if block.thinking:
        return [Reasoning(channel, block.thinking)]
    return []


def _read_call(channel: Channel, block: _Block) -> list[Event]:
    """Read a call; in a stream most providers tell its arguments later, and some at once."""
    start = ToolStart(channel, block.id or "", block.name or "")
    told = bytes(block.input)
    if b"".join(told.split()) in (b"{}", b"null"):
        return [start]
    return [start, ToolArgs(channel, told.decode(errors="replace"))]


def _stop(reason: str) -> Stop:
    return Stop(_STOPS.get(reason, StopReason.OTHER), reason)


_READERS: Mapping[str, Callable[[_StreamEvent], list[Event]]] = {
    "message_start": _read_start,
    "content_block_start": _read_block_start,
    "content_block_delta": _read_block_delta,
    "message_delta": _read_end,
    "message_stop": _read_stop,
    "error": _read_error,
}
"""Events that say something; `ping` and unknown ones are only relayed."""
