"""What was asked and answered, for people to read: the bodies of all wires as plain blocks of text.

A body that is not what a wire promises is shown as it is. Nothing here is ever markup.
"""

from dataclasses import dataclass

from msgspec import Raw

from trimtab.telemetry import messages
from trimtab.telemetry.messages import Part

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


_KINDS = {"tool_call": "tool call", "tool_call_response": "tool result"}


def read_input(body: bytes, *, most: int | None = MAX_MESSAGES) -> Conversation:
    """Read the body of a request, and of its messages at most so many."""
    asked = messages.read_asked(body)
    if asked is None or not (asked.system or asked.input):
        return Conversation((Message("body", (_block("text", "", _as_text(body)),)),))
    system = (Message("system", _blocks(asked.system)),) if asked.system else ()
    talk = (*system, *(Message(it.role, _blocks(it.parts)) for it in asked.input))
    skipped = 0 if most is None else max(0, len(talk) - most)
    tools = tuple(tool.name for tool in asked.tools)
    return Conversation((*talk[:1], *talk[1 + skipped :]), skipped, tools)


def read_answer(body: bytes) -> Message:
    """Read an answer as the record keeps it."""
    answer = messages.read_answer(body)
    if answer is None:
        return Message("assistant", (_block("text", "", _as_text(body)),))
    return Message(answer.role, _blocks(answer.parts))


def _blocks(parts: tuple[Part, ...]) -> tuple[Block, ...]:
    return tuple(
        _block(_KINDS.get(it.type, it.type or "text"), it.name or "", _said(it)) for it in parts
    )


def _said(part: Part) -> str:
    words = part.arguments or part.content or part.response or ""
    return _as_text(bytes(words)) if isinstance(words, Raw) else words


def _block(kind: str, title: str, text: str) -> Block:
    return Block(kind, title, text[:MAX_TEXT_CHARS], max(0, len(text) - MAX_TEXT_CHARS))


def _as_text(body: bytes) -> str:
    return body.decode(errors="replace")
