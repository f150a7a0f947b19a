"""Asks a cell of the matrix with the official SDK of its caller, and tells what came of it."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from tests.e2e.matrix import FEW, SAID, SHAPES, Cell

_SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
    "additionalProperties": False,
}
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)


@dataclass(slots=True)
class Seen:
    """What the caller saw of one request. State: filled while the answer arrives."""

    cell: Cell
    request_id: str = ""
    text: str = ""
    calls: list[str] = field(default_factory=list[str])
    reason: str | None = None
    usage: tuple[int, int] | None = None
    error: str | None = None
    code: str | None = None
    status: int = 200

    def fails(self, error: openai.APIError | anthropic.APIError) -> None:
        """Take down what the SDK raised."""
        self.error = type(error).__name__
        if isinstance(error, openai.APIError):
            self.code = error.code
        elif isinstance(error, anthropic.APIStatusError):
            self.code = error.error_code
        if isinstance(error, (openai.APIStatusError, anthropic.APIStatusError)):
            self.status = error.status_code
            self.request_id = error.response.headers["x-trimtab-request-id"]


async def ask_openai(client: AsyncOpenAI, cell: Cell) -> Seen:
    """Ask with OpenAI's SDK."""
    seen = Seen(cell)
    asked: dict[str, Any] = {"model": cell.model, **_for_openai(cell.shape)}
    if cell.stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    create: Any = client.chat.completions.with_raw_response.create
    try:
        raw = await create(**asked)
        seen.request_id = raw.headers["x-request-id"]
        answer = raw.parse()
        if cell.stream:
            await _read_chunks(answer, seen)
        else:
            _read_completion(answer, seen)
    except openai.APIError as error:
        seen.fails(error)
    except json.JSONDecodeError:
        seen.error = "JSONDecodeError"
    return seen


def _for_openai(shape: str) -> Mapping[str, Any]:
    question, more = _question(shape), dict[str, Any]()
    content: Any = question
    match shape:
        case "tool" | "parallel tools":
            function = {"name": "lookup", "parameters": _SCHEMA, "strict": True}
            more["tools"] = [{"type": "function", "function": function}]
        case "images":
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}}
            content = [image, {"type": "text", "text": question}]
        case "schema":
            told = {"name": "query", "schema": _SCHEMA, "strict": True}
            more["response_format"] = {"type": "json_schema", "json_schema": told}
        case "reasoning":
            more["reasoning_effort"] = "low"
        case _:
            pass
    most = FEW if shape == "length" else 3000
    return {
        "messages": [{"role": "user", "content": content}],
        "max_completion_tokens": most,
        **more,
    }


def _read_completion(answer: Any, seen: Seen) -> None:  # noqa: ANN401 -- of the SDK
    choice = answer.choices[0]
    seen.text = choice.message.content or choice.message.refusal or ""
    seen.calls = [call.function.arguments for call in choice.message.tool_calls or ()]
    seen.reason = choice.finish_reason
    if answer.usage is not None:
        seen.usage = (_number(answer.usage.prompt_tokens), _number(answer.usage.completion_tokens))


async def _read_chunks(chunks: AsyncIterator[Any], seen: Seen) -> None:
    async for chunk in chunks:
        if chunk.usage is not None:
            counts = chunk.usage
            seen.usage = (_number(counts.prompt_tokens), _number(counts.completion_tokens))
        for choice in chunk.choices:
            seen.text += choice.delta.content or choice.delta.refusal or ""
            seen.reason = choice.finish_reason or seen.reason
            for call in choice.delta.tool_calls or ():
                while len(seen.calls) <= call.index:
                    seen.calls.append("")
                seen.calls[call.index] += call.function.arguments or ""


async def ask_anthropic(client: AsyncAnthropic, cell: Cell) -> Seen:
    """Ask with Anthropic's SDK."""
    seen = Seen(cell)
    asked: dict[str, Any] = {"model": cell.model, **_for_anthropic(cell.shape)}
    create: Any = client.messages.with_raw_response.create
    try:
        raw = await create(**asked, stream=cell.stream)
        seen.request_id = raw.headers["request-id"]
        answer = await raw.parse()
        if cell.stream:
            await _read_events(answer, seen)
        else:
            _read_message(answer, seen)
    except anthropic.APIError as error:
        seen.fails(error)
    except json.JSONDecodeError:
        seen.error = "JSONDecodeError"
    return seen


def _for_anthropic(shape: str) -> Mapping[str, Any]:
    question, more = _question(shape), dict[str, Any]()
    content: Any = question
    match shape:
        case "tool" | "parallel tools":
            more["tools"] = [{"name": "lookup", "input_schema": _SCHEMA}]
        case "images":
            source = {"type": "base64", "media_type": "image/png", "data": _PIXEL}
            content = [{"type": "image", "source": source}, {"type": "text", "text": question}]
        case "schema":
            more["output_config"] = {"format": {"type": "json_schema", "schema": _SCHEMA}}
        case "reasoning":
            more["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        case _:
            pass
    most = FEW if shape == "length" else 3000
    return {"messages": [{"role": "user", "content": content}], "max_tokens": most, **more}


def _read_message(answer: Any, seen: Seen) -> None:  # noqa: ANN401 -- of the SDK
    for block in answer.content:
        if block.type == "text":
            seen.text += block.text
        elif block.type == "tool_use":
            seen.calls.append(json.dumps(block.input))
    seen.reason = answer.stop_reason
    _count(answer.usage, seen)


async def _read_events(events: AsyncIterator[Any], seen: Seen) -> None:
    async for event in events:
        match event.type:
            case "content_block_start" if event.content_block.type == "tool_use":
                given = event.content_block.input
                seen.calls.append(json.dumps(given) if given else "")
            case "content_block_delta" if event.delta.type == "text_delta":
                seen.text += event.delta.text
            case "content_block_delta" if event.delta.type == "input_json_delta":
                seen.calls[-1] += event.delta.partial_json
            case "message_delta":
                seen.reason = event.delta.stop_reason or seen.reason
                _count(event.usage, seen)
            case _:
                pass


def _count(usage: Any, seen: Seen) -> None:  # noqa: ANN401 -- of the SDK
    if usage is not None and usage.output_tokens is not None:
        parts = (
            usage.input_tokens,
            usage.cache_creation_input_tokens,
            usage.cache_read_input_tokens,
        )
        seen.usage = (sum(_number(part or 0) for part in parts), _number(usage.output_tokens))


def _number(told: int | str) -> int:
    """Read a count; a provider with the fault `usage_string` tells it as text."""
    return int(told)


def _question(shape: str) -> str:
    calls = [f"tool=lookup({arguments})" for arguments in SHAPES[shape].calls]
    if calls:
        return f"[[sim: {', '.join(calls)}]]"
    return "What is asked?" if shape == "schema" else f"[[sim: answer={SAID}]]"
