"""The OpenAI wire: responses.

Wire facts: https://platform.openai.com/docs/api-reference/responses-streaming. Every event is named
by its `type`; the terminal carries the whole response with its usage, and no `[DONE]` follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import (
    Channel,
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
from trimtab.providers import openai_http
from trimtab.providers.base import BadBody, Chunk, ProviderFault, StreamReader
from trimtab.providers.openai_http import Error
from trimtab.providers.same_wire import SameWire
from trimtab.providers.stream import EventStream

_STOPS = {
    "max_output_tokens": StopReason.LENGTH,
    "content_filter": StopReason.CONTENT_FILTER,
}
_CALLS = frozenset({"function_call", "custom_tool_call"})
_NULL = Raw(b"null")


class _Part(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(Struct):
    """What is text or a list in the items that we read may be anything in others."""

    type: str = ""
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None
    input: Any = None
    content: list[_Part] | str | None = None
    summary: list[_Part] | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[_Item] | None = None
    incomplete_details: _Incomplete | None = None
    error: Error | None = None
    usage: Raw = _NULL
    service_tier: str | None = None


class _StreamEvent(Struct):
    """`delta`, `arguments` and `input` are text where we read them, and anything elsewhere."""

    type: str = ""
    output_index: int = 0
    response: _Response | None = None
    item: _Item | None = None
    delta: Any = None
    arguments: Any = None
    input: Any = None
    error: Error | None = None
    code: str | int | None = None
    message: str | None = None


_response = msgspec.json.Decoder(_Response)
_event = msgspec.json.Decoder(_StreamEvent)


@dataclass(frozen=True, slots=True)
class OpenAIResponses(SameWire):
    """`providers.base.Adapter` of `POST /responses`."""

    wire: Wire = Wire.OPENAI_RESPONSES

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """See `Adapter.head`."""
        return openai_http.head(provider, secret, headers, "/responses")

    def reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002
        """See `Adapter.reader`. Nothing is hidden: every stream of this wire has usage."""
        return EventStream(_ReadEvent())

    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """See `SameWire.read_answer`."""
        response = _response.decode(body)
        if response.output is None:
            raise BadBody("no output")
        events: list[Event] = [Start(response.id, response.model)]
        for index, item in enumerate(response.output):
            _read_item(events, (0, index), item)
        return (*events, *_ended(response))

    def fault(self, body: bytes) -> ProviderFault:
        """See `Adapter.fault`."""
        return openai_http.fault(body)


class _ReadEvent:
    """Reads the events of a responses stream.

    State: whether it has begun, and the tool calls whose arguments came in pieces: others tell
    them at their end only.
    """

    __slots__ = ("_in_pieces", "_started")

    def __init__(self) -> None:
        self._started = False
        self._in_pieces: set[int] = set()

    def __call__(self, raw: bytes, data: bytes) -> Chunk:
        """See `EventReader`."""
        said = _event.decode(data)
        read = _READERS.get(said.type)
        return Chunk(raw, () if read is None else tuple(read(self, said)))

    def start(self, said: _StreamEvent) -> list[Event]:
        """Read the preamble, which comes twice and more."""
        if self._started or said.response is None:
            return []
        self._started = True
        return [Start(said.response.id, said.response.model)]

    def begin_item(self, said: _StreamEvent) -> list[Event]:
        """Read the start of a tool call; some servers put its arguments there already."""
        item, channel = said.item or _Item(), (0, said.output_index)
        if item.type not in _CALLS:
            return []
        events: list[Event] = [ToolStart(channel, item.call_id or "", item.name or "")]
        return [*events, *self.call(said, item.arguments or item.input)]

    def text(self, said: _StreamEvent) -> list[Event]:
        """Read a piece of text."""
        return _say(Text, said)

    def refusal(self, said: _StreamEvent) -> list[Event]:
        """Read a piece of a refusal."""
        return _say(Refusal, said)

    def reasoning(self, said: _StreamEvent) -> list[Event]:
        """Read a piece of reasoning, or of its summary."""
        return _say(Reasoning, said)

    def call_piece(self, said: _StreamEvent) -> list[Event]:
        """Read a piece of a tool call's arguments."""
        return self.call(said, said.delta)

    def call_whole(self, said: _StreamEvent) -> list[Event]:
        """Read the arguments of a tool call, unless they have come before."""
        if said.output_index in self._in_pieces:
            return []
        return self.call(said, said.arguments or said.input)

    def call(self, said: _StreamEvent, fragment: object) -> list[Event]:
        """Take arguments of a tool call."""
        if not isinstance(fragment, str) or not fragment:
            return []
        self._in_pieces.add(said.output_index)
        return [ToolArgs((0, said.output_index), fragment)]

    def end(self, said: _StreamEvent) -> list[Event]:
        """Read the terminal."""
        return _ended(said.response or _Response(status=said.type.rpartition(".")[2]))

    def error(self, said: _StreamEvent) -> list[Event]:
        """Read an error; some servers put it into a member, as other routes do."""
        error = said.error or Error(message=said.message, code=said.code)
        return [_failed(error)]


