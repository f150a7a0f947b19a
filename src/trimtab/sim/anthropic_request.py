"""Reads `POST /v1/messages`: https://docs.anthropic.com/en/api/messages."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.sim.models import Task, find
from trimtab.sim.request import Prompt, Refused, Request, Tool
from trimtab.sim.text import attachment

IMAGE_TOKENS = 1_334
FILE_TOKENS = 2_000
MOST_BREAKPOINTS = 4
UNLIMITED = 1 << 30

_LIFETIMES = {None: False, "5m": False, "1h": True}


class _Cache(Struct):
    type: str
    ttl: str | None = None


class _Block(Struct):
    type: str
    text: str | None = None
    thinking: str | None = None
    source: Raw = Raw()
    name: str | None = None
    input: Raw = Raw(b"{}")
    content: "str | list[_Block] | None" = None
    cache_control: _Cache | None = None


class _Message(Struct):
    role: str
    content: str | list[_Block]


class _Tool(Struct):
    name: str
    type: str | None = None
    input_schema: dict[str, Any] | None = None
    cache_control: _Cache | None = None


class _ToolChoice(Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Format(Struct):
    type: str
    schema: dict[str, Any]


class _OutputConfig(Struct):
    effort: str | None = None
    format: _Format | None = None


class _Thinking(Struct):
    type: str
    budget_tokens: int | None = None


class _Body(Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    system: str | list[_Block] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    tools: list[Raw] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    cache_control: _Cache | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_tool = msgspec.json.Decoder(_Tool).decode


def read_messages(body: bytes) -> Request:
    """Read a call for a message.

    Raises:
        Refused: it is not one this wire allows, or the model does not exist.
    """
    request = read_count(body)
    if request.max_tokens is None:
        raise Refused(400, "max_tokens: Field required")
    if request.max_tokens < 1:
        raise Refused(400, "max_tokens: must be greater than or equal to 1")
    return request


def read_count(body: bytes) -> Request:
    """Read a call that has its tokens counted only; see `read_messages`."""
    try:
        said = _decode(body)
        tools = [_decode_tool(raw) for raw in said.tools or ()]
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refused(400, f"the body cannot be read: {exc}") from exc
    name, _, fault = said.model.partition("!")
    served = find(name, Task.WRITE)
    if served is None:
        raise missing_model(name)
    if not said.messages:
        raise Refused(400, "messages: at least one message is required")
    prompt = _prompt(said, tools)
    choice = said.tool_choice or _ToolChoice("auto")
    output = said.output_config or _OutputConfig()
    thinking = _thinking(said.thinking)
    return Request(
        served=served,
        fault=fault,
        prompt=prompt.text(),
        blocks=tuple(prompt.blocks),
        marks=tuple(prompt.marks),
        question=_question(said.messages),
        answered_tools=_answers_tools(said.messages[-1]),
        tools=tuple(Tool(tool.name, tool.input_schema or {}) for tool in tools),
        must_call=_must_call(choice),
        may_call=choice.type != "none",
        parallel=not choice.disable_parallel_tool_use,
        schema=output.format.schema if output.format else None,
        max_tokens=said.max_tokens,
        stops=tuple(said.stop_sequences or ()),
        effort=output.effort if thinking is not None else "none",
        thinking=thinking,
        stream=bool(said.stream),
        usage_asked=True,
    )


def missing_model(name: str) -> Refused:
    """Say that there is no such model, in this provider's words."""
    return Refused(404, f"model: {name}")


def _must_call(choice: _ToolChoice) -> str | None:
    match choice.type:
        case "any":
            return ""
        case "tool":
            return choice.name or ""
        case _:
            return None


def _thinking(said: _Thinking | None) -> int | None:
    if said is None or said.type == "disabled":
        return None
    return UNLIMITED if said.budget_tokens is None else said.budget_tokens


def _prompt(said: _Body, tools: list[_Tool]) -> Prompt:
    """Write tools, system and messages down in this order, which is the cache's."""
    prompt = Prompt()
    for raw, tool in zip(said.tools or (), tools, strict=True):
        prompt.add(bytes(raw).decode())
        _end_block(prompt, tool.cache_control)
    if said.system:
        prompt.add("<|system|>")
        _add(prompt, said.system)
    for message in said.messages:
        prompt.add(f"<|{message.role}|>")
        _add(prompt, message.content)
    if said.cache_control is not None and not prompt.marks:
        _end_block(prompt, said.cache_control)
    _check_marks(prompt)
    return prompt


def _add(prompt: Prompt, content: str | list[_Block]) -> None:
    if isinstance(content, str):
        prompt.add(content)
        prompt.end_block()
        return
    for block in content:
        _add_block(prompt, block)
        _end_block(prompt, block.cache_control)


def _add_block(prompt: Prompt, block: _Block) -> None:
    if bytes(block.source):
        tokens = IMAGE_TOKENS if block.type == "image" else FILE_TOKENS
        prompt.add(attachment(bytes(block.source), tokens))
        return
    if block.name is not None:
        prompt.add(f"{block.name}({bytes(block.input).decode()})")
    prompt.add(block.text or block.thinking or "")
    if isinstance(block.content, str):
        prompt.add(block.content)
    else:
        for inner in block.content or ():
            _add_block(prompt, inner)


def _end_block(prompt: Prompt, cache: _Cache | None) -> None:
    if cache is None:
        prompt.end_block()
        return
    if cache.ttl not in _LIFETIMES:
        raise Refused(400, f"cache_control.ttl: '{cache.ttl}' is none of 5m and 1h")
    prompt.end_block(keep=True, hour=_LIFETIMES[cache.ttl])


def _check_marks(prompt: Prompt) -> None:
    if len(prompt.marks) > MOST_BREAKPOINTS:
        raise Refused(
            400,
            f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. "
            f"Found {len(prompt.marks)}.",
        )
    hours = [mark.hour for mark in prompt.marks]
    if hours != sorted(hours, reverse=True):
        raise Refused(400, "cache_control: a ttl of 1h must not come after a ttl of 5m.")


def _answers_tools(message: _Message) -> bool:
    return isinstance(message.content, list) and any(
        block.type == "tool_result" for block in message.content
    )


def _question(messages: list[_Message]) -> str:
    for message in reversed(messages):
        if message.role != "user":
            continue
        if isinstance(message.content, str):
            return message.content
        text = "\n".join(block.text for block in message.content if block.text)
        if text:
            return text
    return ""
