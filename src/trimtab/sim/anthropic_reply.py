"""Writes answers of messages, event for event as the provider frames them.

https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/api/messages-streaming.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import msgspec

from trimtab.sim.answer import Answer, Stop
from trimtab.sim.bill import Usage
from trimtab.sim.reply import Event, Kind, Reply, to_json, told_usage
from trimtab.sim.request import Refused
from trimtab.sim.text import pieces, tokens_of

ERROR_EVENT = (
    b"event: error\n"
    b'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
)
BAD_LINE = b'event: content_block_delta\ndata: {"type":"content_block_del\n\n'

_PING = Event(Kind.OPENING, b'event: ping\ndata: {"type": "ping"}\n\n')
_END = Event(Kind.END, b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
_STOPS = {
    Stop.END: "end_turn",
    Stop.SEQUENCE: "stop_sequence",
    Stop.LENGTH: "max_tokens",
    Stop.TOOLS: "tool_use",
    Stop.REFUSAL: "refusal",
}
_ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_ERROR = 500


def error(refused: Refused, request_id: str) -> bytes:
    """Write an error body."""
    server = refused.status >= _SERVER_ERROR
    kind = _ERRORS.get(refused.status, "api_error" if server else "invalid_request_error")
    return to_json(
        {
            "type": "error",
            "error": {"type": kind, "message": str(refused)},
            "request_id": request_id,
        }
    )


def whole(reply: Reply) -> bytes:
    """Write an answer that is not streamed."""
    [answer] = reply.answers
    return to_json(
        _message(
            reply,
            [_filled(block) for block in _blocks(reply, answer)],
            stop=_STOPS[answer.stop],
            sequence=answer.sequence,
            usage=_counts(reply.usage),
        )
    )


def stream(reply: Reply) -> list[Event]:
    """Write the events of a streamed answer."""
    [answer] = reply.answers
    faults = reply.request.faults
    opening = _message(reply, [], usage=_counts(_placeholder(reply.usage)))
    events = [_event(Kind.OPENING, "message_start", {"message": opening})]
    for index, block in enumerate(_blocks(reply, answer)):
        at_once = faults.args_in_first_delta
        events.extend(_block_events(index, block, at_once=at_once, first=index == 0))
        if faults.usage_repeated:
            output = sum(event.tokens for event in events)
            events.append(_delta(reply, None, reply.usage._replace(output=output)))
    if not answer.tokens:
        events.append(_PING)
    late = faults.usage_after_finish_s
    final = _delta(reply, answer, _placeholder(reply.usage) if late else reply.usage)
    events.append(final)
    if faults.usage_repeated:
        events.append(final)
    if late:
        events.append(_delta(reply, answer, reply.usage)._replace(wait_s=late))
    events.append(_END)
    return events


def call_id(unique: str) -> str:
    """Name a message."""
    return f"msg_{unique}"


def _message(
    reply: Reply,
    content: list[dict[str, Any]],
    *,
    stop: str | None = None,
    sequence: str | None = None,
    usage: dict[str, Any],
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "model": reply.model,
        "id": call_id(reply.unique),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": sequence,
    }
    told_of = told_usage(usage, reply.request.faults)
    if told_of is not None:
        told["usage"] = {**told_of, "service_tier": "standard"}
    return told


class _Block(msgspec.Struct):
    """A block of content: as it begins, and the text that deltas of a kind add to a member."""

    start: dict[str, Any]
    member: str
    delta: str
    text: str
    tokens_before: int = 0
    signature: str = ""


def _blocks(reply: Reply, answer: Answer) -> Iterator[_Block]:
    if answer.reasoning and reply.request.thinking is not None:
        start = {"type": "thinking", "thinking": "", "signature": ""}
        signature = b64encode(answer.reasoning.encode()[:48]).decode()
        yield _Block(start, "thinking", "thinking_delta", answer.reasoning, signature=signature)
    if answer.text:
        yield _Block({"type": "text", "text": ""}, "text", "text_delta", answer.text)
    for number, call in enumerate(answer.calls):
        start: dict[str, Any] = {
            "type": "tool_use",
            "id": f"toolu_{reply.unique}_{number}",
            "name": call.name,
            "input": {},
        }
        yield _Block(
            start, "partial_json", "input_json_delta", call.arguments, tokens_of(call.name)
        )


def _filled(block: _Block) -> dict[str, Any]:
    """Give a block with all its text."""
    if block.member == "partial_json":
        return {**block.start, "input": _read_arguments(block.text)}
    filled = {**block.start, block.member: block.text}
    return {**filled, "signature": block.signature} if block.signature else filled


def _read_arguments(text: str) -> object:
    """Read arguments; what the most tokens cut off is no JSON, and is told as empty."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


def _block_events(index: int, block: _Block, *, at_once: bool, first: bool) -> Iterator[Event]:
    """Write a block; `at_once` a tool's arguments come with its beginning."""
    kind = Kind.REASONING if block.signature else Kind.CONTENT
    tool = block.member == "partial_json"
    at_once = at_once and tool
    begin = kind if tool else Kind.OPENING if first else Kind.FRAME
    start = _filled(block) if at_once else block.start
    tokens = block.tokens_before + (tokens_of(block.text) if at_once else 0)
    yield _event(begin, "content_block_start", {"index": index, "content_block": start}, tokens)
    if first:
        yield _PING
    if not at_once:
        yield from _deltas(index, block, kind)
    if block.signature:
        delta = {"type": "signature_delta", "signature": block.signature}
        yield _event(Kind.FRAME, "content_block_delta", {"index": index, "delta": delta})
    yield _event(Kind.FRAME, "content_block_stop", {"index": index})


def _deltas(index: int, block: _Block, kind: Kind) -> Iterator[Event]:
    before = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
        b'"delta":{"type":"%b","%b":' % (index, block.delta.encode(), block.member.encode())
    )
    if block.member == "partial_json":
        yield Event(Kind.FRAME, before + b'""}}\n\n')
    for piece in pieces(block.text):
        yield Event(kind, before + to_json(piece) + b"}}\n\n", 1)


def _placeholder(usage: Usage) -> Usage:
    """Give usage as it is told before anything is said: its output is no count."""
    return usage._replace(output=1, reasoning=0)


def _delta(reply: Reply, answer: Answer | None, usage: Usage) -> Event:
    """Write a `message_delta`; without an answer it says that there is more to come."""
    counts = told_usage(_counts(usage), reply.request.faults)
    if counts is not None:
        counts.pop("cache_creation", None)
    members: dict[str, Any] = {
        "delta": {
            "stop_reason": _STOPS[answer.stop] if answer else None,
            "stop_sequence": answer.sequence if answer else None,
        }
    }
    if counts is not None:
        members["usage"] = counts
    return _event(Kind.CLOSING if answer else Kind.FRAME, "message_delta", members)


def _event(kind: Kind, name: str, members: dict[str, Any], tokens: int = 0) -> Event:
    body = to_json({"type": name, **members})
    return Event(kind, b"event: %b\ndata: %b\n\n" % (name.encode(), body), tokens)


def _counts(usage: Usage) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.write_5m + usage.write_1h,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.write_5m,
            "ephemeral_1h_input_tokens": usage.write_1h,
        },
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts
