"""What one attempt said: the neutral events of an answer, gathered as they pass."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.domain.chat import (
    DEFAULT_CHANNEL,
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

MAX_NAME_CHARS = 256
MAX_STOPS = 128

_encoder = msgspec.json.Encoder()


def bounded(text: str | None) -> str | None:
    """Make a name that a provider chose fit for a record: short, and of visible characters."""
    if text is None or (len(text) <= MAX_NAME_CHARS and text.isprintable()):
        return text
    return "".join([char if char.isprintable() else "?" for char in text[:MAX_NAME_CHARS]])


class Part(Struct, omit_defaults=True, tag_field="type", tag="text"):
    """A text of the answer."""

    content: str


class RefusalPart(Part, tag="text"):
    """A text with which the model itself refuses."""


class ReasoningPart(Part, tag="reasoning"):
    """A text of the model's reasoning."""


class ToolCallPart(Struct, omit_defaults=True, tag_field="type", tag="tool_call"):
    """A tool call; `arguments` is the text the model wrote, valid JSON or not."""

    id: str
    name: str
    arguments: str = ""


_KINDS: dict[type[Event], type[Part | ToolCallPart]] = {
    Text: Part,
    Refusal: RefusalPart,
    Reasoning: ReasoningPart,
    ToolArgs: ToolCallPart,
}


class _Piece(NamedTuple):
    kind: type[Part | ToolCallPart]
    call_id: str
    name: str
    fragments: list[str]


class Transcript:
    """Gathers the events of an answer. State: everything said so far.

    Attributes:
        usage_reports: The provider's usage objects, oldest first.
        ended: Whether the wire's own terminal was seen.
        failed: The error the provider sent inside its stream, if it did.
        output_chars: Characters of text, reasoning and tool arguments.
    """

    __slots__ = (
        "_pieces",
        "ended",
        "failed",
        "model",
        "output_chars",
        "response_id",
        "stops",
        "tool_calls",
        "usage_reports",
    )

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self.stops: list[Stop] = []
        self.usage_reports: list[UsageReport] = []
        self.tool_calls = 0
        self.output_chars = 0
        self.ended = False
        self.failed: Failed | None = None
        self._pieces: dict[tuple[Channel, type[Part | ToolCallPart]], _Piece] = {}

    def absorb(self, event: Event) -> None:
        """Take one event in."""
        absorb = _ABSORB.get(type(event))
        if absorb is not None:
            absorb(self, event)

    @property
    def finish_reasons(self) -> str:
        """Neutral stop reasons, comma-joined, one per choice."""
        return ",".join([stop.reason for stop in self.stops])

    @property
    def refused(self) -> bool:
        """Whether the model itself refused."""
        if any(stop.reason is StopReason.CONTENT_FILTER for stop in self.stops):
            return True
        return any(kind is RefusalPart for _, kind in self._pieces)

    def message(self) -> bytes | None:
        """Encode the answer as a message of the semantic conventions; `None` if nothing was said.

        Shape: `{"role": "assistant", "parts": [{"type": "text", "content": ...}, ...]}`.
        """
        if not self._pieces:
            return None
        parts = [_part(piece) for piece in self._pieces.values()]
        return _encoder.encode({"role": "assistant", "parts": parts})

    def plain_text(self) -> str | None:
        """Give what was said if it is one text that has not ended, else `None`."""
        if self.stops or self.ended or [*self._pieces] != [(DEFAULT_CHANNEL, Part)]:
            return None
        return "".join(self._pieces[DEFAULT_CHANNEL, Part].fragments)

    def goes_on_with(self, text: str) -> None:
        """Put a text that another attempt said before its own; it is told, and not counted."""
        own = self._pieces.setdefault((DEFAULT_CHANNEL, Part), _Piece(Part, "", "", []))
        own.fragments.insert(0, text)

    def say(self, event: Text | Refusal | Reasoning | ToolArgs) -> None:
        """Take a piece of text in."""
        channel, text = event
        self.output_chars += len(text)
        kind = _KINDS[type(event)]
        piece = self._pieces.get((channel, kind))
        if piece is None:
            piece = self._pieces[channel, kind] = _Piece(kind, "", "", [])
        piece.fragments.append(text)

    def begin_tool(self, event: ToolStart) -> None:
        """A tool call begins."""
        self.tool_calls += 1
        channel, call_id, name = event
        self._pieces[channel, ToolCallPart] = _Piece(ToolCallPart, call_id, name, [])

    def stop(self, event: Stop) -> None:
        """A choice has stopped; a provider that never stops stopping is not listened to."""
        if len(self.stops) < MAX_STOPS:
            self.stops.append(event)

    def report(self, event: UsageReport) -> None:
        """The provider told usage."""
        self.usage_reports.append(event)

    def start(self, event: Start) -> None:
        """The preamble came."""
        self.response_id, self.model = bounded(event.response_id), bounded(event.model)

    def end(self, _event: End) -> None:
        """The wire's terminal came."""
        self.ended = True

    def fail(self, event: Failed) -> None:
        """The provider failed in its stream; behind the terminal that matters no more."""
        if not self.ended:
            self.failed = event


# A table and not a `match`: it is asked once for every event of every stream.
_ABSORB: Mapping[type[Event], Callable[[Transcript, Any], None]] = {
    Text: Transcript.say,
    Refusal: Transcript.say,
    Reasoning: Transcript.say,
    ToolArgs: Transcript.say,
    ToolStart: Transcript.begin_tool,
    Stop: Transcript.stop,
    UsageReport: Transcript.report,
    Start: Transcript.start,
    End: Transcript.end,
    Failed: Transcript.fail,
}


def _part(piece: _Piece) -> Part | ToolCallPart:
    text = "".join(piece.fragments)
    if issubclass(piece.kind, ToolCallPart):
        return ToolCallPart(piece.call_id, piece.name, text)
    return piece.kind(text)
