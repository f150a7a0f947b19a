"""What changed between two versions of a prompt, for a terminal and for a page."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from semver import Version

from trimtab.domain.prompt import Content, Message, PromptVersion
from trimtab.registry.semver import Bump, Part, Reason, Required, declared_bump, required_between
from trimtab.registry.words import INVISIBLE, Hunk, hunks, tokens

WIDTH = 10
"""Columns of the first word of a line."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")


class Change(StrEnum):
    """What became of a piece of text, or of a message."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    MOVED = "moved"


_MARKS = {Change.SAME: ("", ""), Change.REMOVED: ("[-", "-]"), Change.ADDED: ("{+", "+}")}
_SIGNS = {Change.SAME: "~", Change.REMOVED: "-", Change.ADDED: "+", Change.MOVED: "~"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a text that is in both, or in one of them. `change` is never `MOVED`."""

    change: Change
    text: str


_Place = tuple[int, Message] | None


@dataclass(frozen=True, slots=True)
class Row:
    """A message as it was and as it is; one of both may not be there.

    Attributes:
        change: `SAME` if its place among the others is, whatever its text.
        before: Index of the message before, if it was there.
        after: Index of the message after, if it is there.
        roles: Its role before and after; `placeholder` for the caller's own messages.
        pieces: Its text; those that are not `ADDED` are the text before.
    """

    change: Change
    before: int | None
    after: int | None
    roles: tuple[str | None, str | None]
    pieces: tuple[Piece, ...]

    @property
    def changed(self) -> bool:
        """Whether anything of it is not as it was."""
        words = any(it.change is not Change.SAME for it in self.pieces)
        return words or self.change is not Change.SAME or self.roles[0] != self.roles[1]

    @property
    def head(self) -> str:
        """What became of the message, in words."""
        before, after = self.roles
        role = (
            f"{after} (was {before})" if before and after and before != after else after or before
        )
        return f"{role} moved from [{self.before}]" if self.change is Change.MOVED else f"{role}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two versions.

    Attributes:
        contents: What they say.
        rows: Every message, also those that are the same.
        required: What all of it asks of the number; its reasons are what changed, in words.
        declared: What the numbers say.
    """

    before: PromptVersion
    after: PromptVersion
    contents: tuple[Content, Content]
    rows: tuple[Row, ...]
    required: Required
    declared: Bump

    @property
    def enough(self) -> bool:
        """Whether the number of the later version says as much as its change asks for."""
        return self.declared >= self.required.bump

    def of(self, part: Part) -> tuple[Reason, ...]:
        """Tell what changed in a part."""
        return tuple(it for it in self.required.reasons if it.part is part)


def compare(before: PromptVersion, after: PromptVersion) -> Difference:
    """Compare two versions, or a version and a file that would become one.

    Raises:
        VersionCorrupt: one of them is not what was published.
    """
    old, new = before.read(), after.read()
    return Difference(
        before=before,
        after=after,
        contents=(old, new),
        rows=tuple(_rows(old.said, new.said)),
        required=required_between(before, after),
        declared=declared_bump(Version.parse(before.version), Version.parse(after.version)),
    )


def pieces(before: str, after: str) -> tuple[Piece, ...]:
    """Compare two texts word by word; texts that differ too much are taken out and put in whole."""
    old, new = ([it.text for it in tokens(text)] for text in (before, after))
    runs, at = list[tuple[str, str, str]](), 0
    for hunk in hunks(old, new):
        same = "".join(old[at : hunk.start])
        removed = "".join(old[hunk.start : hunk.end])
        added = "".join(new[hunk.new_start : hunk.new_end])
        at = hunk.end
        if runs and same.isspace() and "\n" not in same:
            # Nobody kept the space between two changed words.
            same, more, less = runs.pop()
            removed, added = more + " " + removed, less + " " + added
        runs.append((same, removed, added))
    runs.append(("".join(old[at:]), "", ""))
    kinds = (Change.SAME, Change.REMOVED, Change.ADDED)
    return tuple(
        Piece(kind, text) for run in runs for kind, text in zip(kinds, run, strict=True) if text
    )


def lines(difference: Difference) -> Iterator[str]:
    """Write what changed for a terminal: `[-removed-]` and `{+added+}`."""
    yield from _row_lines(difference)
    for part in Part:
        if part is Part.TEXT:
            continue
        reasons = difference.of(part)
        for it in reasons:
            yield _line(part, _sign(it), f"{_visible(str(it))}  {it.bump}")
        if not reasons and any(_has(part, it) for it in difference.contents):
            yield _line(part, " ", "unchanged")
    required = difference.required
    why = f" ({_visible(required.reasons[0].what)})" if required.reasons else ""
    fault = "" if difference.enough else "   R005 error"
    yield f"required bump: {required.bump}{why}   declared: {difference.after.version}{fault}"


def _rows(before: Sequence[Message], after: Sequence[Message]) -> Iterator[Row]:
    """Walk the messages of both, in the order of the later ones."""
    found = hunks(list(map(_key, before)), list(map(_key, after)))
    pairs = dict(_pairs(before, after, found))
    old = {paired for paired, _ in pairs.values()}
    at = shift = 0
    for hunk in [*found, Hunk(len(before), len(before), len(after), len(after))]:
        for same in range(at, hunk.start):
            yield _row(Change.SAME, (same, before[same]), (same + shift, after[same + shift]))
        for gone in range(hunk.start, hunk.end):
            if gone not in old:
                yield _row(Change.REMOVED, (gone, before[gone]), None)
        for new in range(hunk.new_start, hunk.new_end):
            paired, change = pairs.get(new, (None, Change.ADDED))
            was = None if paired is None else (paired, before[paired])
            yield _row(change, was, (new, after[new]))
        at, shift = hunk.end, hunk.new_end - hunk.end


def _pairs(
    before: Sequence[Message], after: Sequence[Message], found: Sequence[Hunk]
) -> Iterator[tuple[int, tuple[int, Change]]]:
    """Tell which message before each later one was: the same elsewhere, else one in its place."""
    left = [at for it in found for at in range(it.start, it.end)]
    new = [at for it in found for at in range(it.new_start, it.new_end)]
    for at in list(new):
        match = next((it for it in left if _key(before[it]) == _key(after[at])), None)
        if match is not None:
            left.remove(match)
            new.remove(at)
            yield at, (match, Change.MOVED)
    for hunk in found:
        for at in (it for it in new if hunk.new_start <= it < hunk.new_end):
            here = [it for it in left if hunk.start <= it < hunk.end]
            match = next((it for it in here if _alike(before[it], after[at])), None)
            if match is not None:
                left.remove(match)
                yield at, (match, Change.SAME)


def _alike(one: Message, other: Message) -> bool:
    """Whether one message became another: its text changed, or its role."""
    if one.role is None or other.role is None:
        return one.role is other.role
    return one.role is other.role or one.content == other.content


def _row(change: Change, before: _Place, after: _Place) -> Row:
    old, new = (None if it is None else it[1] for it in (before, after))
    return Row(
        change=change,
        before=None if before is None else before[0],
        after=None if after is None else after[0],
        roles=(_key(old)[0] if old else None, _key(new)[0] if new else None),
        pieces=pieces(_key(old)[1] if old else "", _key(new)[1] if new else ""),
    )


def _key(message: Message) -> tuple[str, str]:
    if message.role is None:
        return "placeholder", message.placeholder or ""
    return message.role.value, message.content or ""


def _row_lines(difference: Difference) -> Iterator[str]:
    is_text = all(it.template is not None for it in difference.contents)
    changed = [it for it in difference.rows if it.changed]
    if not changed:
        yield _line("text", " ", "unchanged")
    for row in changed:
        if is_text:
            name = "text"
        else:
            name = f"[{row.before if row.after is None else row.after}]"
            yield _line(name, _SIGNS[row.change], row.head)
        if row.change is not Change.MOVED:
            yield from (
                _line(name if is_text else "", "~", it) for it in _changed_lines(row.pieces)
            )


def _changed_lines(found: Sequence[Piece]) -> Iterator[str]:
    """Write the lines that changed; an end of line that came or went is a backslash and an n."""
    line, changed = "", False
    for piece in found:
        begin, end = _MARKS[piece.change]
        *ended, last = piece.text.split("\n")
        for text in ended:
            line += _visible(text) if not begin else f"{begin}{_visible(text)}\\n{end}"
            if changed or begin:
                yield line
            line, changed = "", False
        if last:
            line += f"{begin}{_visible(last)}{end}"
            changed = changed or bool(begin)
    if changed:
        yield line


def _has(part: Part, content: Content) -> bool:
    match part:
        case Part.VARIABLES:
            return bool(content.variables)
        case Part.MODEL:
            return content.model is not None
        case Part.TOOLS:
            return bool(content.tools)
        case Part.OUTPUT:
            return content.output_schema is not None
        case Part.KIND | Part.PARTIALS | Part.TEXT:
            return False


def _sign(reason: Reason) -> str:
    last = reason.what.rpartition(" ")[2]
    return {"added": "+", "removed": "-"}.get(last, "~")


def _line(name: str, sign: str, text: str) -> str:
    return f"{name:<{WIDTH}} {sign} {text}"


def _visible(text: str) -> str:
    """Write what nobody sees, or what would move a terminal, so that it is seen."""
    return _INVISIBLE.sub(lambda it: ascii(it.group())[1:-1], text)
