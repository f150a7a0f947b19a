"""Reads chat completion requests: from OpenAI's wire to the neutral form.

Wire facts: https://platform.openai.com/docs/api-reference/chat/create and the types of the
`openai` SDK 3.57.
"""

from collections.abc import Callable, Mapping

from msgspec import Raw, Struct
from msgspec.json import encode

from trimtab.providers.translate.neutral import (
    Ask,
    Block,
    Choice,
    Document,
    Image,
    Inline,
    Link,
    Role,
    Shown,
    Source,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trimtab.providers.translate.reading import (
    ABSENT,
    Losses,
    kind_of,
    object_in,
    read,
    read_content,
    text_of,
)

_NO_ARGUMENTS = Raw(b'{"type":"object","properties":{}}')
_EFFORTS = frozenset({"none", "low", "medium", "high", "xhigh", "max"})
_CHOICES = {choice.value: choice for choice in (Choice.AUTO, Choice.NONE, Choice.REQUIRED)}


class _Schema(Struct, frozen=True):
    """`name` is only a label, and the other wire always holds to the schema strictly."""

    schema: Raw = ABSENT
    name: str = ""
    strict: bool | None = None


class _Format(Struct, frozen=True):
    type: str
    json_schema: _Schema = _Schema()


class _Body(Struct, frozen=True):
    """The gateway itself deals with `model`, `stream`, `stream_options` and `trimtab`."""

    messages: list[Raw]
    model: Raw = ABSENT
    stream: Raw = ABSENT
    stream_options: Raw = ABSENT
    trimtab: Raw = ABSENT
    tools: list[Raw] = []
    tool_choice: Raw = ABSENT
    parallel_tool_calls: bool = True
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    safety_identifier: str | None = None


class _Said(Struct, frozen=True):
    role: str
    content: Raw = ABSENT


class _Assistant(Struct, frozen=True):
    role: str
    content: Raw = ABSENT
    refusal: str | None = None
    tool_calls: list[Raw] = []


class _Result(Struct, frozen=True):
    role: str
    tool_call_id: str
    content: Raw = ABSENT


class _TextPart(Struct, frozen=True):
    type: str
    text: str


class _RefusalPart(Struct, frozen=True):
    type: str
    refusal: str


class _ImageUrl(Struct, frozen=True):
    url: str


class _ImagePart(Struct, frozen=True):
    type: str
    image_url: _ImageUrl


class _File(Struct, frozen=True):
    file_data: str | None = None
    filename: str | None = None


class _FilePart(Struct, frozen=True):
    type: str
    file: _File


class _Called(Struct, frozen=True):
    name: str
    arguments: str = ""


class _Call(Struct, frozen=True):
    id: str
    function: _Called
    type: str = "function"


class _Function(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: Raw = _NO_ARGUMENTS
    strict: bool | None = None


class _Tool(Struct, frozen=True):
    type: str
    function: _Function


class _Named(Struct, frozen=True):
    name: str


class _NamedChoice(Struct, frozen=True):
    type: str
    function: _Named


def read_request(members: Mapping[str, Raw], losses: Losses) -> Ask:
    """Read a request.

    Raises:
        InvalidRequest: it is not one of this wire.
    """
    said = read(_Body, Raw(encode(members)), "", losses)
    effort = said.reasoning_effort
    if effort is not None and effort not in _EFFORTS:
        losses.lose("reasoning_effort")
        effort = None
    return Ask(
        turns=tuple(
            turn
            for place, raw in enumerate(said.messages)
            for turn in _turns(raw, f"messages[{place}]", losses)
        ),
        tools=tuple(
            tool
            for place, raw in enumerate(said.tools)
            for tool in _tools(raw, f"tools[{place}]", losses)
        ),
        tool_choice=_tool_choice(said.tool_choice, losses),
        parallel=said.parallel_tool_calls,
        max_tokens=_limit(said),
        stops=(said.stop,) if isinstance(said.stop, str) else tuple(said.stop),
        temperature=said.temperature,
        top_p=said.top_p,
        schema=_schema(said.response_format, losses),
        effort=effort,
        end_user=_end_user(said, losses),
    )


def _limit(said: _Body) -> int | None:
    """Read the most tokens; the older member only counts without the newer one."""
    newer = said.max_completion_tokens
    return said.max_tokens if newer is None else newer


def _end_user(said: _Body, losses: Losses) -> str | None:
    """Read the user's name; the older member only counts without the newer one."""
    if said.safety_identifier is not None and said.user is not None:
        losses.hint("user")
    return said.user if said.safety_identifier is None else said.safety_identifier


def _turns(raw: Raw, at: str, losses: Losses) -> tuple[Turn, ...]:
    reader = _ROLES.get(kind_of(raw, at, "role"))
    if reader is None:
        losses.lose(f"{at}.role")
        return ()
    return (reader(raw, at, losses),)


def _system(raw: Raw, at: str, losses: Losses) -> Turn:
    said = read(_Said, raw, at, losses)
    return Turn(Role.SYSTEM, _content(said.content, f"{at}.content", losses), at)


def _user(raw: Raw, at: str, losses: Losses) -> Turn:
    said = read(_Said, raw, at, losses)
    return Turn(Role.USER, _content(said.content, f"{at}.content", losses), at)


def _assistant(raw: Raw, at: str, losses: Losses) -> Turn:
    said = read(_Assistant, raw, at, losses)
    blocks: list[Block] = [*_content(said.content, f"{at}.content", losses)]
    if said.refusal:
        blocks.append(Text(said.refusal))
    for place, each in enumerate(said.tool_calls):
        blocks.extend(_calls(each, f"{at}.tool_calls[{place}]", losses))
    return Turn(Role.ASSISTANT, tuple(blocks), at)


def _result(raw: Raw, at: str, losses: Losses) -> Turn:
    said = read(_Result, raw, at, losses)
    content = _content(said.content, f"{at}.content", losses)
    return Turn(Role.USER, (ToolResult(said.tool_call_id, content),), at)


_ROLES: Mapping[str, Callable[[Raw, str, Losses], Turn]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _result,
}


def _calls(raw: Raw, at: str, losses: Losses) -> tuple[ToolCall, ...]:
    if kind_of(raw, at, default="function") != "function":
        losses.lose(at)
        return ()
    call = read(_Call, raw, at, losses)
    arguments = object_in(call.function.arguments, f"{at}.function.arguments")
    return (ToolCall(call.id, call.function.name, arguments),)


def _content(raw: Raw, at: str, losses: Losses) -> tuple[Shown, ...]:
    return read_content(raw, at, losses, _PARTS)


def _text(raw: Raw, at: str, losses: Losses) -> tuple[Shown, ...]:
    text = read(_TextPart, raw, at, losses).text
    return (Text(text),) if text else ()


def _refusal(raw: Raw, at: str, losses: Losses) -> tuple[Shown, ...]:
    return (Text(read(_RefusalPart, raw, at, losses).refusal),)


def _image(raw: Raw, at: str, losses: Losses) -> tuple[Shown, ...]:
    source = _source(read(_ImagePart, raw, at, losses).image_url.url)
    if source is None:
        losses.lose(f"{at}.image_url.url")
        return ()
    return (Image(source, f"{at}.image_url"),)


def _file(raw: Raw, at: str, losses: Losses) -> tuple[Shown, ...]:
    file = read(_FilePart, raw, at, losses).file
    source = _source(file.file_data or "")
    if not isinstance(source, Inline) or source.media_type != "application/pdf":
        losses.lose(f"{at}.file.file_data")
        return ()
    return (Document(source, file.filename, f"{at}.file"),)


_PARTS: Mapping[str, Callable[[Raw, str, Losses], tuple[Shown, ...]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
}


def _source(url: str) -> Source | None:
    """Read a URL: https, or a data URL in base64 (RFC 2397)."""
    if url.startswith("https://"):
        return Link(url)
    head, _, data = url.partition(";base64,")
    if not head.startswith("data:") or not data:
        return None
    return Inline(head.removeprefix("data:").partition(";")[0], data)


def _tools(raw: Raw, at: str, losses: Losses) -> tuple[Tool, ...]:
    if kind_of(raw, at) != "function":
        losses.lose(at)
        return ()
    function = read(_Tool, raw, at, losses).function
    return (Tool(function.name, function.description, function.parameters, function.strict),)


def _tool_choice(raw: Raw, losses: Losses) -> ToolChoice | None:
    if bytes(raw) == b"null":
        return None
    word = text_of(raw)
    if word is not None and word in _CHOICES:
        return ToolChoice(_CHOICES[word])
    if word is not None or kind_of(raw, "tool_choice") != "function":
        losses.lose("tool_choice")
        return None
    named = read(_NamedChoice, raw, "tool_choice", losses).function
    return ToolChoice(Choice.TOOL, named.name)


def _schema(wanted: _Format | None, losses: Losses) -> Raw | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type != "json_schema":
        losses.lose(f"response_format.{wanted.type}")
        return None
    return wanted.json_schema.schema
