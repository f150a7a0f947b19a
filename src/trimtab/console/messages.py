"""What was asked and answered, for people to read: both wires' bodies as plain blocks of text.

A body that is not what a wire promises is shown as it is. Nothing here is ever markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

MAX_TEXT_CHARS = 4_000
MAX_MESSAGES = 24


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a message.

    Attributes:
        kind: `text`, `reasoning`, `tool call`, `tool result`, `image` or another word of the wire.
        title: Name of the tool, if it is one.
        text: What it says, at most `MAX_TEXT_CHARS` characters.
        left_out: Characters not shown.
    """

    kind: str
    title: str
    text: str
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """Who said what."""

    role: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order.

    Attributes:
        skipped: Older messages left out after the first.
        tools: Names of the tools the model was offered.
    """

    messages: tuple[Message, ...]
    skipped: int = 0
    tools: tuple[str, ...] = ()


class _Function(Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class _ToolCall(Struct, frozen=True):
    id: str = ""
    function: _Function = _Function()


class _Part(Struct, frozen=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    name: str | None = None
    input: Raw = Raw()
    content: "str | list[_Part] | None" = None


class _Said(Struct, frozen=True):
    role: str = ""
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Tool(Struct, frozen=True):
    name: str = ""
    function: _Function = _Function()


class _Asked(Struct, frozen=True):
    messages: list[_Said]
    system: str | list[_Part] | None = None
    tools: list[_Tool] | None = None


class _AnswerPart(Struct, frozen=True):
    type: str
    content: str = ""
    name: str = ""
    arguments: str = ""


class _Answer(Struct, frozen=True):
    parts: list[_AnswerPart]
    role: str = "assistant"


_asked = msgspec.json.Decoder(_Asked)
_answer = msgspec.json.Decoder(_Answer)
_KINDS = {"tool_use": "tool call", "tool_call": "tool call", "tool_result": "tool result"}


def read_input(body: bytes) -> Conversation:
    """Read the body of a chat completion or a message request."""
    try:
        asked = _asked.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Conversation((Message("body", (_block("text", "", _as_text(body)),)),))
    messages: list[Message] = []
    if asked.system:
        messages.append(Message("system", _blocks(asked.system)))
    messages += [Message(said.role, _said(said)) for said in asked.messages]
    tools = tuple(tool.name or tool.function.name for tool in asked.tools or ())
    skipped = max(0, len(messages) - MAX_MESSAGES)
    shown = messages[:1] + messages[1 + skipped :]
    return Conversation(tuple(shown), skipped, tools)


def read_answer(body: bytes) -> Message:
    """Read an answer as the record keeps it."""
    try:
        answer = _answer.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Message("assistant", (_block("text", "", _as_text(body)),))
    return Message(
        answer.role,
        tuple(
            _block(_KINDS.get(part.type, part.type), part.name, part.content or part.arguments)
            for part in answer.parts
        ),
    )


def _said(said: _Said) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if said.reasoning_content:
        blocks.append(_block("reasoning", "", said.reasoning_content))
    if said.role == "tool" and isinstance(said.content, str):
        blocks.append(_block("tool result", "", said.content))
    else:
        blocks += _blocks(said.content)
    for call in said.tool_calls or ():
        blocks.append(_block("tool call", call.function.name, call.function.arguments))
    return tuple(blocks)


def _blocks(content: str | Sequence[_Part] | None) -> tuple[Block, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (_block("text", "", content),)
    return tuple(_part(part) for part in content)


def _part(part: _Part) -> Block:
    kind = _KINDS.get(part.type, part.type or "text")
    if part.thinking is not None:
        return _block("reasoning", "", part.thinking)
    if bytes(part.input):
        return _block(kind, part.name or "", _as_text(bytes(part.input)))
    if part.content is not None:
        inner = " ".join(block.text for block in _blocks(part.content))
        return _block(kind, part.name or "", inner)
    return _block(kind, part.name or "", part.text or part.refusal or "")


def _block(kind: str, title: str, text: str) -> Block:
    return Block(kind, title, text[:MAX_TEXT_CHARS], max(0, len(text) - MAX_TEXT_CHARS))


def _as_text(body: bytes) -> str:
    return body.decode(errors="replace")
