"""The neutral events of an answer, read beside the bytes of either wire.

On the same wire `raw` is relayed as it came; the events feed guards, metering and the record.
"""

from enum import StrEnum
from typing import NamedTuple

Channel = tuple[int, int]
"""Which text an event belongs to: (choice, block)."""

DEFAULT_CHANNEL: Channel = (0, 0)


class StopReason(StrEnum):
    """Why a model stopped, in OpenAI's words, which are the neutral ones."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    OTHER = "other"


class Start(NamedTuple):
    """The preamble: ids and the dated model, before any content."""

    response_id: str | None
    model: str | None


class Text(NamedTuple):
    """Text for the caller."""

    channel: Channel
    text: str


class Refusal(NamedTuple):
    """Text for the caller with which the model itself refuses."""

    channel: Channel
    text: str


class Reasoning(NamedTuple):
    """Text of the model's reasoning."""

    channel: Channel
    text: str


class ToolStart(NamedTuple):
    """A tool call begins."""

    channel: Channel
    call_id: str
    name: str


class ToolArgs(NamedTuple):
    """A piece of a tool call's arguments; never parsed on the way."""

    channel: Channel
    fragment: str


class UsageReport(NamedTuple):
    """The provider's own usage object, as bytes; `cost.usage` alone reads it.

    `final` says that the wire will not correct it any more; `service_tier` is the service that was
    given, where the wire tells it beside the usage.
    """

    raw: bytes
    final: bool
    service_tier: str | None = None


class Stop(NamedTuple):
    """The model stopped; usage may still follow."""

    reason: StopReason
    raw_reason: str


class End(NamedTuple):
    """The wire's own terminal: `[DONE]`, `message_stop`, or a whole body."""


class Failed(NamedTuple):
    """An error the provider sent inside a stream."""

    message: str
    provider_type: str


Event = (
    Start | Text | Refusal | Reasoning | ToolStart | ToolArgs | UsageReport | Stop | End | Failed
)


def is_content(event: Event) -> bool:
    """Whether the event commits the answer: the caller may see that something was said."""
    match event:
        case Text(_, text) | Refusal(_, text) | Reasoning(_, text) | ToolArgs(_, text):
            return text != ""
        case ToolStart():
            return True
        case _:
            return False
