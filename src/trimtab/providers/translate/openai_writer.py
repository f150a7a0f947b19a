"""Writes chat completion requests: from the neutral form to OpenAI's wire.

Wire facts: https://platform.openai.com/docs/api-reference/chat/create and the types of the
`openai` SDK 3.57.
"""

from typing import Any

from msgspec import Raw

from trimtab.providers.translate.neutral import (
    Ask,
    Choice,
    Document,
    Image,
    Inline,
    Link,
    Shown,
    Source,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trimtab.providers.translate.reading import Losses

MOST_STOPS = 4
TOOL_ERROR = "[tool error] "
SCHEMA_NAME = "answer"


def write_request(ask: Ask, losses: Losses) -> dict[str, Any]:
    """Write a request, all but its model and what has to do with streaming."""
    if len(ask.stops) > MOST_STOPS:
        losses.lose("stop_sequences")
    members: dict[str, Any] = {
        "messages": [message for turn in ask.turns for message in _turn(turn, losses)],
        "tools": [_tool(tool) for tool in ask.tools],
        "tool_choice": _choice(ask.tool_choice),
        "parallel_tool_calls": None if ask.parallel or not ask.tools else False,
        "max_completion_tokens": ask.max_tokens,
        "stop": list(ask.stops[:MOST_STOPS]),
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "response_format": _format(ask.schema),
        "reasoning_effort": ask.effort,
        "safety_identifier": ask.end_user,
    }
    return {name: value for name, value in members.items() if value not in (None, [])}


def _turn(turn: Turn, losses: Losses) -> list[dict[str, Any]]:
    """Results of tools are messages of their own, before what else was said."""
    messages: list[dict[str, Any]] = []
    shown: list[Shown] = []
    calls: list[dict[str, Any]] = []
    for block in turn.blocks:
        match block:
            case ToolResult():
                messages.append(_result(block, losses))
            case ToolCall(id=call_id, name=name, arguments=arguments):
                function = {"name": name, "arguments": bytes(arguments).decode()}
                calls.append({"id": call_id, "type": "function", "function": function})
            case _:
                shown.append(block)
    if shown or calls:
        content = _content(shown, losses) if shown else None
        said: dict[str, Any] = {"role": turn.role.value, "content": content}
        messages.append({**said, "tool_calls": calls} if calls else said)
    return messages


def _result(result: ToolResult, losses: Losses) -> dict[str, Any]:
    texts: list[Shown] = []
    for block in result.content:
        if isinstance(block, Text):
            texts.append(block)
        else:
            losses.lose(block.at)
    if result.failed:
        first = texts.pop(0) if texts else Text("")
        texts.insert(0, Text(TOOL_ERROR + first.text) if isinstance(first, Text) else first)
    content = _content(texts, losses) if texts else ""
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _content(shown: list[Shown], losses: Losses) -> str | list[dict[str, Any]]:
    match shown:
        case [Text(text=text)]:
            return text
        case _:
            return [part for block in shown for part in _part(block, losses)]


def _part(block: Shown, losses: Losses) -> list[dict[str, Any]]:
    match block:
        case Text(text=text):
            return [{"type": "text", "text": text}]
        case Image(source=source):
            return [{"type": "image_url", "image_url": {"url": _source(source)}}]
        case Document(source=Inline() as source, title=title):
            file = {"filename": title or "document.pdf", "file_data": _source(source)}
            return [{"type": "file", "file": file}]
        case Document(at=at):
            losses.lose(at)
            return []


def _source(source: Source) -> str:
    match source:
        case Link(url=url):
            return url
        case Inline(media_type=media_type, data=data):
            return f"data:{media_type};base64,{data}"


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": tool.strict,
    }
    told = {name: value for name, value in function.items() if value is not None}
    return {"type": "function", "function": told}


def _choice(choice: ToolChoice | None) -> str | dict[str, Any] | None:
    if choice is None:
        return None
    if choice.choice is Choice.TOOL:
        return {"type": "function", "function": {"name": choice.name}}
    return choice.choice.value


def _format(schema: Raw | None) -> dict[str, Any] | None:
    """The other wire holds to a schema strictly, and gives it no name."""
    if schema is None:
        return None
    wanted = {"name": SCHEMA_NAME, "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": wanted}
