"""A foreign document as it is read: every value knows its place, and what is left out is noted.

Nothing here trusts the document. It is read once into plain values, bounded in size and depth;
after that every step names the member it is at, so a fault is told with it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import NoReturn, TypeVar, cast

import msgspec
from ruamel.yaml import YAML

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import MOST_BYTES
from trimtab.domain.yaml_tree import Faults, Wrong, anything, read_tree

MOST_DEPTH = 48

T = TypeVar("T")

_FRONT = re.compile(r"(?:[ \t]*\n|#[^\n]*\n)*---[ \t]*\n(.*?)(?<=\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
_MOST_FRONT = 2**17


@dataclass(frozen=True, slots=True)
class Loss:
    """A member that could not be carried over, why, and what to do about it."""

    member: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.member}: {self.why}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Source:
    """A document that is being read. State: what could not be carried so far."""

    file: str
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    losses: list[Loss] = field(default_factory=list[Loss])


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the document, and the path it is at. What is not there has the value `None`."""

    source: Source
    member: str
    value: object

    @property
    def given(self) -> bool:
        """Whether there is anything."""
        return self.value not in (None, "", [], {})

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.value, list)

    def at(self, name: str) -> "Place":
        """Look at a member of a map."""
        return Place(self.source, self._under(name), self.map().get(name))

    def members(self) -> dict[str, "Place"]:
        """Look at every member of a map."""
        return {
            name: Place(self.source, self._under(name), value) for name, value in self.map().items()
        }

    def map(self) -> dict[str, object]:
        """Take a map as it is; what is not there has no members."""
        if self.value is None:
            return {}
        if not self.is_map:
            self.refuse("is no map; write {name: value}")
        return as_map(self.value)

    def items(self) -> list["Place"]:
        """Look at every item of a list; what is not there has none."""
        if self.value is None:
            return []
        if not self.is_list:
            self.refuse("is no list; write [...]")
        return [
            Place(self.source, f"{self.member}[{number}]", item)
            for number, item in enumerate(as_list(self.value))
        ]

    def text(self) -> str:
        """Take a text, its CRLF folded."""
        if not isinstance(self.value, str):
            self.refuse("is no text; write it in quotes")
        return self.value.replace("\r\n", "\n")

    def text_or(self, default: str) -> str:
        """Take a text that may be left out."""
        return default if self.value is None else self.text()

    def read_as(self, parse: Callable[[str], T]) -> T:
        """Take a text of a grammar; `parse` raises `Wrong` for what it cannot read."""
        try:
            return parse(self.text())
        except Wrong as exc:
            raise self.fault(str(exc)) from exc

    def lose(self, why: str, remedy: str) -> None:
        """Note that this is left out. Never with its value: it may be a key."""
        self.source.losses.append(Loss(self.member, why, remedy))

    def only(self, *known: str) -> None:
        """Note that every other member is left out."""
        for name, place in self.members().items():
            if name not in known and place.given:
                place.lose("has no place in a prompt file", "keep it where it is, or in an x- key")

    def refuse(self, what: str) -> NoReturn:
        """Refuse the document for this value; `what` ends with `; remedy`."""
        raise self.fault(what)

    def fault(self, what: str) -> SettingsInvalid:
        """Say what is wrong here."""
        lines, file = self.source.lines, self.source.file
        where = f"{file}:{Faults(file, lines=dict(lines)).line(self.member)}" if lines else file
        return SettingsInvalid(
            f"{where}: {self.member}: {what}" if self.member else f"{where}: {what}"
        )

    def _under(self, name: str) -> str:
        return f"{self.member}.{name[:64]}" if self.member else name[:64]


def read_json(text: str, path: str) -> Place:
    """Read a JSON document. Raises `SettingsInvalid`."""
    try:
        value: object = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as exc:
        what = f"{path}:{exc.lineno}: this is no JSON ({exc.msg}); export it again"
        raise SettingsInvalid(what) from exc
    except ValueError as exc:
        raise SettingsInvalid(f"{path}: this is no JSON ({exc}); export it again") from exc
    return Place(Source(path), "", _sound(value, path))


def read_member(place: Place) -> Place:
    """Read JSON that stands in a text of another document."""
    inner = read_json(place.text(), f"{place.source.file}: {place.member}")
    return Place(place.source, place.member, inner.value)


def read_front(text: str, path: str) -> tuple[Place, str]:
    """Read YAML between lines of `---`, and give what follows. Without it, all is the body."""
    match = _FRONT.match(text)
    if match is None:
        if text.lstrip().startswith("---"):
            raise SettingsInvalid(f"{path}:1: the lines before the text have no end; write ---")
        return Place(Source(path), "", {}), text
    if len(match[1]) > _MOST_FRONT:
        raise SettingsInvalid(
            f"{path}: has more than {_MOST_FRONT} characters before its text; move some out"
        )
    faults = Faults(path)
    # The lines before it are kept, so that numbers of lines are those of the file.
    before = "\n" * text.count("\n", 0, match.start(1))
    try:
        top = read_tree(before + match[1], faults, "name: my-prompt")
        value = anything(top) if top is not None else None
    except ValueError as exc:
        raise SettingsInvalid(f"{path}: a number is too long; write it in quotes") from exc
    if faults.found:
        raise SettingsInvalid(faults.text())
    return Place(Source(path, faults.lines), "", _sound(value, path)), text[match.end() :]


def as_map(value: object) -> dict[str, object]:
    """Take a map; anything else is an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Take a list; anything else is an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def fit(text: str, path: str) -> str:
    """See that a document is no larger than a prompt may be, and fold its CRLF."""
    try:
        size = len(text.encode())
    except UnicodeError as exc:
        raise SettingsInvalid(f"{path}: is not UTF-8; write it as UTF-8") from exc
    if size > MOST_BYTES:
        raise SettingsInvalid(f"{path}: has more than {MOST_BYTES} bytes; split the prompt")
    return text.replace("\r\n", "\n")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:64]!r} is given twice")
    return members


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _sound(value: object, path: str) -> object:
    """See that a value is not too deep, and that all its texts and numbers can be written again."""
    left: list[tuple[object, int]] = [(value, 0)]
    while left:
        it, depth = left.pop()
        if depth > MOST_DEPTH:
            raise SettingsInvalid(f"{path}: is nested deeper than {MOST_DEPTH}; make it flatter")
        if isinstance(it, dict):
            left += [
                (below, depth + 1)
                for pair in cast("dict[str, object]", it).items()
                for below in pair
            ]
        elif isinstance(it, list):
            left += [(below, depth + 1) for below in cast("list[object]", it)]
        elif isinstance(it, str) and not it.isascii():
            _utf8(it, path)
        elif isinstance(it, float) and it - it != 0:
            raise SettingsInvalid(f"{path}: a number is too large; write a smaller one")
    return value


def _utf8(text: str, path: str) -> None:
    try:
        _ = text.encode()
    except UnicodeError as exc:
        raise SettingsInvalid(f"{path}: a text has half a character; write the whole") from exc


def write_json(document: object) -> str:
    """Write a JSON document."""
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def write_front(members: Mapping[str, object], body: str) -> str:
    """Write YAML between lines of `---`, and a body after it."""
    out = StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump(dict(members), out)  # pyright: ignore[reportUnknownMemberType]
    return f"---\n{out.getvalue()}---\n{body}"
