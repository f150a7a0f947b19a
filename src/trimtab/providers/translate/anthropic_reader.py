"""Reads messages requests: from Anthropic's wire to the neutral form.

Wire facts: https://docs.anthropic.com/en/api/messages and the types of the `anthropic` SDK 2.13.
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
    read,
    read_content,
)

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT}
_CHOICES = {
    "auto": Choice.AUTO,
    "none": Choice.NONE,
    "any": Choice.REQUIRED,
    "tool": Choice.TOOL,
}
_BUDGETS = ((4_096, "low"), (16_384, "medium"))
"""Below so many tokens of thinking, that is the effort."""


class _ToolChoice(Struct, frozen=True):
    type: str = "auto"
    name: str = ""
    disable_parallel_tool_use: bool = False


class _Format(Struct, frozen=True):
    type: str
    schema: Raw = ABSENT


class _OutputConfig(Struct, frozen=True):
    effort: str | None = None
    format: _Format | None = None


class _Thinking(Struct, frozen=True):
    type: str = "adaptive"
    budget_tokens: int | None = None


class _Metadata(Struct, frozen=True):
    user_id: str | None = None


class _Body(Struct, frozen=True):
    """The gateway itself deals with `model`, `stream` and `trimtab`."""

    messages: list[Raw]
    model: Raw = ABSENT
    stream: Raw = ABSENT
    trimtab: Raw = ABSENT
    system: Raw = ABSENT
    max_tokens: int | None = None
    tools: list[Raw] = []
    tool_choice: _ToolChoice | None = None
    stop_sequences: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    output_config: _OutputConfig = _OutputConfig()
    thinking: _Thinking = _Thinking()
    metadata: _Metadata = _Metadata()


class _Message(Struct, frozen=True):
    role: str
    content: Raw


class _Text(Struct, frozen=True):
    type: str
    text: str


class _Document(Struct, frozen=True):
    type: str
    source: Raw
    title: str | None = None


class _Image(Struct, frozen=True):
    type: str
    source: Raw


class _Base64(Struct, frozen=True):
    type: str
    media_type: str
    data: str


class _Url(Struct, frozen=True):
    type: str
    url: str


class _Call(Struct, frozen=True):
    type: str
    id: str
    name: str
    input: Raw


class _Result(Struct, frozen=True):
    type: str
    tool_use_id: str
    content: Raw = ABSENT
    is_error: bool = False


class _Tool(Struct, frozen=True):
    name: str
    input_schema: Raw
    type: str | None = None
    description: str | None = None
    strict: bool | None = None


def read_request(members: Mapping[str, Raw], losses: Losses) -> Ask:
    """Read a request.

    Raises:
        InvalidRequest: it is not one of this wire.
    """
    said = read(_Body, Raw(encode(members)), "", losses)
    choice = said.tool_choice or _ToolChoice()
    return Ask(
        turns=(*_system(said.system, losses), *_turns(said.messages, losses)),
        tools=tuple(
            tool
            for place, raw in enumerate(said.tools)
            for tool in _tools(raw, f"tools[{place}]", losses)
        ),
        tool_choice=_tool_choice(said.tool_choice, losses),
        parallel=not choice.disable_parallel_tool_use,
        max_tokens=said.max_tokens,
        stops=tuple(said.stop_sequences),
        temperature=said.temperature,
        top_p=said.top_p,
        schema=_schema(said.output_config.format, losses),
        effort=_effort(said.thinking, said.output_config.effort, losses),
        end_user=said.metadata.user_id,
    )


def _system(raw: Raw, losses: Losses) -> tuple[Turn, ...]:
    blocks = _content(raw, "system", losses)
    return (Turn(Role.SYSTEM, blocks, "system"),) if blocks else ()


def _turns(messages: list[Raw], losses: Losses) -> list[Turn]:
    turns: list[Turn] = []
    for place, raw in enumerate(messages):
        at = f"messages[{place}]"
        said = read(_Message, raw, at, losses)
        role = _ROLES.get(said.role)
        if role is None:
            losses.lose(f"{at}.role")
        else:
            turns.append(Turn(role, _content(said.content, f"{at}.content", losses), at))
    return turns


def _content(raw: Raw, at: str, losses: Losses) -> tuple[Block, ...]:
    return read_content(raw, at, losses, _BLOCKS)


def _text(raw: Raw, at: str, losses: Losses) -> tuple[Block, ...]:
    text = read(_Text, raw, at, losses).text
    return (Text(text),) if text else ()


def _image(raw: Raw, at: str, losses: Losses) -> tuple[Block, ...]:
    source = _source(read(_Image, raw, at, losses).source, f"{at}.source", losses)
    return () if source is None else (Image(source, at),)


def _document(raw: Raw, at: str, losses: Losses) -> tuple[Block, ...]:
    said = read(_Document, raw, at, losses)
    source = _source(said.source, f"{at}.source", losses)
    return () if source is None else (Document(source, said.title, at),)


def _call(raw: Raw, at: str, losses: Losses) -> tuple[Block, ...]:
    said = read(_Call, raw, at, losses)
    return (ToolCall(said.id, said.name, said.input),)


def _result(raw: Raw, at: str, losses: Losses) -> tuple[Block, ...]:
    said = read(_Result, raw, at, losses)
    content = _content(said.content, f"{at}.content", losses)
    shown = tuple(block for block in content if isinstance(block, Text | Image | Document))
    return (ToolResult(said.tool_use_id, shown, failed=said.is_error),)


_BLOCKS: Mapping[str, Callable[[Raw, str, Losses], tuple[Block, ...]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_use": _call,
    "tool_result": _result,
}


def _source(raw: Raw, at: str, losses: Losses) -> Source | None:
    match kind_of(raw, at):
        case "base64":
            said = read(_Base64, raw, at, losses)
            return Inline(said.media_type, said.data)
        case "url":
            return Link(read(_Url, raw, at, losses).url)
        case _:
            losses.lose(at)
            return None


def _tools(raw: Raw, at: str, losses: Losses) -> tuple[Tool, ...]:
    """Read a tool of the caller; one that the provider runs is of another type."""
    if kind_of(raw, at, default="custom") != "custom":
        losses.lose(at)
        return ()
    tool = read(_Tool, raw, at, losses)
    return (Tool(tool.name, tool.description, tool.input_schema, tool.strict),)


def _tool_choice(said: _ToolChoice | None, losses: Losses) -> ToolChoice | None:
    if said is None:
        return None
    choice = _CHOICES.get(said.type)
    if choice is None:
        losses.lose("tool_choice.type")
        return None
    return ToolChoice(choice, said.name)


def _schema(wanted: _Format | None, losses: Losses) -> Raw | None:
    if wanted is None:
        return None
    if wanted.type != "json_schema":
        losses.lose("output_config.format")
        return None
    return wanted.schema


def _effort(thinking: _Thinking, told: str | None, losses: Losses) -> str | None:
    """Read the effort, or the one that a budget of thinking stands for."""
    match thinking.type:
        case "adaptive":
            return told
        case "disabled":
            if told is not None:
                losses.lose("output_config.effort")
            return "none"
        case "enabled":
            budget = thinking.budget_tokens or 0
            meant = next((effort for below, effort in _BUDGETS if budget < below), "high")
            return told or meant
        case _:
            losses.lose("thinking.type")
            return told
