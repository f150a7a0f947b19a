"""Two versions side by side, word by word, and what the change asks of the number."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.console.prompts import found_prompt
from trimtab.control.prompts import Prompts
from trimtab.domain.prompt import Place
from trimtab.registry.diff import Change, Difference, Piece, Row, compare
from trimtab.registry.labels import existing


@dataclass(frozen=True, slots=True)
class Side:
    """A message as it stands on one side; `pieces` of it that the other lacks are marked."""

    index: int
    role: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A message on both sides; `None` where it is not."""

    change: Change
    changed: bool
    before: Side | None
    after: Side | None


async def show(visit: Visit) -> Response:
    """Compare two versions; without `from` and `to`, what production says with the newest."""
    prompts, name = await found_prompt(visit)
    before, after = visit.query("from"), visit.query("to")
    numbers = list(prompts.versions[name])
    after = after or numbers[-1]
    before = before or _usual(prompts, name, after)
    difference = compare(existing(prompts, name, before), existing(prompts, name, after))
    context = {
        "name": name,
        "numbers": numbers[::-1],
        "difference": difference,
        "lines": [_line(row) for row in difference.rows],
        "files": _files(difference),
    }
    return visit.page("prompt_diff.html", context)


def _usual(prompts: Prompts, name: str, after: str) -> str:
    """Choose what a version is compared with: what production says, else the one below."""
    pointed = prompts.at(Place(name))
    if pointed is not None and pointed.label.version != after:
        return pointed.label.version
    numbers = list(prompts.versions[name])
    at = numbers.index(after) if after in numbers else 0
    return numbers[max(0, at - 1)]


def _line(row: Row) -> Line:
    return Line(
        change=row.change,
        changed=row.changed,
        before=_side(row.before, row.roles[0], row.pieces, Change.ADDED),
        after=_side(row.after, row.roles[1], row.pieces, Change.REMOVED),
    )


def _side(
    index: int | None, role: str | None, pieces: Sequence[Piece], without: Change
) -> Side | None:
    if index is None or role is None:
        return None
    return Side(index, role, tuple(it for it in pieces if it.change is not without))


def _files(difference: Difference) -> bool:
    """Whether only what is beside the content changed."""
    before, after = difference.before, difference.after
    return before.hash == after.hash and before.file != after.file
