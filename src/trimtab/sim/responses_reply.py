"""Writes answers of responses, byte for byte as the provider frames them.

https://platform.openai.com/docs/api-reference/responses/object and .../responses-streaming.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from trimtab.sim.answer import Answer, Stop
from trimtab.sim.bill import Usage
from trimtab.sim.reply import Event, Kind, Reply, to_json, told_usage
from trimtab.sim.request import Call
from trimtab.sim.text import pieces, tokens_of

ERROR_EVENT = (
    b'event: error\ndata: {"type":"error","code":"server_error","message":"The server had an error '
    b'while processing your request.","param":null,"sequence_number":2}\n\n'
)
BAD_LINE = b'event: response.output_text.delta\ndata: {"type":"response.output_te\n\n'

_INCOMPLETE = {Stop.LENGTH: "max_output_tokens", Stop.REFUSAL: "content_filter"}


def whole(reply: Reply) -> bytes:
    """Write an answer that is not streamed."""
    return to_json(_ended(reply))


def stream(reply: Reply) -> list[Event]:
    """Write the events of a streamed answer, numbered from 0."""
    numbers = count()
    events: list[Event] = []
    for kind, told, tokens in _events(reply):
        if told is None:
            events.append(Event(kind, b"", tokens))
            continue
        numbered = {"type": told["type"], "sequence_number": next(numbers), **told}
        raw = b"event: %b\ndata: %b\n\n" % (told["type"].encode(), to_json(numbered))
        wait_s = reply.request.faults.usage_after_finish_s if kind is Kind.END else 0.0
        events.append(Event(kind, raw, tokens, wait_s))
    return events


def call_id(unique: str) -> str:
    """Name a response."""
    return f"resp_{unique}"


_Told = tuple[Kind, dict[str, Any] | None, int]


def _events(reply: Reply) -> Iterator[_Told]:
    """Say what happens, in the provider's order: kind, event, tokens generated for it."""
    begun = {**_response(reply), "status": "in_progress"}
    yield Kind.OPENING, {"type": "response.created", "response": begun}, 0
    yield Kind.OPENING, {"type": "response.in_progress", "response": begun}, 0
    [answer] = reply.answers
    for index, item in enumerate(_items(reply, answer)):
        at = {"output_index": index}
        empty = {**item, **_EMPTY[item["type"]]}
        first = item if reply.request.faults.args_in_first_delta else empty
        yield Kind.FRAME, {"type": "response.output_item.added", **at, "item": first}, 0
        match item["type"]:
            case "reasoning":
                yield from _reasoning(answer, item, at)
            case "message":
                yield from _message(answer, item, at)
            case _:
                yield from _arguments(reply, item, at)
        yield Kind.FRAME, {"type": "response.output_item.done", **at, "item": item}, 0
    ended = _ended(reply)
    yield Kind.END, {"type": f"response.{ended['status']}", "response": ended}, 0


def _reasoning(answer: Answer, item: dict[str, Any], at: dict[str, int]) -> Iterator[_Told]:
    """Reason; what is not shown is generated all the same."""
    tokens = tokens_of(answer.reasoning)
    if not item["summary"]:
        yield Kind.REASONING, None, tokens
        return
    here = {"item_id": item["id"], **at, "summary_index": 0}
    [part] = item["summary"]
    name = "response.reasoning_summary"
    yield Kind.FRAME, {"type": f"{name}_part.added", **here, "part": {**part, "text": ""}}, 0
    for piece in pieces(answer.reasoning):
        yield Kind.REASONING, {"type": f"{name}_text.delta", **here, "delta": piece}, 1
    yield Kind.FRAME, {"type": f"{name}_text.done", **here, "text": part["text"]}, 0
    yield Kind.FRAME, {"type": f"{name}_part.done", **here, "part": part}, 0


