"""Writes answers of chat completions, byte for byte as the provider frames them.

https://platform.openai.com/docs/api-reference/chat/object and .../chat-streaming.
"""

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

from trimtab.sim.answer import Answer, Stop
from trimtab.sim.bill import Usage
from trimtab.sim.faults import Faults
from trimtab.sim.reply import Event, Kind, Reply, to_json, told_usage
from trimtab.sim.request import Call, Refused
from trimtab.sim.text import pieces, tokens_of

ERROR_EVENT = (
    b'data: {"error":{"message":"The server had an error while processing your request.",'
    b'"type":"server_error","param":null,"code":null}}\n\n'
)
BAD_LINE = b'data: {"id":"chatcmpl-broken","object":"chat.compl\n\n'

_DONE = Event(Kind.END, b"data: [DONE]\n\n")
_FINGERPRINT = "fp_trimtab_sim"
_NO_USAGE = b',"usage":null}\n\n'
_STOPS = {Stop.END: "stop", Stop.SEQUENCE: "stop", Stop.LENGTH: "length", Stop.TOOLS: "tool_calls"}
_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", None),
    409: ("conflict_error", None),
    429: ("requests", "rate_limit_exceeded"),
}
_SERVER_ERROR = 500


def error(refused: Refused, _request_id: str) -> bytes:
    """Write an error body."""
    kind, code = _ERRORS.get(
        refused.status,
        ("server_error" if refused.status >= _SERVER_ERROR else "invalid_request_error", None),
    )
    return to_json(
        {
            "error": {
                "message": str(refused),
                "type": kind,
                "param": refused.param,
                "code": refused.code or code,
            }
        }
    )


def whole(reply: Reply) -> bytes:
    """Write an answer that is not streamed."""
    faults = reply.request.faults
    told: dict[str, Any] = {
        "id": call_id(reply.unique),
        "object": "chat.completion",
        "created": reply.created_s,
        "model": reply.model,
        "choices": [_choice(reply, place, each) for place, each in enumerate(reply.answers)],
    }
    usage = told_usage(_counts(reply.usage), faults)
    if usage is not None:
        told["usage"] = usage
    return to_json({**told, "service_tier": "default", "system_fingerprint": _FINGERPRINT})


def stream(reply: Reply) -> list[Event]:
    """Write the events of a streamed answer. Choices take turns."""
    faults = reply.request.faults
    asked = reply.request.usage_asked
    before, after = _around(reply)
    lanes = [
        list(_lane(reply, place, each, before, after)) for place, each in enumerate(reply.answers)
    ]
    events = lanes[0]
    if len(lanes) > 1:
        events = [each for each in chain.from_iterable(zip_longest(*lanes)) if each is not None]
    if asked and faults.usage_repeated:
        events = list(_with_running_usage(events, reply))
    usage = told_usage(_counts(reply.usage), faults)
    if asked and usage is not None:
        raw = b"%b]%b" % (before, b',"usage":' + to_json(usage) + b"}\n\n")
        events.append(Event(Kind.CLOSING, raw, wait_s=faults.usage_after_finish_s))
    events.append(_DONE)
    return events


def call_id(unique: str) -> str:
    """Name a completion."""
    return f"chatcmpl-{unique}"


def _choice(reply: Reply, place: int, answer: Answer) -> dict[str, Any]:
    refused = answer.stop is Stop.REFUSAL
    silent = refused or (answer.calls and not answer.text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if silent else answer.text,
        "refusal": answer.text if refused else None,
        "annotations": [],
    }
    if answer.calls:
        message["tool_calls"] = [
            {"id": _tool_id(reply, place, number), "type": "function", "function": _function(call)}
            for number, call in enumerate(answer.calls)
        ]
    return {
        "index": place,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish(answer, reply.request.faults),
    }


def _lane(reply: Reply, place: int, answer: Answer, before: bytes, after: bytes) -> Iterator[Event]:
    """Write the events of one choice."""
    start = b'%b{"index":%d,"delta":' % (before, place)
    end = b',"logprobs":null,"finish_reason":null}]' + after
    refused = answer.stop is Stop.REFUSAL
    silent = refused or (answer.calls and not answer.text)
    content = b"null" if silent else b'""'
    yield Event(
        Kind.OPENING,
        start + b'{"role":"assistant","content":' + content + b',"refusal":null}' + end,
    )
    if answer.reasoning:
        yield Event(Kind.REASONING, b"", tokens_of(answer.reasoning))
    member = b'{"refusal":' if refused else b'{"content":'
    for piece in pieces(answer.text):
        yield Event(Kind.CONTENT, start + member + to_json(piece) + b"}" + end, 1)
    for number, call in enumerate(answer.calls):
        for delta, tokens in _call_deltas(reply, place, number, call):
            told = to_json({"tool_calls": [{"index": number, **delta}]})
            yield Event(Kind.CONTENT, start + told + end, tokens)
    finish = _finish(answer, reply.request.faults).encode()
    yield Event(
        Kind.CLOSING, start + b'{},"logprobs":null,"finish_reason":"' + finish + b'"}]' + after
    )


def _call_deltas(
    reply: Reply, place: int, number: int, call: Call
) -> Iterator[tuple[dict[str, Any], int]]:
    at_once = reply.request.faults.args_in_first_delta
    first = call if at_once else Call(call.name, "")
    tokens = tokens_of(call.name) + (tokens_of(call.arguments) if at_once else 0)
    call_id = _tool_id(reply, place, number)
    yield {"id": call_id, "type": "function", "function": _function(first)}, tokens
    if not at_once:
        for piece in pieces(call.arguments):
            yield {"function": {"arguments": piece}}, 1


def _around(reply: Reply) -> tuple[bytes, bytes]:
    """Give what comes before the choices of every chunk, and after them."""
    told: dict[str, Any] = {
        "id": call_id(reply.unique),
        "object": "chat.completion.chunk",
        "created": reply.created_s,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }
    shown = reply.request.usage_asked and not reply.request.faults.no_usage
    before = b"data: " + to_json(told)[:-1] + b',"choices":['
    return before, _NO_USAGE if shown else b"}\n\n"


def _with_running_usage(events: list[Event], reply: Reply) -> Iterator[Event]:
    """Put the usage so far in every chunk."""
    output = reasoning = 0
    for event in events:
        output += event.tokens
        reasoning += event.tokens if event.kind is Kind.REASONING else 0
        so_far = reply.usage._replace(output=output, reasoning=reasoning)
        usage = told_usage(_counts(so_far), reply.request.faults)
        raw = event.raw.removesuffix(_NO_USAGE)
        yield (
            event
            if usage is None or not event.raw
            else event._replace(raw=raw + b',"usage":' + to_json(usage) + b"}\n\n")
        )


def _finish(answer: Answer, faults: Faults) -> str:
    if answer.stop is Stop.REFUSAL:
        return faults.refusal or "content_filter"
    return _STOPS[answer.stop]


def _function(call: Call) -> dict[str, str]:
    return {"name": call.name, "arguments": call.arguments}


def _tool_id(reply: Reply, place: int, number: int) -> str:
    return f"call_{reply.unique}_{place}_{number}"


def _counts(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
