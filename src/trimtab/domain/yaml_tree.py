"""YAML 1.2 as a tree whose every node knows its line and its path.

The tree is built from parser events, so nothing is resolved behind our back: `on` is text, a
repeated key, a tag, an anchor and a second document are faults. What a plain scalar means is
decided by who reads it, under the core schema: `plain_value`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

MOST_NAMES = 12
MOST_DEPTH = 64

# Longer ones are beyond any number of ours, and Python does not read them as integers.
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]{0,999}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `plain`: written without quotes, so it may be a number, true or null."""

    path: str
    line: int
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    path: str
    line: int
    items: Sequence["Node"]


@dataclass(frozen=True, slots=True)
class Members:
    """A map, in the order of the file."""

    path: str
    line: int
    members: Mapping[str, "Node"]


Node = Scalar | Items | Members


class Wrong(Exception):
    """A value is not what its place takes; the message says what is."""


@dataclass(slots=True)
class Faults:
    """Everything wrong with one file, so that all of it is told at once.

    State: the faults found so far, and the line of every path seen.
    """

    file: str
    found: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    lines: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, path: str, message: str, line: int | None = None) -> None:
        """Note a fault; its line is that of the path unless given."""
        at = self.line(path) if line is None else line
        self.found.append((at, f"{path}: {message}" if path else message))

    def line(self, path: str) -> int:
        """Find the line of a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)

    def text(self) -> str:
        """Write one line a fault, in the order of the file."""
        return "\n".join(f"{self.file}:{line}: {what}" for line, what in sorted(self.found))


def read_tree(text: str, faults: Faults, begin: str = "version: 1") -> Members | None:
    """Read a file whose top is a map; `None` if it cannot be read at all."""
    try:
        top = _Composer(_events(text), faults).document()
    except _TooDeep as exc:
        faults.add("", f"more than {MOST_DEPTH} lists and maps in each other; flatten it", exc.line)
        return None
    except YAMLError as exc:
        mark: Any = getattr(exc, "problem_mark", None)
        problem = getattr(exc, "problem", None) or str(exc).partition("\n")[0]
        line = 1 if mark is None else int(mark.line) + 1
        faults.add("", f"this is no YAML ({problem}); look at the line and the one above it", line)
        return None
    if isinstance(top, Members):
        return top
    if top is None or is_null(top):
        return Members("", 1, {})
    faults.add("", f"the file is not a map; begin with `{begin}`", top.line)
    return None


def is_null(node: Node) -> bool:
    """Whether a node is written `null`, `~` or not at all."""
    return (
        isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null", "Null", "NULL")
    )


def scalars(node: Node) -> Iterator[Scalar]:
    """Walk every single value of a tree."""
    if isinstance(node, Scalar):
        yield node
    else:
        below = node.items if isinstance(node, Items) else node.members.values()
        for child in below:
            yield from scalars(child)


def anything(node: Node) -> object:
    """Read any value under the core schema."""
    if isinstance(node, Scalar):
        return plain_value(node.text) if node.plain else node.text
    if isinstance(node, Items):
        return [anything(item) for item in node.items]
    return {name: anything(member) for name, member in node.members.items()}


def plain_value(written: str) -> object:
    """Read a scalar without quotes: null, a truth, a number, else text (YAML 1.2, 10.3)."""
    if written in ("", "~", "null", "Null", "NULL"):
        return None
    if written in _BOOLEANS or written == "FALSE":
        return _BOOLEANS.get(written, False)
    if _INTEGER.fullmatch(written):
        return int(written)
    if _FLOAT.fullmatch(written):
        return float(written)
    return written


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word most like one that is not."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "there is none; add it"
    more = ", ..." if len(names) > MOST_NAMES else ""
    return f"there is {', '.join(names[:MOST_NAMES])}{more}"


class _Event(NamedTuple):
    """What the parser says next. `tag` is there only if it is written out."""

    kind: str
    line: int
    text: str
    plain: bool
    anchor: str | None
    tag: str | None


def _events(text: str) -> Iterator[_Event]:
    """Run the parser; the one place that touches its untyped events."""
    parser: Any = YAML(typ="safe", pure=True)
    for event in parser.parse(text):
        yield _Event(
            kind=type(event).__name__.removesuffix("Event"),
            line=int(event.start_mark.line) + 1,
            text=getattr(event, "value", ""),
            plain=getattr(event, "style", None) is None,
            anchor=getattr(event, "anchor", None),
            tag=getattr(event, "tag", None),
        )


class _TooDeep(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


class _Composer:
    """Builds nodes from events; on a fault it goes on, so that the next one is found too."""

    def __init__(self, events: Iterator[_Event], faults: Faults) -> None:
        self._events = events
        self._faults = faults
        self._depth = 0

    def document(self) -> Node | None:
        """Read the one document."""
        top: Node | None = None
        for event in self._events:
            if event.kind != "DocumentStart":
                continue
            if top is not None:
                self._faults.add("", "a second document begins here; keep one", event.line)
                break
            top = self._node(next(self._events), "")
        return top

    def _node(self, event: _Event, path: str) -> Node:
        self._faults.lines.setdefault(path, event.line)
        if event.kind == "Alias":
            self._faults.add(path, "an alias is not taken; write the value out", event.line)
        elif event.anchor is not None:
            self._faults.add(path, f"anchor '&{event.anchor}' is not taken; remove it", event.line)
        if event.tag is not None:
            self._faults.add(path, f"tag '{event.tag}' is not taken; remove it", event.line)
        if event.kind not in ("SequenceStart", "MappingStart"):
            return Scalar(path, event.line, event.text, event.plain)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _TooDeep(event.line)
        below = self._items if event.kind == "SequenceStart" else self._members
        node = below(path, event.line)
        self._depth -= 1
        return node

    def _items(self, path: str, line: int) -> Items:
        items: list[Node] = []
        while (event := next(self._events)).kind != "SequenceEnd":
            items.append(self._node(event, f"{path}[{len(items)}]"))
        return Items(path, line, items)

    def _members(self, path: str, line: int) -> Members:
        members: dict[str, Node] = {}
        while (event := next(self._events)).kind != "MappingEnd":
            key = self._node(event, path)
            name = key.text if isinstance(key, Scalar) else "?"
            here = f"{path}.{name}" if path else name
            if not isinstance(key, Scalar):
                self._faults.add(path, "a key is a list or a map; write a word", event.line)
            elif name in members:
                first = members[name].line
                what = f"is given twice, first in line {first}; keep one"
                self._faults.add(here, what, event.line)
            self._faults.lines.setdefault(here, event.line)
            value = self._node(next(self._events), here)
            members.setdefault(name, value)
        return Members(path, line, members)
