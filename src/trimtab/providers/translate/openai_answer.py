"""Writes chat completion answers out of neutral events.

Wire facts: https://platform.openai.com/docs/api-reference/chat/object and .../chat-streaming.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

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
from trimtab.providers.base import ProviderFault
from trimtab.providers.translate.answer import Gathered, Telling

NO_ARGUMENTS = "{}"

_FINISH = {
    StopReason.STOP: "stop",
    StopReason.LENGTH: "length",
    StopReason.TOOL_CALLS: "tool_calls",
    StopReason.CONTENT_FILTER: "content_filter",
    StopReason.OTHER: "stop",
}
_ERROR_TYPES = {
    "authentication_error": "invalid_request_error",
    "billing_error": "insufficient_quota",
    "invalid_request_error": "invalid_request_error",
    "not_found_error": "invalid_request_error",
    "permission_error": "permission_error",
    "rate_limit_error": "rate_limit_error",
    "request_too_large": "invalid_request_error",
}
"""Anthropic's words for errors in OpenAI's; the others are the server's fault."""

_encode = msgspec.json.Encoder().encode


def whole(events: Sequence[Event], telling: Telling) -> bytes:
    """Write an answer that is not streamed."""
    gathered = Gathered(events)
    texts = [said.text for said in gathered.said if isinstance(said.event, Text)]
    refusals = [said.text for said in gathered.said if isinstance(said.event, Refusal)]
    calls = [
        _call(said.event, said.text or NO_ARGUMENTS)
        for said in gathered.said
        if isinstance(said.event, ToolStart)
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (calls or refusals) else None,
        "refusal": "".join(refusals) or None,
    }
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": None if gathered.reason is None else _FINISH[gathered.reason],
    }
    answer = {
        "id": gathered.start.response_id or "",
        "object": "chat.completion",
        "created": telling.created_s,
        "model": gathered.start.model or "",
        "choices": [choice],
    }
    usage = telling.usage(gathered.reports)
    return _encode(answer if usage is None else {**answer, "usage": usage})


def refusal(fault: ProviderFault) -> bytes:
    """Write an error."""
    error = {
        "message": fault.message or fault.type,
        "type": _ERROR_TYPES.get(fault.type, "server_error"),
        "param": None,
        "code": fault.type,
    }
    return _encode({"error": error})


class CompletionWriter:
    """Writes a chat completion stream.

    State: how it began, the place of every call, the calls without arguments so far, and what
    usage was reported.
    """

    __slots__ = ("_places", "_reports", "_silent", "_start", "_telling")

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._start = Start(None, None)
        self._places: dict[Channel, int] = {}
        self._silent: set[int] = set()
        self._reports: list[UsageReport] = []

    def write(self, event: Event) -> bytes:
        """See `EventWriter.write`."""
        write = _WRITE.get(type(event))
        return b"" if write is None else write(self, event)

    def start(self, event: Start) -> bytes:
        """The role comes first."""
        self._start = event
        return self._delta({"role": "assistant", "content": ""})

    def text(self, event: Text) -> bytes:
        """A piece of text."""
        return self._delta({"content": event.text})

    def refuse(self, event: Refusal) -> bytes:
        """A piece of the text with which the model refuses."""
        return self._delta({"refusal": event.text})

    def begin_tool(self, event: ToolStart) -> bytes:
        """A call begins."""
        place = self._places[event.channel] = len(self._places)
        self._silent.add(place)
        return self._delta({"tool_calls": [{"index": place, **_call(event, "")}]})

    def arguments(self, event: ToolArgs) -> bytes:
        """A piece of a call's arguments, as it came."""
        place = self._places.get(event.channel)
        return b"" if place is None else self._arguments(place, event.fragment)

    def report(self, event: UsageReport) -> bytes:
        """Usage comes last."""
        self._reports.append(event)
        return b""

    def stop(self, event: Stop) -> bytes:
        """The model stopped. A call without arguments has an object of them, but an empty one."""
        ended = [self._arguments(place, NO_ARGUMENTS) for place in sorted(self._silent)]
        return b"".join(ended) + self._delta({}, _FINISH[event.reason])

    def end(self, _event: End) -> bytes:
        """The end, with usage if it was asked for."""
        usage = None if self._telling.hide_usage else self._telling.usage(self._reports)
        told = b"" if usage is None else self._chunk(choices=[], usage=usage)
        return told + b"data: [DONE]\n\n"

    def fail(self, event: Failed) -> bytes:
        """An error; no terminal follows."""
        return b"data: " + refusal(ProviderFault(event.provider_type, event.message)) + b"\n\n"

    def _arguments(self, place: int, fragment: str) -> bytes:
        self._silent.discard(place)
        return self._delta({"tool_calls": [{"index": place, "function": {"arguments": fragment}}]})

    def _delta(self, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._chunk(choices=[choice])

    def _chunk(self, **members: object) -> bytes:
        chunk = {
            "id": self._start.response_id or "",
            "object": "chat.completion.chunk",
            "created": self._telling.created_s,
            "model": self._start.model or "",
            **members,
        }
        return b"data: " + _encode(chunk) + b"\n\n"


_WRITE: Mapping[type[Event], Callable[[CompletionWriter, Any], bytes]] = {
    Start: CompletionWriter.start,
    Text: CompletionWriter.text,
    Refusal: CompletionWriter.refuse,
    ToolStart: CompletionWriter.begin_tool,
    ToolArgs: CompletionWriter.arguments,
    UsageReport: CompletionWriter.report,
    Stop: CompletionWriter.stop,
    End: CompletionWriter.end,
    Failed: CompletionWriter.fail,
}


def _call(event: ToolStart, arguments: str) -> dict[str, Any]:
    function = {"name": event.name, "arguments": arguments}
    return {"id": event.call_id, "type": "function", "function": function}
