"""Reads `POST /v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.sim.models import Task, find
from trimtab.sim.request import Prompt, Refused, Request, Tool
from trimtab.sim.text import attachment

MOST_CHOICES = 128
MOST_STOPS = 4
IMAGE_TOKENS = 765
IMAGE_TOKENS_LOW = 85
FILE_TOKENS = 1_000


class _ImageUrl(Struct):
    url: str
    detail: str | None = None


class _Part(Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | None = None
    file: Raw = Raw()
    input_audio: Raw = Raw()


class _CalledFunction(Struct):
    name: str
    arguments: str = ""


class _ToolCall(Struct):
    function: _CalledFunction | None = None


class _Message(Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(Struct):
    type: str
    function: _Function | None = None


class _NamedFunction(Struct):
    name: str


class _ToolChoice(Struct):
    type: str
    function: _NamedFunction | None = None


class _Schema(Struct):
    schema: dict[str, Any] | None = None


class _ResponseFormat(Struct):
    type: str
    json_schema: _Schema | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Body(Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    tools: list[Raw] | None = None
    tool_choice: str | _ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    reasoning_effort: str | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_tool = msgspec.json.Decoder(_Tool).decode
ANY_OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
}


def read_chat(body: bytes) -> Request:
    """Read a call.

    Raises:
        Refused: it is not one this wire allows, or the model does not exist.
    """
    try:
        said = _decode(body)
        tools = tuple(_tool(raw) for raw in said.tools or ())
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refused(400, f"the body cannot be read: {exc}") from exc
    _check(said)
    name, _, fault = said.model.partition("!")
    served = find(name, Task.WRITE)
    if served is None:
        raise missing_model(name)
    must_call, may_call = _choice(said.tool_choice)
    stop = said.stop or ()
    return Request(
        served=served,
        fault=fault,
        prompt=_prompt(said),
        question=_question(said.messages),
        answered_tools=said.messages[-1].role == "tool",
        tools=tools,
        must_call=must_call,
        may_call=may_call,
        parallel=said.parallel_tool_calls is not False,
        schema=_schema(said.response_format),
        max_tokens=said.max_completion_tokens or said.max_tokens,
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
        effort=said.reasoning_effort,
        choices=said.n or 1,
        stream=bool(said.stream),
        usage_asked=bool(said.stream_options and said.stream_options.include_usage),
    )


def missing_model(name: str) -> Refused:
    """Say that there is no such model, in this provider's words."""
    return Refused(
        404,
        f"The model `{name}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def _check(said: _Body) -> None:
    if not said.messages:
        raise Refused(400, "[] is too short - 'messages'", param="messages")
    if said.n is not None and not 1 <= said.n <= MOST_CHOICES:
        raise Refused(400, f"'n' has to be between 1 and {MOST_CHOICES}.", param="n")
    for limit in (said.max_tokens, said.max_completion_tokens):
        if limit is not None and limit < 1:
            raise Refused(400, "the most tokens have to be at least 1.", param="max_tokens")
    if isinstance(said.stop, list) and len(said.stop) > MOST_STOPS:
        raise Refused(400, f"at most {MOST_STOPS} stop sequences are allowed.", param="stop")
    if said.stream_options is not None and not said.stream:
        raise Refused(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )


def _tool(raw: Raw) -> Tool:
    said = _decode_tool(raw)
    if said.function is None:
        raise Refused(400, f"a tool of type '{said.type}' is not supported", param="tools")
    return Tool(said.function.name, said.function.parameters or {})


def _choice(said: str | _ToolChoice | None) -> tuple[str | None, bool]:
    """Tell which tool has to be called, and whether any may."""
    match said:
        case _ToolChoice(function=_NamedFunction(name=name)):
            return name, True
        case "required":
            return "", True
        case "none":
            return None, False
        case _:
            return None, True


def _schema(said: _ResponseFormat | None) -> dict[str, Any] | None:
    if said is None or said.type == "text":
        return None
    if said.type == "json_object":
        return ANY_OBJECT
    if said.json_schema is None or said.json_schema.schema is None:
        raise Refused(400, "a schema is missing", param="response_format")
    return said.json_schema.schema


def _prompt(said: _Body) -> str:
    prompt = Prompt()
    for tool in said.tools or ():
        prompt.add(bytes(tool).decode())
    for message in said.messages:
        role = "system" if message.role == "developer" else message.role
        prompt.add(f"<|{role}|>")
        if isinstance(message.content, str):
            prompt.add(message.content)
        else:
            for part in message.content or ():
                prompt.add(_part(part))
        for call in message.tool_calls or ():
            if call.function is not None:
                prompt.add(f"{call.function.name}({call.function.arguments})")
    return prompt.text()


def _part(part: _Part) -> str:
    if part.image_url is not None:
        low = part.image_url.detail == "low"
        return attachment(part.image_url.url.encode(), IMAGE_TOKENS_LOW if low else IMAGE_TOKENS)
    other = bytes(part.file) or bytes(part.input_audio)
    if other:
        return attachment(other, FILE_TOKENS)
    return part.text or part.refusal or ""


def _question(messages: list[_Message]) -> str:
    for message in reversed(messages):
        if message.role == "user":
            if isinstance(message.content, str):
                return message.content
            return "\n".join(part.text for part in message.content or () if part.text)
    return ""
