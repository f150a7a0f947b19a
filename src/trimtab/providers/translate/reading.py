"""Reading a request by what is known of its wire: whatever is not known is named as lost.

The structs of a wire are its allow-list. A member that is in no struct is never passed over in
silence: it is a hint that may go, it asks for nothing, or it is lost and told by name.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TypeVar, get_args

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.errors import InvalidRequest
from trimtab.providers.base import UNREADABLE, Loss
from trimtab.providers.translate.neutral import Text

ABSENT = Raw(b"null")

HINTS = frozenset(
    {
        "cache_control",
        "detail",
        "display",
        "prompt_cache_breakpoint",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)
"""Members that change what an answer costs or how fast it comes, and never what it says."""

IDLE: Mapping[str, tuple[object, ...]] = {
    "annotations": ([],),
    "caller": ({"type": "direct"},),
    "citations": ([], {"enabled": False}),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "presence_penalty": (0,),
    "service_tier": ("default",),
    "speed": ("standard",),
    "store": (False,),
}
"""Values with which a member asks for nothing that the target would not do without it."""

S = TypeVar("S", bound=Struct)
T = TypeVar("T")

_members = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_UNTELLABLE = re.compile(r"[^\w.\[\]-]", re.ASCII)
_MOST_CHARS = 128


class Losses:
    """What a translation cannot carry over. State: what was found so far."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[Loss] = []

    def lose(self, name: str) -> None:
        """Something has no equal."""
        self._add(name, hint=False)

    def hint(self, name: str) -> None:
        """Something that has no equal changes no answer."""
        self._add(name, hint=True)

    def _add(self, name: str, *, hint: bool) -> None:
        # A name is the caller's own text, and it goes into a header.
        self.found.append(Loss(_UNTELLABLE.sub("?", name)[:_MOST_CHARS], hint))


def read(kind: type[S], raw: Raw, at: str, losses: Losses) -> S:
    """Read an object, and name every member of it that `kind` does not know.

    Raises:
        InvalidRequest: it is no object, or a member is of the wrong type.
    """
    return _decoded(partial(msgspec.json.decode, type=kind), _known(kind, raw, at, losses), at)


def read_list(raw: Raw, at: str) -> list[Raw]:
    """Read a list, its elements unread.

    Raises:
        InvalidRequest: it is no list.
    """
    return _decoded(_list.decode, raw, at)


def kind_of(raw: Raw, at: str, member: str = "type", default: str | None = None) -> str:
    """Read the word that tells which kind of object this is.

    Raises:
        InvalidRequest: it is no object, or does not say.
    """
    kind = _decoded(_members.decode, raw, at).get(member)
    if kind is None and default is not None:
        return default
    return _decoded(_text.decode, kind or ABSENT, f"{at}.{member}")


def text_of(raw: Raw) -> str | None:
    """Give what a member says if it is a text, else `None`."""
    data = bytes(raw)
    return _text.decode(data) if data.startswith(b'"') else None


def read_content(
    raw: Raw,
    at: str,
    losses: Losses,
    readers: Mapping[str, Callable[[Raw, str, Losses], tuple[T, ...]]],
) -> tuple[T | Text, ...]:
    """Read a content: a text, or a list of parts, each by the reader of its kind.

    An empty text says nothing; a kind without a reader is lost.

    Raises:
        InvalidRequest: it is neither.
    """
    if bytes(raw) == b"null":
        return ()
    text = text_of(raw)
    if text is not None:
        return (Text(text),) if text else ()
    parts: list[T | Text] = []
    for place, part in enumerate(read_list(raw, at)):
        where = f"{at}[{place}]"
        kind = kind_of(part, where)
        reader = readers.get(kind)
        if reader is None:
            losses.lose(f"{where}.{kind}")
        else:
            parts.extend(reader(part, where, losses))
    return tuple(parts)


def object_in(text: str, at: str) -> Raw:
    """Take a JSON object out of a text, byte for byte; no text is an empty object.

    Raises:
        InvalidRequest: the text is no JSON object.
    """
    raw = Raw(text.encode() or b"{}")
    _decoded(_members.decode, raw, at)
    return raw


def _decoded(decode: Callable[[Raw], T], raw: Raw, at: str) -> T:
    try:
        return decode(raw)
    except UNREADABLE as exc:
        raise _wrong(exc, at) from exc


def _known(kind: type[Struct], raw: Raw, at: str, losses: Losses) -> Raw:
    """Keep the members that `kind` knows; what is null is not there."""
    structs = _structs_of(kind)
    kept: dict[str, Raw] = {}
    for name, member in _decoded(_members.decode, raw, at).items():
        path = f"{at}.{name}" if at else name
        if bytes(member) == b"null":
            continue
        if name not in structs:
            _pass_over(name, member, path, losses)
            continue
        kept[name] = member
        for inner in structs[name]:
            kept[name] = _known(inner, member, path, losses)
    return Raw(msgspec.json.encode(kept))


@cache
def _structs_of(kind: type[Struct]) -> dict[str, list[type[Struct]]]:
    """Name the members that `kind` knows, each with the struct that it is or may be."""
    found: dict[str, list[type[Struct]]] = {}
    for field in msgspec.structs.fields(kind):
        types = get_args(field.type) or (field.type,)
        structs = [each for each in types if isinstance(each, type) and issubclass(each, Struct)]
        found[field.encode_name] = structs
    return found


def _pass_over(name: str, raw: Raw, path: str, losses: Losses) -> None:
    value: object = msgspec.json.decode(raw)
    if name in HINTS or (name == "service_tier" and value == "auto"):
        losses.hint(path)
    elif value not in IDLE.get(name, ()):
        losses.lose(path)


def _wrong(exc: Exception, at: str) -> InvalidRequest:
    """Say where a request cannot be read: never what it says there."""
    found = _PATH.search(str(exc))
    path = ".".join(part for part in (at, found[1] if found else "") if part).replace(".[", "[")
    return InvalidRequest(f"`{path}` cannot be read; correct it", param=path)
