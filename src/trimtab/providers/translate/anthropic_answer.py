"""Writes messages answers out of neutral events.

Wire facts: https://docs.anthropic.com/en/api/messages-streaming. Blocks follow one another with
dense indexes, each over before the next begins, while the calls of another wire may interleave.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from trimtab.domain.chat import (
    Channel,
    End,
    Event,
    Failed,
    Refusal,
    Start,
    Stop,
    StopReason,
    Text,
    ToolArgs,
    ToolStart,
    UsageReport,
)
from trimtab.providers.base import UNREADABLE, BadBody, ProviderFault
from trimtab.providers.translate.answer import Gathered, Said, Telling
from trimtab.providers.translate.anthropic_writer import call_id

_REASONS = {
    StopReason.STOP: "end_turn",
    StopReason.LENGTH: "max_tokens",
    StopReason.TOOL_CALLS: "tool_use",
    StopReason.CONTENT_FILTER: "refusal",
    StopReason.OTHER: "end_turn",
}
_ERROR_TYPES = {
    "insufficient_quota": "billing_error",
    "permission_error": "permission_error",
    "rate_limit_error": "rate_limit_error",
    "requests": "rate_limit_error",
    "server_error": "api_error",
    "tokens": "rate_limit_error",
}
"""OpenAI's words for errors in Anthropic's; for the others the request is at fault."""

_NO_USAGE = Raw(b"{}")

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])


def whole(events: Sequence[Event], telling: Telling) -> bytes:
    """Write an answer that is not streamed.

    Raises:
        BadBody: the arguments of a call are no JSON object.
    """
    gathered = Gathered(events)
    kinds: set[type[Event]] = {type(said.event) for said in gathered.said}
    message = {
        **_message(gathered.start),
        "content": [_block(said) for said in gathered.said],
        "stop_reason": _reason(gathered.reason, kinds),
        "usage": telling.usage(gathered.reports) or _NO_USAGE,
    }
    return _encode(message)


def refusal(fault: ProviderFault) -> bytes:
    """Write an error."""
    return _encode(_error(fault.type, fault.message, "invalid_request_error"))


class _Block:
    """A block of a stream that has not ended. State: fragments that wait for their turn."""

    __slots__ = ("content", "waiting")

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.waiting: list[str] = []

    @property
    def is_call(self) -> bool:
        return self.content["type"] == "tool_use"

    def delta(self, fragment: str) -> dict[str, str]:
        if self.is_call:
            return {"type": "input_json_delta", "partial_json": fragment}
        return {"type": "text_delta", "text": fragment}


class MessageWriter:
    """Writes a messages stream.

    The first block that has not ended is told as it comes. A text ends when something else
    begins; a call only when the model stops, for until then more of its arguments may come. What
    begins meanwhile waits.

    State: the blocks that have not ended, the calls by channel, the index of the first such
    block, what kinds of things were said, why the model stopped, and what usage was reported.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_index",
        "_kinds",
        "_reason",
        "_reports",
        "_telling",
    )

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._blocks: list[_Block] = []
        self._calls: dict[Channel, _Block] = {}
        self._index = 0
        self._kinds: set[type[Event]] = set()
        self._reason: StopReason | None = None
        self._reports: list[UsageReport] = []

    def write(self, event: Event) -> bytes:
        """See `EventWriter.write`."""
        write = _WRITE.get(type(event))
        if write is None:
            return b""
        self._kinds.add(type(event))
        return write(self, event)

    def start(self, event: Start) -> bytes:
        """A message begins; what it read is told at its end, for the other wire tells it last."""
        message: dict[str, Any] = {
            **_message(event),
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return _sse("message_start", message=message)

    def say(self, event: Text | Refusal) -> bytes:
        """A piece of text. This wire has no other form for a refusal."""
        last = self._blocks[-1] if self._blocks else None
        if last is not None and not last.is_call:
            return self._fragment(last, event.text)
        block = _Block({"type": "text", "text": ""})
        return self._append(block) + self._fragment(block, event.text)

    def begin_tool(self, event: ToolStart) -> bytes:
        """A call begins; some providers name it again with every piece."""
        if event.channel in self._calls:
            return b""
        block = self._calls[event.channel] = _Block(_tool_use(event, Raw(b"{}")))
        return self._append(block)

    def arguments(self, event: ToolArgs) -> bytes:
        """A piece of a call's arguments, as it came."""
        block = self._calls.get(event.channel)
        return b"" if block is None else self._fragment(block, event.fragment)

    def report(self, event: UsageReport) -> bytes:
        """Usage comes with the end."""
        self._reports.append(event)
        return b""

    def stop(self, event: Stop) -> bytes:
        """The model stopped, so every block is over."""
        self._reason = event.reason
        return self._flush()

    def end(self, _event: End) -> bytes:
        """The end, with all of the usage."""
        delta = {"stop_reason": _reason(self._reason, self._kinds), "stop_sequence": None}
        usage = self._telling.usage(self._reports) or _NO_USAGE
        ended = _sse("message_delta", delta=delta, usage=usage) + _sse("message_stop")
        return self._flush() + ended

    def fail(self, event: Failed) -> bytes:
        """An error; no terminal follows."""
        return (
            b"event: error\ndata: "
            + _encode(_error(event.provider_type, event.message, "api_error"))
            + b"\n\n"
        )

    def _append(self, block: _Block) -> bytes:
        self._blocks.append(block)
        first = self._blocks[0]
        if first is block:
            return self._begin(block)
        return b"" if first.is_call else self._advance()

    def _fragment(self, block: _Block, fragment: str) -> bytes:
        if self._blocks and block is self._blocks[0]:
            delta = block.delta(fragment)
            return _sse("content_block_delta", index=self._index, delta=delta)
        block.waiting.append(fragment)
        return b""

    def _begin(self, block: _Block) -> bytes:
        begun = _sse("content_block_start", index=self._index, content_block=block.content)
        return begun + (self._fragment(block, "".join(block.waiting)) if block.waiting else b"")

    def _advance(self) -> bytes:
        """End the first block, and begin the one that waits for that."""
        del self._blocks[0]
        ended = _sse("content_block_stop", index=self._index)
        self._index += 1
        return ended + (self._begin(self._blocks[0]) if self._blocks else b"")

    def _flush(self) -> bytes:
        ended = b""
        while self._blocks:
            ended += self._advance()
        return ended


_WRITE: Mapping[type[Event], Callable[[MessageWriter, Any], bytes]] = {
    Start: MessageWriter.start,
    Text: MessageWriter.say,
    Refusal: MessageWriter.say,
    ToolStart: MessageWriter.begin_tool,
    ToolArgs: MessageWriter.arguments,
    UsageReport: MessageWriter.report,
    Stop: MessageWriter.stop,
    End: MessageWriter.end,
    Failed: MessageWriter.fail,
}


def _reason(reason: StopReason | None, kinds: set[type[Event]]) -> str | None:
    """Say why a model stopped. OpenAI's `stop` may hide a refusal, or a call that was forced."""
    if reason is None:
        return None
    if reason is StopReason.STOP and Refusal in kinds:
        reason = StopReason.CONTENT_FILTER
    elif reason is StopReason.STOP and ToolStart in kinds:
        reason = StopReason.TOOL_CALLS
    return _REASONS[reason]


def _message(start: Start) -> dict[str, Any]:
    return {
        "id": start.response_id or "",
        "type": "message",
        "role": "assistant",
        "model": start.model or "",
        "stop_sequence": None,
    }


def _block(said: Said) -> dict[str, Any]:
    if not isinstance(said.event, ToolStart):
        return {"type": "text", "text": said.text}
    arguments = said.text or "{}"
    try:
        _object.decode(arguments)
    except UNREADABLE as exc:
        raise BadBody("the arguments of a call are no JSON object") from exc
    return _tool_use(said.event, Raw(arguments.encode()))


def _tool_use(event: ToolStart, arguments: Raw) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": call_id(event.call_id),
        "name": event.name,
        "input": arguments,
    }


def _error(kind: str, message: str, otherwise: str) -> dict[str, Any]:
    error = {"type": _ERROR_TYPES.get(kind, otherwise), "message": message or kind}
    return {"type": "error", "error": error}


def _sse(kind: str, **members: object) -> bytes:
    data = _encode({"type": kind, **members})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