def _message(answer: Answer, item: dict[str, Any], at: dict[str, int]) -> Iterator[_Told]:
    here = {"item_id": item["id"], **at, "content_index": 0}
    [part] = item["content"]
    member = "refusal" if answer.stop is Stop.REFUSAL else "text"
    name = "response.refusal" if answer.stop is Stop.REFUSAL else "response.output_text"
    more: dict[str, Any] = {} if answer.stop is Stop.REFUSAL else {"logprobs": []}
    added = {**part, member: ""}
    yield Kind.FRAME, {"type": "response.content_part.added", **here, "part": added}, 0
    for piece in pieces(answer.text):
        yield Kind.CONTENT, {"type": f"{name}.delta", **here, "delta": piece, **more}, 1
    yield Kind.FRAME, {"type": f"{name}.done", **here, member: answer.text, **more}, 0
    yield Kind.FRAME, {"type": "response.content_part.done", **here, "part": part}, 0


def _arguments(reply: Reply, item: dict[str, Any], at: dict[str, int]) -> Iterator[_Told]:
    """Tell the arguments of a call in pieces, unless a fault tells them in one."""
    here = {"item_id": item["id"], **at}
    name = "response.function_call_arguments"
    faults, arguments = reply.request.faults, item["arguments"]
    generated = tokens_of(item["name"])
    if faults.args_in_first_delta or faults.args_only_in_done:
        generated += tokens_of(arguments)
        yield Kind.CONTENT, None, generated
    else:
        yield Kind.CONTENT, None, generated
        for piece in pieces(arguments):
            yield Kind.CONTENT, {"type": f"{name}.delta", **here, "delta": piece}, 1
    yield Kind.FRAME, {"type": f"{name}.done", **here, "arguments": arguments}, 0


_EMPTY: dict[str, dict[str, Any]] = {
    "reasoning": {"summary": []},
    "message": {"status": "in_progress", "content": []},
    "function_call": {"status": "in_progress", "arguments": ""},
}
"""What an item is when it begins."""


def _response(reply: Reply) -> dict[str, Any]:
    return {
        "id": call_id(reply.unique),
        "object": "response",
        "created_at": reply.created_s,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": reply.model,
        "output": [],
        "service_tier": "default",
        "usage": None,
        **reply.request.echoed,
    }


def _ended(reply: Reply) -> dict[str, Any]:
    [answer] = reply.answers
    ended = {
        **_response(reply),
        "output": _items(reply, answer),
        "usage": told_usage(_counts(reply.usage), reply.request.faults),
    }
    reason = _INCOMPLETE.get(answer.stop)
    if reason is None or reply.request.faults.refusal == "stop":
        return ended
    return {**ended, "status": "incomplete", "incomplete_details": {"reason": reason}}


def _items(reply: Reply, answer: Answer) -> list[dict[str, Any]]:
    """List what was said: reasoning, a message, calls of tools."""
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        shown = [{"type": "summary_text", "text": answer.reasoning}]
        summary = shown if reply.request.summary else []
        items.append({"id": f"rs_{reply.unique}", "type": "reasoning", "summary": summary})
    if answer.text or not answer.calls:
        items.append(_said(reply, answer))
    items += [_called(reply, number, call) for number, call in enumerate(answer.calls)]
    return items


def _said(reply: Reply, answer: Answer) -> dict[str, Any]:
    part: dict[str, Any] = {
        "type": "output_text",
        "annotations": [],
        "logprobs": [],
        "text": answer.text,
    }
    if answer.stop is Stop.REFUSAL:
        part = {"type": "refusal", "refusal": answer.text}
    return {
        "id": f"msg_{reply.unique}",
        "type": "message",
        "status": "incomplete" if answer.stop is Stop.LENGTH else "completed",
        "content": [part],
        "role": "assistant",
    }


def _called(reply: Reply, number: int, call: Call) -> dict[str, Any]:
    return {
        "id": f"fc_{reply.unique}_{number}",
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments,
        "call_id": f"call_{reply.unique}_{number}",
        "name": call.name,
    }


def _counts(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.output,
    }
