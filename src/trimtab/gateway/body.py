"""Reading request bodies: only what routing needs; every member keeps its very bytes."""

import re
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.model import Wire
from trimtab.domain.tenant import NAME

Short = Annotated[str, Meta(min_length=1, max_length=256)]
Tag = Annotated[str, Meta(max_length=64)]
UserId = Annotated[str, Meta(max_length=512)]

MAX_TOLD_CHARS = 256

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


class TrimtabMember(Struct, forbid_unknown_fields=True):
    """The body member `trimtab`: ours, so a typo in it must not pass."""

    feature: Short | None = None
    user: UserId | None = None
    conversation: Short | None = None
    tags: Annotated[dict[Tag, Tag], Meta(max_length=16)] | None = None


class StreamOptions(Struct):
    """OpenAI's `stream_options`, as far as it concerns us."""

    include_usage: bool | None = None


class _Metadata(Struct):
    user_id: UserId | None = None


class OpenAIChatBody(Struct):
    """The routing members of a chat completion request."""

    model: Short
    messages: list[Raw]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: UserId | None = None
    safety_identifier: UserId | None = None
    trimtab: TrimtabMember | None = None

    @property
    def usage_asked(self) -> bool:
        """Whether the stream shall tell usage."""
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def end_user(self) -> str | None:
        """The app's name for its user."""
        return self.safety_identifier or self.user


class AnthropicMessagesBody(Struct):
    """The routing members of a messages request."""

    model: Short
    messages: list[Raw]
    stream: bool | None = None
    metadata: _Metadata | None = None
    trimtab: TrimtabMember | None = None

    @property
    def usage_asked(self) -> bool:
        """This wire tells usage unasked."""
        return True

    @property
    def end_user(self) -> str | None:
        """The app's name for its user."""
        return self.metadata.user_id if self.metadata else None


Routing = OpenAIChatBody | AnthropicMessagesBody

_members = msgspec.json.Decoder(dict[str, Raw])
_ROUTING: dict[Wire, Callable[[bytes], Routing]] = {
    Wire.OPENAI_CHAT: msgspec.json.Decoder(OpenAIChatBody).decode,
    Wire.ANTHROPIC_MESSAGES: msgspec.json.Decoder(AnthropicMessagesBody).decode,
}


def read(wire: Wire, data: bytes) -> tuple[Routing, dict[str, Raw]]:
    """Read a body: its routing members typed, and every member as sent.

    Raises:
        InvalidRequest: it is not UTF-8, not JSON, nested too deep, or a routing member is of the
            wrong type; `param` names it.
    """
    try:
        data.decode()
        routing = _ROUTING[wire](data)
        members = _members.decode(data)
    except UnicodeDecodeError as exc:
        raise InvalidRequest("the body is not valid UTF-8; encode it as UTF-8") from exc
    except RecursionError as exc:
        raise InvalidRequest("the body is nested too deep; flatten it") from exc
    except msgspec.ValidationError as exc:
        raise _explained(str(exc)) from exc
    except msgspec.DecodeError as exc:
        raise InvalidRequest("the body is not a JSON object; send valid JSON") from exc
    if not routing.messages:
        raise InvalidRequest("`messages` is empty; send at least one message", param="messages")
    if routing.trimtab and routing.trimtab.feature and not NAME.fullmatch(routing.trimtab.feature):
        raise InvalidRequest(
            "`trimtab.feature` must be lower-case letters, digits, `.`, `_` or `-`", param="trimtab"
        )
    return routing, members


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
    return InvalidRequest(f"`{path}` cannot be read ({what.lower()}); correct it", param=path)
