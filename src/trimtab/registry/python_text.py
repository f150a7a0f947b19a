"""Python source as `ruff format` would leave it: what is generated is not formatted a second time.

A bracket stands on one line where it fits, and has one member a line and a last comma where it does
not. That comma keeps it so under any formatter, whatever line length an application has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import cast
from unicodedata import combining, east_asian_width

WIDTH = 88
"""Ruff's and Black's own."""

INDENT = 4


@dataclass(frozen=True, slots=True)
class Bracket:
    """A call, a subscript, a list or a dict.

    Attributes:
        before: What stands before its first member, the opening bracket with it.
    """

    before: str
    members: Sequence["str | Bracket"]
    after: str

    def flat(self) -> str:
        """Write it on one line."""
        return f"{self.before}{', '.join(map(flat, self.members))}{self.after}"

    def prefixed(self, prefix: str) -> "Bracket":
        """Give it with something before it: a name and `=`, a key and `:`."""
        return Bracket(prefix + self.before, self.members, self.after)


Source = str | Bracket


def flat(source: Source) -> str:
    """Write on one line."""
    return source if isinstance(source, str) else source.flat()


def prefixed(prefix: str, source: Source) -> Source:
    """Give a source with something before it."""
    return prefix + source if isinstance(source, str) else source.prefixed(prefix)


def lines(source: Source, *, indent: int = 0, after: str = "") -> list[str]:
    """Write on as few lines as fit; `after` follows the last bracket."""
    margin = " " * indent
    whole = f"{margin}{flat(source)}{after}"
    if isinstance(source, str) or not source.members or columns(whole) <= WIDTH:
        return [whole]
    inner = [
        line
        for member in source.members
        for line in lines(member, indent=indent + INDENT, after=",")
    ]
    return [margin + source.before, *inner, f"{margin}{source.after}{after}"]


def literal(value: object) -> Source:
    """Write a JSON value."""
    write = _WRITERS.get(type(value))
    return repr(value) if write is None else write(value)


def text_literal(text: str) -> str:
    """Write a text, in the quotes that need fewer escapes, and double ones where that is even."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_character(it, quote) for it in text) + quote


def docstring(text: str, *, indent: int) -> list[str]:
    """Write a docstring: words only, for layout is the file's."""
    margin = " " * indent
    words = "".join(_character(it, "") for it in " ".join(text.split()))
    if '"""' in words:
        words = words.replace('"', "'")
    words = " " * words.startswith('"') + words + " " * words.endswith('"')
    whole = f'{margin}"""{words}"""'
    room = WIDTH - indent - len('"""')
    first, *others = wrap(words, room, break_long_words=False, break_on_hyphens=False)
    if columns(whole) <= WIDTH or not others:
        return [whole]
    return [f'{margin}"""{first}', *(margin + it for it in others), f'{margin}"""']


def columns(text: str) -> int:
    """Count the columns a line takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(it) else 1 + (east_asian_width(it) in "WF") for it in text)


def _character(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return "\\" + character
    return character if character.isprintable() else repr(character)[1:-1]


def _list(value: object) -> Source:
    return Bracket("[", [literal(it) for it in cast("Sequence[object]", value)], "]")


def _dict(value: object) -> Source:
    members = cast("Mapping[str, object]", value)
    return Bracket(
        "{", [prefixed(f"{text_literal(key)}: ", literal(it)) for key, it in members.items()], "}"
    )


def _float(value: object) -> Source:
    return repr(value).replace("e+", "e")


_WRITERS: Mapping[type, Callable[[object], Source]] = {
    str: lambda value: text_literal(str(value)),
    list: _list,
    dict: _dict,
    float: _float,
}
