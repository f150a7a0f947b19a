"""What was asked and answered, of any wire, as messages of the semantic conventions.

Shape: `gen-ai-input-messages.json` and its like, the same in all versions that have it. What is no
text, such as an image, is told by its kind and left out itself.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

MAX_PART = 32_768
MAX_TOLD = 131_072

Parts = tuple["Part", ...]


class Part(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A piece of a message: a text, a call of a tool, its answer, or something else."""

    type: str
    content: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | Raw | UnsetType = UNSET
    response: str | UnsetType = UNSET


class Message(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who said what; `finish_reason` is there in answers alone."""

    role: str
    parts: Parts
    finish_reason: str | UnsetType = UNSET


class Tool(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A tool that the model was offered."""

    type: str
    name: str
    description: str | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET


class Told(Struct, frozen=True, kw_only=True):
    """What people and models wrote in one exchange."""

    system: Parts = ()
    input: tuple[Message, ...] = ()
    output: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()


class _Function(Struct, frozen=True):
    name: str = ""
    arguments: str = ""
    description: str | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET


class _Call(Struct, frozen=True):
    id: str = ""
    function: _Function = _Function()


class _Piece(Struct, frozen=True):
    type: str = "text"
    text: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    id: str = ""
    name: str = ""
    input: Raw = Raw()
    tool_use_id: str = ""
    content: "str | list[_Piece] | None" = None


_Words = str | list[_Piece] | None


class _Item(Struct, frozen=True):
    type: str = ""
    role: str = ""
    content: _Words = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: _Words = None


class _Offer(Struct, frozen=True):
    type: str = "function"
    name: str = ""
    description: str | UnsetType = UNSET
    parameters: Raw | UnsetType = UNSET
    input_schema: Raw | UnsetType = UNSET
    function: _Function | None = None


class _Asked(Struct, frozen=True):
    messages: list[_Item] = []
    input: str | list[str | _Item | int | list[int]] = []
    system: _Words = None
    instructions: str | None = None
    tools: list[_Offer] | None = None


class _Answer(Struct, frozen=True):
    parts: list[Part]
    role: str = "assistant"


_asked = msgspec.json.Decoder(_Asked)
_answer = msgspec.json.Decoder(_Answer)
_raw = msgspec.json.Decoder(Raw)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


def read_asked(body: bytes) -> Told | None:
    """Read the body of a request; `None` if it is none that is known."""
    try:
        asked = _asked.decode(body)
    except _UNREADABLE:
        return None
    items = [asked.input] if isinstance(asked.input, str) else asked.input
    messages = (_message(item) for item in (*asked.messages, *items))
    return Told(
        system=tuple(_parts(asked.system or asked.instructions)),
        input=tuple(it for it in messages if it is not None),
        tools=tuple(_tool(it) for it in asked.tools or ()),
    )


def read_answer(body: bytes) -> Message | None:
    """Read an answer as the record keeps it; `None` if it is none."""
    try:
        answer = _answer.decode(body)
    except _UNREADABLE:
        return None
    return Message(role=answer.role, parts=tuple(map(_answer_part, answer.parts)))


def cut(message: Message) -> Message:
    """Cut long texts."""
    return msgspec.structs.replace(message, parts=tuple(map(_cut, message.parts)))


def fitting(messages: Sequence[Message]) -> tuple[Sequence[Message], int]:
    """Keep the first message and as many of the last as fit; tells how many are left out."""
    sizes = [len(msgspec.json.encode(it)) for it in messages]
    kept, left = len(messages), MAX_TOLD - sum(sizes[:1])
    while kept > 1 and sizes[kept - 1] <= left:
        kept -= 1
        left -= sizes[kept]
    return (*messages[:1], *messages[max(1, kept) :]), max(0, kept - 1)


def _message(item: str | _Item | int | list[int]) -> Message | None:
    match item:
        case str():
            return Message(role="user", parts=tuple(_parts(item)))
        case _Item(type="function_call"):
            return Message(
                role="assistant", parts=(_call(item.call_id, item.name, item.arguments),)
            )
        case _Item(type="function_call_output"):
            return Message(role="tool", parts=(_response(item.call_id, item.output),))
        case _Item(role="tool"):
            return Message(role="tool", parts=(_response(item.tool_call_id, item.content),))
        case _Item():
            return Message(role=item.role or "assistant", parts=tuple(_said(item)))
        case _:
            return None


def _said(item: _Item) -> Iterator[Part]:
    if item.reasoning_content:
        yield Part(type="reasoning", content=item.reasoning_content)
    yield from _parts(item.content)
    for call in item.tool_calls or ():
        yield _call(call.id, call.function.name, call.function.arguments)


def _parts(words: _Words) -> Iterator[Part]:
    if isinstance(words, str):
        yield Part(type="text", content=words)
        return
    for piece in words or ():
        yield _part(piece)


def _part(piece: _Piece) -> Part:
    match piece:
        case _Piece(thinking=str(words)):
            return Part(type="reasoning", content=words)
        case _Piece(text=str(words)) | _Piece(refusal=str(words)):
            return Part(type="text", content=words)
        case _Piece(type="tool_use"):
            return Part(type="tool_call", id=piece.id, name=piece.name, arguments=piece.input)
        case _Piece(type="tool_result"):
            return _response(piece.tool_use_id, piece.content)
        case _:
            return Part(type=piece.type)


def _call(call_id: str, name: str, arguments: str) -> Part:
    return Part(type="tool_call", id=call_id, name=name, arguments=_as_json(arguments))


def _response(call_id: str, words: _Words) -> Part:
    said = " ".join(it.content for it in _parts(words) if it.content)
    return Part(type="tool_call_response", id=call_id, response=said)


def _as_json(text: str) -> Raw | str:
    """Take arguments for JSON if they are; a model may write anything."""
    try:
        return _raw.decode(text)
    except _UNREADABLE:
        return text


def _tool(offer: _Offer) -> Tool:
    of = offer.function or offer
    schema = offer.input_schema if offer.function is None else UNSET
    return Tool(
        type=offer.type if offer.type != "custom" else "function",
        name=of.name,
        description=of.description,
        parameters=of.parameters if schema is UNSET else schema,
    )


def _answer_part(part: Part) -> Part:
    if not isinstance(part.arguments, str):
        return part
    return msgspec.structs.replace(part, arguments=_as_json(part.arguments))


def _cut(part: Part) -> Part:
    return msgspec.structs.replace(
        part,
        content=part.content and part.content[:MAX_PART],
        response=part.response and part.response[:MAX_PART],
    )