def _say(kind: type[Text | Refusal | Reasoning], said: _StreamEvent) -> list[Event]:
    fragment = said.delta
    if not isinstance(fragment, str) or not fragment:
        return []
    return [kind((0, said.output_index), fragment)]


def _read_item(events: list[Event], channel: Channel, item: _Item) -> None:
    if item.type in _CALLS:
        events.append(ToolStart(channel, item.call_id or "", item.name or ""))
        arguments = item.arguments or item.input
        if isinstance(arguments, str) and arguments:
            events.append(ToolArgs(channel, arguments))
        return
    content = () if isinstance(item.content, str) else item.content or ()
    for part in (*(item.summary or ()), *content):
        if part.refusal:
            events.append(Refusal(channel, part.refusal))
        elif part.text and item.type == "reasoning":
            events.append(Reasoning(channel, part.text))
        elif part.text:
            events.append(Text(channel, part.text))


def _ended(response: _Response) -> list[Event]:
    """Read how a response ended. One that failed has no end of its own: it is an error."""
    events: list[Event] = []
    if bytes(response.usage) != b"null":
        usage = bytes(response.usage)
        events.append(UsageReport(usage, final=True, service_tier=response.service_tier))
    if response.status == "failed":
        return [*events, _failed(response.error or Error())]
    return [*events, _stop(response), End()]


def _failed(error: Error) -> Failed:
    return Failed(error.message or "", str(error.code or error.type or "unknown"))


def _stop(response: _Response) -> Stop:
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if reason is not None:
        return Stop(_STOPS.get(reason, StopReason.OTHER), reason)
    called = any(item.type in _CALLS for item in response.output or ())
    return Stop(StopReason.TOOL_CALLS if called else StopReason.STOP, response.status or "")


_READERS: Mapping[str, Callable[[_ReadEvent, _StreamEvent], list[Event]]] = {
    "response.created": _ReadEvent.start,
    "response.queued": _ReadEvent.start,
    "response.in_progress": _ReadEvent.start,
    "response.output_item.added": _ReadEvent.begin_item,
    "response.output_text.delta": _ReadEvent.text,
    "response.refusal.delta": _ReadEvent.refusal,
    "response.reasoning_text.delta": _ReadEvent.reasoning,
    "response.reasoning_summary_text.delta": _ReadEvent.reasoning,
    "response.function_call_arguments.delta": _ReadEvent.call_piece,
    "response.function_call_arguments.done": _ReadEvent.call_whole,
    "response.custom_tool_call_input.delta": _ReadEvent.call_piece,
    "response.custom_tool_call_input.done": _ReadEvent.call_whole,
    "response.completed": _ReadEvent.end,
    "response.incomplete": _ReadEvent.end,
    "response.failed": _ReadEvent.end,
    "error": _ReadEvent.error,
}
"""Events that say something; all others are only relayed."""
