"""Reads `POST /v1/responses`: https://platform.openai.com/docs/api-reference/responses."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.sim.models import Task, find
from trimtab.sim.openai_request import ANY_OBJECT, FILE_TOKENS, IMAGE_TOKENS, missing_model
from trimtab.sim.request import Prompt, Refused, Request, Tool
from trimtab.sim.text import attachment

FEWEST_OUTPUT_TOKENS = 16

_ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class _Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_data: str | None = None


class _Item(Struct):
    """One of many kinds: a message, a call of a tool, what came of it, or reasoning."""

    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    name: str = ""
    arguments: str = ""
    input: str = ""
    output: str | list[_Part] = ""


class _Tool(Struct):
    type: str
    name: str | None = None
    parameters: dict[str, Any] | None = None


class _ToolChoice(Struct):
    type: str
    name: str | None = None


class _Format(Struct):
    type: str
    schema: dict[str, Any] | None = None


class _Text(Struct):
    format: _Format | None = None


class _Reasoning(Struct):
    effort: str | None = None
    summary: str | None = None


class _Body(Struct):
    model: str
    input: str | list[_Item]
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    max_output_tokens: int | None = None
    tools: list[Raw] | None = None
    tool_choice: str | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_tool = msgspec.json.Decoder(_Tool).decode
_decode_members = msgspec.json.Decoder(dict[str, Any]).decode


def read_responses(body: bytes, kept: Callable[[str], str | None]) -> Request:
    """Read a call; `kept` gives the conversation that an earlier answer ended.

    Raises:
        Refused: it is not one this wire allows, or the model or the earlier answer does not exist.
    """
    try:
        said = _decode(body)
        members = _decode_members(body)
        tools = tuple(_tool(raw) for raw in said.tools or ())
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refused(400, f"the body cannot be read: {exc}") from exc
    _check(said)
    name, _, fault = said.model.partition("!")
    served = find(name, Task.WRITE)
    if served is None:
        raise missing_model(name)
    items = [_Item(role="user", content=said.input)] if isinstance(said.input, str) else said.input
    talk = _earlier(said.previous_response_id, kept) + _talk(items)
    must_call, may_call = _choice(said.tool_choice)
    reasoning = said.reasoning or _Reasoning()
    return Request(
        served=served,
        fault=fault,
        prompt=_preface(said) + talk,
        question=_question(items),
        answered_tools=items[-1].type.endswith("_call_output"),
        tools=tools,
        must_call=must_call,
        may_call=may_call,
        parallel=said.parallel_tool_calls is not False,
        schema=_schema(said.text),
        max_tokens=said.max_output_tokens,
        effort=reasoning.effort,
        summary=reasoning.summary is not None,
        stream=bool(said.stream),
        usage_asked=True,
        keeps=None if said.store is False else talk,
        echoed={each: members.get(each, default) for each, default in _ECHOED.items()},
    )


def _check(said: _Body) -> None:
    if not said.input:
        raise Refused(400, "'input' must not be empty.", param="input")
    most = said.max_output_tokens
    if most is not None and most < FEWEST_OUTPUT_TOKENS:
        raise Refused(
            400,
            f"Expected a value >= {FEWEST_OUTPUT_TOKENS}, but got {most} instead.",
            code="integer_below_min_value",
            param="max_output_tokens",
        )


def _tool(raw: Raw) -> Tool:
    said = _decode_tool(raw)
    if said.name is None:
        raise Refused(400, f"a tool of type '{said.type}' is not supported", param="tools")
    return Tool(said.name, said.parameters or {})


def _choice(said: str | _ToolChoice | None) -> tuple[str | None, bool]:
    """Tell which tool has to be called, and whether any may."""
    match said:
        case _ToolChoice(name=str(name)):
            return name, True
        case "required":
            return "", True
        case "none":
            return None, False
        case _:
            return None, True


def _schema(said: _Text | None) -> dict[str, Any] | None:
    if said is None or said.format is None or said.format.type == "text":
        return None
    if said.format.type == "json_object":
        return ANY_OBJECT
    if said.format.schema is None:
        raise Refused(400, "a schema is missing", param="text.format.schema")
    return said.format.schema


def _earlier(response_id: str | None, kept: Callable[[str], str | None]) -> str:
    if response_id is None:
        return ""
    talk = kept(response_id)
    if talk is None:
        raise Refused(
            400,
            f"Previous response with id '{response_id}' not found.",
            code="previous_response_not_found",
            param="previous_response_id",
        )
    return talk


def _preface(said: _Body) -> str:
    """Write down what is not part of the conversation, and is not kept."""
    tools = "".join(bytes(tool).decode() for tool in said.tools or ())
    return tools + (f"<|system|>{said.instructions}" if said.instructions else "")


def _talk(items: Sequence[_Item]) -> str:
    prompt = Prompt()
    for item in items:
        prompt.add(f"<|{item.role or item.type}|>")
        if item.name:
            prompt.add(f"{item.name}({item.arguments or item.input})")
        for content in (item.content, item.output):
            parts = [_Part("text", content)] if isinstance(content, str) else content or ()
            for part in parts:
                prompt.add(_part(part))
    return prompt.text()


def _part(part: _Part) -> str:
    if part.image_url is not None:
        return attachment(part.image_url.encode(), IMAGE_TOKENS)
    if part.file_data is not None:
        return attachment(part.file_data.encode(), FILE_TOKENS)
    return part.text or part.refusal or ""


def _question(items: Sequence[_Item]) -> str:
    for item in reversed(items):
        if item.role == "user":
            if isinstance(item.content, str):
                return item.content
            return "\n".join(part.text for part in item.content or () if part.text)
    return ""
