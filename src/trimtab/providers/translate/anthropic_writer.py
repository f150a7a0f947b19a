"""Writes messages requests: from the neutral form to Anthropic's wire.

Wire facts: https://docs.anthropic.com/en/api/messages and the types of the `anthropic` SDK 2.13.
"""

import hashlib
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from trimtab.providers.translate.neutral import (
    Ask,
    Block,
    Choice,
    Document,
    Image,
    Inline,
    Link,
    Role,
    Source,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trimtab.providers.translate.reading import Losses

MAX_TOKENS = 8192
"""What is asked for if the caller set no limit: this wire must have one, and every model of
Anthropic's takes this much, while nobody here knows how much more it would take."""

HOTTEST = 1.0

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_CHOICES = {
    Choice.AUTO: "auto",
    Choice.NONE: "none",
    Choice.REQUIRED: "any",
    Choice.TOOL: "tool",
}


def write_request(ask: Ask, losses: Losses) -> dict[str, Any]:
    """Write a request, all but its model and what has to do with streaming."""
    temperature = ask.temperature
    if temperature is not None and temperature > HOTTEST:
        losses.lose("temperature")
        temperature = None
    system, turns = _parted(ask.turns, losses)
    members: dict[str, Any] = {
        "system": [_block(block) for block in system],
        "messages": _messages(turns),
        "max_tokens": MAX_TOKENS if ask.max_tokens is None else ask.max_tokens,
        "tools": [_tool(tool) for tool in ask.tools],
        "tool_choice": _choice(ask),
        "stop_sequences": list(ask.stops),
        "temperature": temperature,
        "top_p": ask.top_p,
        "thinking": {"type": "disabled"} if ask.effort == "none" else None,
        "output_config": _output(ask),
        "metadata": None if ask.end_user is None else {"user_id": ask.end_user},
    }
    return {name: value for name, value in members.items() if value not in (None, [], {})}


def call_id(given: str) -> str:
    """Give a tool call's id as this wire allows it: the same for the same id, in both ways."""
    if _ID.fullmatch(given):
        return given
    return "tt_" + hashlib.sha256(given.encode()).hexdigest()[:24]


def _parted(turns: Sequence[Turn], losses: Losses) -> tuple[list[Block], list[Turn]]:
    """Part the system texts that come first from the conversation; later ones have no place."""
    system: list[Block] = []
    said: list[Turn] = []
    for turn in turns:
        if turn.role is not Role.SYSTEM:
            said.append(turn)
        elif said:
            losses.lose(turn.at)
        else:
            system.extend(turn.blocks)
    return system, said


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """What one side says in a row is one message; in it, results of tools come first."""
    messages: list[dict[str, Any]] = []
    for role, row in groupby((turn for turn in turns if turn.blocks), lambda turn: turn.role):
        blocks = [block for turn in row for block in turn.blocks]
        blocks.sort(key=lambda block: not isinstance(block, ToolResult))
        messages.append({"role": role.value, "content": [_block(block) for block in blocks]})
    return messages


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image(source=source):
            return {"type": "image", "source": _source(source)}
        case Document(source=source, title=title):
            document = {"type": "document", "source": _source(source)}
            return {**document, "title": title} if title else document
        case ToolCall(id=given, name=name, arguments=arguments):
            return {"type": "tool_use", "id": call_id(given), "name": name, "input": arguments}
        case ToolResult(call_id=given, content=content, failed=failed):
            result: dict[str, Any] = {
                "type": "tool_result",
                "tool_use_id": call_id(given),
                "content": [_block(each) for each in content],
            }
            return {**result, "is_error": True} if failed else result


def _source(source: Source) -> dict[str, str]:
    match source:
        case Link(url=url):
            return {"type": "url", "url": url}
        case Inline(media_type=media_type, data=data):
            return {"type": "base64", "media_type": media_type, "data": data}


def _tool(tool: Tool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.schema,
        "strict": tool.strict,
    }
    return {name: value for name, value in told.items() if value is not None}


def _choice(ask: Ask) -> dict[str, Any] | None:
    choice = ask.tool_choice
    if choice is None:
        if ask.parallel or not ask.tools:
            return None
        choice = ToolChoice()
    told: dict[str, Any] = {"type": _CHOICES[choice.choice]}
    if choice.choice is Choice.TOOL:
        told["name"] = choice.name
    if not ask.parallel and choice.choice is not Choice.NONE:
        told["disable_parallel_tool_use"] = True
    return told


def _output(ask: Ask) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if ask.effort is not None and ask.effort != "none":
        output["effort"] = ask.effort
    if ask.schema is not None:
        output["format"] = {"type": "json_schema", "schema": ask.schema}
    return output
