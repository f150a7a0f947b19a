"""What the writers of answers share: a whole answer gathered out of its events."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Raw

from trimtab.domain.chat import (
    Channel,
    Event,
    Refusal,
    Start,
    Stop,
    StopReason,
    Text,
    ToolArgs,
    ToolStart,
    UsageReport,
)
from trimtab.providers.base import ProviderFault
from trimtab.providers.translate.neutral import Ask
from trimtab.providers.translate.reading import Losses


class Telling(NamedTuple):
    """What an answer tells beside its events.

    Attributes:
        created_s: When it was made, in seconds since the epoch.
        usage: Writes what a provider reported as the caller's usage object.
        hide_usage: Whether the caller did not ask for usage in a stream.
    """

    created_s: int
    usage: Callable[[Sequence[UsageReport]], Raw | None]
    hide_usage: bool = False


class EventWriter(Protocol):
    """Writes one stream."""

    def write(self, event: Event) -> bytes:
        """Give the bytes that tell an event; none if it is not told, or not yet."""
        ...


class Dialect(NamedTuple):
    """How one wire asks and answers: all that translation has to know of it."""

    read: Callable[[Mapping[str, Raw], Losses], Ask]
    write: Callable[[Ask, Losses], Mapping[str, object]]
    whole: Callable[[Sequence[Event], Telling], bytes]
    stream: Callable[[Telling], EventWriter]
    refusal: Callable[[ProviderFault], bytes]


class Said(NamedTuple):
    """A text or a call of an answer; `event` is the one that began it."""

    event: Text | Refusal | ToolStart
    fragments: list[str]

    @property
    def text(self) -> str:
        """All of the text, or of the call's arguments."""
        return "".join(self.fragments)


class Gathered:
    """A whole answer. Reasoning is not told across wires, so it is not here."""

    __slots__ = ("reason", "reports", "said", "start")

    def __init__(self, events: Sequence[Event]) -> None:
        self.start = Start(None, None)
        self.reason: StopReason | None = None
        self.reports: list[UsageReport] = []
        self.said: list[Said] = []
        calls: dict[Channel, Said] = {}
        for event in events:
            match event:
                case Start():
                    self.start = event
                case Stop(reason, _):
                    self.reason = reason
                case UsageReport():
                    self.reports.append(event)
                case Text(_, text) | Refusal(_, text):
                    self._say(event, text)
                case ToolStart(channel):
                    calls[channel] = Said(event, [])
                    self.said.append(calls[channel])
                case ToolArgs(channel, fragment) if channel in calls:
                    calls[channel].fragments.append(fragment)
                case _:
                    pass

    def _say(self, event: Text | Refusal, text: str) -> None:
        last = self.said[-1] if self.said else None
        if last is None or type(last.event) is not type(event) or last.event[0] != event.channel:
            last = Said(event, [])
            self.said.append(last)
        last.fragments.append(text)
