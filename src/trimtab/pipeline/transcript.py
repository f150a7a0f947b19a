"""What one attempt said: the neutral events of an answer, gathered as they pass."""

from typing import NamedTuple

import msgspec
from msgspec import Struct

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
        match event:
            case (
                Text(channel, text)
                | ToolArgs(channel, text)
                | Reasoning(channel, text)
                | Refusal(channel, text)
            ):
                self._say(channel, _KINDS[type(event)], text)
            case ToolStart(channel, call_id, name):
                self._begin_tool(channel, call_id, name)
            case Stop() if len(self.stops) < MAX_STOPS:
                self.stops.append(event)
            case UsageReport():
                self.usage_reports.append(event)
            case Start(response_id, model):
                self.response_id, self.model = bounded(response_id), bounded(model)
            case End():
                self.ended = True
            case Failed() if not self.ended:
                self.failed = event
            case _:
                pass

    @property
    def finish_reasons(self) -> str:
        """Neutral stop reasons, comma-joined, one per choice."""
        return ",".join([stop.reason.value for stop in self.stops])

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

    def _begin_tool(self, channel: Channel, call_id: str, name: str) -> None:
        self.tool_calls += 1
        self._pieces[channel, ToolCallPart] = _Piece(ToolCallPart, call_id, name, [])

    def _say(self, channel: Channel, kind: type[Part | ToolCallPart], text: str) -> None:
        self.output_chars += len(text)
        piece = self._pieces.get((channel, kind))
        if piece is None:
            piece = self._pieces[channel, kind] = _Piece(kind, "", "", [])
        piece.fragments.append(text)


def _part(piece: _Piece) -> Part | ToolCallPart:
    text = "".join(piece.fragments)
    if issubclass(piece.kind, ToolCallPart):
        return ToolCallPart(piece.call_id, piece.name, text)
    return piece.kind(text)
