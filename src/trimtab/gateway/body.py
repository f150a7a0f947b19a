"""Reading request bodies: only what routing needs; every member keeps its very bytes."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import UNSET, Raw, Struct

from trimtab.domain.errors import BodyTooLarge, InvalidRequest, RequestTimedOut
from trimtab.domain.model import Wire
from trimtab.domain.tenant import NAME
from trimtab.gateway.reply import Receive
from trimtab.gateway.routing import (
    AnthropicCountTokensBody,
    AnthropicMessagesBody,
    OpenAIChatBody,
    OpenAIEmbeddingsBody,
    OpenAIModerationsBody,
    OpenAIResponsesBody,
    PromptMember,
    Routing,
    TrimtabMember,
)
from trimtab.pipeline.handoff import PromptAsk

UPLOAD_S = 30.0
MAX_TOLD_CHARS = 256

_OURS: Mapping[str, type[Struct]] = {"trimtab": TrimtabMember, "trimtab.prompt": PromptMember}
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


class _Name:
    """A member's name. No two are equal, so one that is given twice is read twice."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_members = msgspec.json.Decoder(dict[_Name, Raw], dec_hook=lambda kind, text: kind(text))
_ROUTING: dict[Wire, Callable[[bytes], Routing]] = {
    Wire.OPENAI_CHAT: msgspec.json.Decoder(OpenAIChatBody).decode,
    Wire.OPENAI_RESPONSES: msgspec.json.Decoder(OpenAIResponsesBody).decode,
    Wire.OPENAI_EMBEDDINGS: msgspec.json.Decoder(OpenAIEmbeddingsBody).decode,
    Wire.OPENAI_MODERATIONS: msgspec.json.Decoder(OpenAIModerationsBody).decode,
    Wire.ANTHROPIC_MESSAGES: msgspec.json.Decoder(AnthropicMessagesBody).decode,
    Wire.ANTHROPIC_COUNT_TOKENS: msgspec.json.Decoder(AnthropicCountTokensBody).decode,
}


async def whole(receive: Receive, most: int, remedy: str) -> bytes:
    """Take a body from the connection, of at most so many bytes.

    Raises:
        InvalidRequest, RequestTimedOut, BodyTooLarge: it was cut short, too slow or too long.
    """
    message = await receive()
    data: bytes = message.get("body", b"")
    if not message.get("more_body") and len(data) <= most:
        return data
    blocks, size = [data], len(data)
    try:
        async with asyncio.timeout(UPLOAD_S):
            while size <= most and message.get("more_body"):
                message = await receive()
                blocks.append(message.get("body", b""))
                size += len(blocks[-1])
                if message["type"] == "http.disconnect":
                    raise InvalidRequest("the body was cut short; send all of it")
    except TimeoutError as exc:
        raise RequestTimedOut(
            f"the body did not arrive within {UPLOAD_S:g} s; send it faster"
        ) from exc
    if size > most:
        raise BodyTooLarge(f"the body is larger than {most} bytes; send less, or {remedy}")
    return b"".join(blocks)


def read(wire: Wire, data: bytes) -> tuple[Routing, PromptAsk | None, dict[str, Raw]]:
    """Read a body: its routing members typed, the prompt it names, and every member as sent.

    Raises:
        InvalidRequest: it is not UTF-8, not JSON, nested too deep, or a routing member is of the
            wrong type; `param` names it.
        PromptAmbiguous: it names a prompt in two ways.
        Unsupported: a member asks for what Trimtab does not serve.
    """
    try:
        data.decode()
        routing = _ROUTING[wire](data)
        named = _members.decode(data)
    except UnicodeDecodeError as exc:
        raise InvalidRequest("the body is not valid UTF-8; encode it as UTF-8") from exc
    except RecursionError as exc:
        raise InvalidRequest("the body is nested too deep; flatten it") from exc
    except msgspec.ValidationError as exc:
        raise _explained(str(exc)) from exc
    except msgspec.DecodeError as exc:
        raise InvalidRequest("the body is not a JSON object; send valid JSON") from exc
    members = {name.text: raw for name, raw in named.items()}
    if len(members) < len(named):
        raise _repeated(named)
    prompt = routing.prompt()
    routing.check(prompted=prompt is not None)
    if routing.model is UNSET and prompt is None:
        raise InvalidRequest("`model` is missing; add it", param="model")
    if routing.trimtab and routing.trimtab.feature and not NAME.fullmatch(routing.trimtab.feature):
        raise InvalidRequest(
            "`trimtab.feature` must be lower-case letters, digits, `.`, `_` or `-`", param="trimtab"
        )
    return routing, prompt, members


def _repeated(named: Iterable[_Name]) -> InvalidRequest:
    """Say which member is there twice: two readers of it could see two values."""
    ((name, _),) = Counter(name.text for name in named).most_common(1)
    shown = name[:MAX_TOLD_CHARS]
    return InvalidRequest(f"`{shown}` is given twice; give it once", param=shown)


def _explained(message: str) -> InvalidRequest:
    """Say in our words what the decoder said in its own: never any content, only the path."""
    missing = re.fullmatch(r"Object missing required field `([^`]*)`", message)
    if missing:
        return InvalidRequest(f"`{missing[1]}` is missing; add it", param=missing[1])
    found = _PATH.search(message)
    path = found[1][:MAX_TOLD_CHARS] if found else ""
    what = message[: found.start()][:MAX_TOLD_CHARS] if found else message
    if not path:
        return InvalidRequest("the body must be a JSON object; send one")
    unknown = _UNKNOWN.fullmatch(what)
    if unknown and path in _OURS:
        member = f"{path}.{unknown[1]}"[:MAX_TOLD_CHARS]
        takes = ", ".join(_OURS[path].__struct_fields__)
        return InvalidRequest(f"`{member}` is not known; `{path}` takes {takes}", param=member)
    return InvalidRequest(f"`{path}` cannot be read ({what.lower()}); correct it", param=path)
