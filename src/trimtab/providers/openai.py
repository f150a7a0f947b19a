"""The OpenAI wire: chat completions.

Wire facts: https://platform.openai.com/docs/api-reference/chat and its streaming page. Usage comes
last, in a chunk without choices, after `finish_reason`; the stream ends with `[DONE]`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import (
    End,
    Event,
    Failed,
    Reasoning,
    Refusal,
    Start,
    Stop,
    StopReason,
    Text,
    ToolArgs,
    ToolStart,
    UsageReport,
)
from trimtab.domain.model import Provider, Wire
from trimtab.providers import members as upstream
from trimtab.providers import openai_http
from trimtab.providers.base import UNREADABLE, BadBody, Chunk, ProviderFault, StreamReader
from trimtab.providers.openai_http import Error
from trimtab.providers.same_wire import SameWire
from trimtab.providers.stream import EventStream

_ABSENT, _NULL = Raw(b""), Raw(b"null")
_NO_USAGE = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,\s*')

_TELLS_NOTHING = (b"", b"null")
_STOPS = {
    "stop": StopReason.STOP,
    "length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.CONTENT_FILTER,
}


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Message(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Answer(Struct):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = _ABSENT
    service_tier: str | None = None
    error: Raw = _NULL


_answer = msgspec.json.Decoder(_Answer)
_error = msgspec.json.Decoder(Error)
_options = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class OpenAIChat(SameWire):
    """`providers.base.Adapter` of `POST /chat/completions`."""

    wire: Wire = Wire.OPENAI_CHAT

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """See `Adapter.head`."""
        return openai_http.head(provider, secret, headers, "/chat/completions")

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:
        """See `Adapter.body`. A stream always asks for usage, for the charge must be exact."""
        if not stream:
            return upstream.for_target(members, model)
        options = members.get("stream_options")
        asked: dict[str, object] = {}
        if options is not None and bytes(options) != b"null":
            asked.update(_options.decode(options))
        shown = {"stream_options": {**asked, "include_usage": True}}
        return upstream.for_target(members, model, shown)

    def reader(self, *, hide_usage: bool) -> StreamReader:
        """See `Adapter.reader`."""
        return EventStream(_ReadEvent(hide_usage=hide_usage))

    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """See `SameWire.read_answer`."""
        answer = _answer.decode(body)
        if answer.choices is None:
            raise BadBody("no choices")
        events: list[Event] = [Start(answer.id, answer.model)]
        for choice in answer.choices:
            if choice.message is not None:
                _read_message(events, choice.index, choice.message)
            if choice.finish_reason is not None:
                events.append(_stop(choice.finish_reason))
        if bytes(answer.usage) not in _TELLS_NOTHING:
            events.append(_usage(answer))
        events.append(End())
        return tuple(events)

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return openai_http.fault(body)


class _ReadEvent:
    """Reads the events of a chat completion stream.

    State: whether it has begun, and the choices that stopped: some servers say it again when they
    tell usage.
    """

    __slots__ = ("_hide_usage", "_started", "_stopped")

    def __init__(self, *, hide_usage: bool) -> None:
        self._hide_usage = hide_usage
        self._started = False
        self._stopped: set[int] = set()

    def __call__(self, raw: bytes, data: bytes) -> Chunk:
        """See `EventReader`."""
        if data == b"[DONE]":
            return Chunk(raw, (End(),))
        answer = _answer.decode(data)
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(Start(answer.id, answer.model))
        for choice in answer.choices or ():
            if choice.delta is not None:
                _read_message(events, choice.index, choice.delta)
            if choice.finish_reason is not None and choice.index not in self._stopped:
                self._stopped.add(choice.index)
                events.append(_stop(choice.finish_reason))
        if bytes(answer.usage) not in _TELLS_NOTHING:
            events.append(_usage(answer))
        if bytes(answer.error) != b"null":
            events.append(_failed(bytes(answer.error)))
        return Chunk(self._without_usage(raw, answer) if self._hide_usage else raw, tuple(events))

    def _without_usage(self, raw: bytes, answer: _Answer) -> bytes:
        """Take out what is there only because we asked for it."""
        usage = bytes(answer.usage)
        if usage == b"null":
            return _without_null(raw)
        return b"" if usage and not answer.choices and bytes(answer.error) == b"null" else raw


def _without_null(raw: bytes) -> bytes:
    """Take `"usage": null` out, whatever its spacing."""
    if raw.count(b'"usage"') > 1:
        # One of them may be another object's: then all may stay.
        return raw
    shorter = raw.replace(b',"usage":null', b"")
    return shorter if len(shorter) < len(raw) else _NO_USAGE.sub(b"", raw)


def _read_message(events: list[Event], choice: int, message: _Message) -> None:
    if message.reasoning_content:
        events.append(Reasoning((choice, 0), message.reasoning_content))
    if message.content:
        events.append(Text((choice, 0), message.content))
    if message.refusal:
        events.append(Refusal((choice, 0), message.refusal))
    for position, call in enumerate(message.tool_calls or ()):
        channel = (choice, 1 + max(call.index, position))
        function = call.function or _Function()
        if call.id or function.name:
            events.append(ToolStart(channel, call.id or "", function.name or ""))
        if function.arguments:
            events.append(ToolArgs(channel, function.arguments))


def _usage(answer: _Answer) -> UsageReport:
    return UsageReport(bytes(answer.usage), final=True, service_tier=answer.service_tier)


def _stop(reason: str) -> Stop:
    return Stop(_STOPS.get(reason, StopReason.OTHER), reason)


def _failed(raw: bytes) -> Failed:
    try:
        error = _error.decode(raw)
    except UNREADABLE:
        return Failed("", "unknown")
    return Failed(error.message or "", error.type or str(error.code or "unknown"))
