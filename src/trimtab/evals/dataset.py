"""Datasets: files of one case a line (JSONL), read strictly and all faults told at once."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.prompt import canonical, digest
from trimtab.domain.yaml_tree import Faults
from trimtab.evals.case import CHOICES, QUESTION, Case
from trimtab.evals.explain import explained

ID = re.compile(r"[A-Za-z0-9._-]{1,80}")
MOST_BYTES = 256 * 2**20

_SEED = frozenset({QUESTION, "expected"})
_MEMBERS = tuple(field.name for field in msgspec.structs.fields(Case))
_ID_DIGITS = 12


class Placed(NamedTuple):
    """A case, and the file and line it is in."""

    case: Case
    file: str
    line: int


class _Refused(Exception):
    """A line is no case. `path` names the member at fault."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(what)
        self.path = path


def read_cases(text: str, file: str) -> tuple[Placed, ...]:
    """Read a file of cases; lines with nothing in them are skipped.

    Rows of a question and what is expected are cases too, with an id made of the question.

    Raises:
        SettingsInvalid: one line `file:line: member: what; remedy` for each fault.
    """
    faults = Faults(file)
    placed = list[Placed]()
    # Not `splitlines`: JSON may hold U+2028 and its like.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            placed.append(Placed(_case(line), file, number))
        except _Refused as exc:
            faults.add(exc.path, str(exc), number)
    if faults.found:
        raise SettingsInvalid(faults.text())
    return tuple(placed)


def check_unique(placed: Sequence[Placed]) -> None:
    """Insist that no two cases of a suite have one id.

    Raises:
        SettingsInvalid: one line for each case whose id was there before.
    """
    first = dict[str, Placed]()
    told = list[str]()
    for it in placed:
        before = first.setdefault(it.case.id, it)
        if before is not it:
            where = f"{before.file}:{before.line}"
            told.append(
                f"{it.file}:{it.line}: id: {it.case.id!r} is taken, first in {where}; rename it"
            )
    if told:
        raise SettingsInvalid("\n".join(told))


def read_row(line: str, where: str) -> dict[str, Any]:
    """Read a line of JSON that is an object, strictly. Raises `SettingsInvalid`."""
    try:
        return _row(line)
    except _Refused as exc:
        raise SettingsInvalid(f"{where}: {exc.path}{': ' if exc.path else ''}{exc}") from exc


def write_case(case: Case) -> str:
    """Write a case as its line, end of line included."""
    return msgspec.json.encode(case).decode() + "\n"


def _case(line: str) -> Case:
    row = _row(line)
    if row.keys() <= _SEED and QUESTION in row:
        question = row[QUESTION]
        if not isinstance(question, str):
            raise _Refused(QUESTION, "is no text; write text")
        made = digest(question)[:_ID_DIGITS]
        row = {"id": f"q-{made}", "input": {QUESTION: question}, "expected": row.get("expected")}
    try:
        case = msgspec.convert(row, type=Case, strict=True)
    except msgspec.ValidationError as exc:
        raise _Refused(*explained(str(exc), _MEMBERS)) from exc
    _check(case)
    return case


def _row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_members, parse_constant=_no_number)
    except json.JSONDecodeError as exc:
        raise _Refused("", f"column {exc.colno}: this is no JSON ({exc.msg}); fix it") from exc
    except (RecursionError, ValueError) as exc:
        raise _Refused("", "is nested too deep, or has too long a number; change it") from exc
    if not isinstance(row, dict):
        raise _Refused("", 'is no case; write {"id": ..., "input": {...}}')
    return cast("dict[str, Any]", row)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(it for it in names if names.count(it) > 1)
        raise _Refused(twice[:64], "is given twice; keep one")
    return members


def _no_number(word: str) -> None:
    raise _Refused("", f"{word} is no JSON; write a number, text or null")


def _check(case: Case) -> None:
    if ID.fullmatch(case.id) is None:
        what = f"{case.id[:80]!r} is no id; use at most 80 letters, digits, '.', '_' and '-'"
        raise _Refused("id", what)
    if case.expected in ((), ""):
        raise _Refused("expected", "accepts nothing; write a text, or leave it out")
    choices = case.input.get(CHOICES, ["", ""])
    if not _is_list_of_texts(choices):
        raise _Refused(f"input.{CHOICES}", "is no list of at least two texts; write one")
    try:
        canonical(msgspec.to_builtins(case))
    except InvalidRequest as exc:
        raise _Refused("", str(exc)) from exc


def _is_list_of_texts(value: object) -> bool:
    if not isinstance(value, list):
        return False
    items = cast("list[object]", value)
    return len(items) > 1 and all(isinstance(it, str) for it in items)
