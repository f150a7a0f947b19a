"""What every format has in common: what it gives, and what is checked of it.

An adapter only reads and forms one foreign format. That what it read are cases, and that what it
wrote says the same when it is read again, is seen to here, so that no adapter can lose a word
without a `Loss` that names it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import msgspec
from msgspec import Struct

from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.prompt import canonical, digest
from trimtab.evals.case import QUESTION, Case, Kind
from trimtab.evals.dataset import ID, MOST_BYTES, read_cases, read_row, write_case
from trimtab.evals.suite import Suite

OURS = "trimtab"
"""The member of a foreign case's metadata that holds what the format has no place for."""

HISTORY = "history"
REWRITE = "write it by hand"

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_ID, _ID_DIGITS = 80, 12
_CHECKS = frozenset(("contains", "not_contains", "regex", "refuses"))
_OF_SUITES = ("target", "judge", "gate", "repeats", "slices", "quarantine")


class Loss(Struct, frozen=True):
    """A member that could not be carried over, why, and what to do about it."""

    member: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.member}: {self.why}; {self.remedy}"


class Document(Struct, frozen=True, kw_only=True):
    """An eval set between two formats.

    Attributes:
        metrics: As a manifest has them: options and limits, by name.
        losses: What reading left out.
    """

    name: str
    kind: Kind = Kind.GOLDEN
    cases: tuple[Case, ...] = ()
    metrics: Mapping[str, Mapping[str, Any]] = {}
    losses: tuple[Loss, ...] = ()


@dataclass(slots=True)
class Reading:
    """A foreign document that is being read. State: what was found in it so far."""

    file: str
    cases: list[Case] = field(default_factory=list[Case])
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    losses: list[Loss] = field(default_factory=list[Loss])
    _ids: Counter[str] = field(default_factory=Counter[str])

    def lose(self, member: str, why: str, remedy: str = REWRITE) -> None:
        """Note that something is left out. Never with its value: it may be a secret."""
        self.losses.append(Loss(member, why, remedy))

    def only(self, given: Mapping[str, object], known: Iterable[str], member: str = "") -> None:
        """Note that every other member is left out."""
        for name in [it for it in given if it not in {*known}]:
            if given[name] not in (None, "", [], {}):
                self.lose(f"{member}.{name[:64]}".lstrip("."), "has no place in a suite")

    def refuse(self, member: str, what: str) -> NoReturn:
        """Refuse the document; `what` ends with `; remedy`."""
        raise SettingsInvalid(": ".join(filter(None, (self.file, member, what))))

    def add(self, members: Mapping[str, Any], metadata: object, member: str) -> None:
        """Add a case of what its format says, and of what else was kept beside it."""
        beside = as_map(metadata)
        for name in [it for it in beside if it != OURS]:
            self.lose(f"{member}.metadata.{name[:64]}", "has no place in a case", "make it a tag")
        whole = {**members, **as_map(beside.get(OURS))}
        whole["id"] = self._id(whole)
        try:
            self.cases.append(msgspec.convert(whole, type=Case, strict=True))
        except msgspec.ValidationError as exc:
            self.refuse(member, f"is no case ({exc}); fix it")

    def document(self, name: str, kind: Kind = Kind.GOLDEN) -> Document:
        """Give what was read."""
        return Document(
            name=_slug(name) or stem_of(self.file),
            kind=kind,
            cases=tuple(self.cases),
            metrics=self.metrics,
            losses=tuple(self.losses),
        )

    def _id(self, whole: Mapping[str, Any]) -> str:
        """Give the nearest id of ours that is not taken."""
        given: object = whole.get("id")
        made = _slug(given) if isinstance(given, str) else ""
        if not made:
            made = f"q-{digest(text_of(whole.get('input')))[:_ID_DIGITS]}"
        self._ids[made] += 1
        while (count := self._ids[made]) > 1:
            made = f"{made[: _MOST_ID - 8]}-{count}"
            self._ids[made] += 1
        return made


@dataclass(frozen=True, slots=True)
class Adapter:
    """Reads and writes one foreign format.

    Attributes:
        suffix: What its files are called.
        parse: From text and path to what it says. Raises `SettingsInvalid`.
        form: The way back, as far as the format goes.
    """

    format: str
    suffix: str
    parse: Callable[[str, str], Document]
    form: Callable[[Document], str]

    def read(self, text: str, path: str) -> Document:
        """Read a foreign document.

        Raises:
            SettingsInvalid: it is not of the format, or says what a dataset cannot.
        """
        if len(text) > MOST_BYTES:
            raise SettingsInvalid(f"'{path}' has more than {MOST_BYTES} characters; split it")
        try:
            found = self.parse(text, path)
            # What no line of a dataset may be is told now.
            _ = read_cases("".join(map(write_case, found.cases)), f"{path} as cases")
        except (RecursionError, UnicodeError) as exc:
            raise SettingsInvalid(f"{path}: cannot be read ({exc}); make it plainer") from exc
        if not found.cases:
            raise SettingsInvalid(f"{path}: has no cases; is it of format {self.format}?")
        return found

    def unsaid(self, document: Document) -> tuple[Loss, ...]:
        """Name everything that `form` leaves out, or writes so that it comes back otherwise."""
        back = self.read(self.form(document), f"{document.name} as {self.format}")
        return tuple(_unsaid(document, back, self.format))


def from_suite(suite: Suite, cases: tuple[Case, ...]) -> Document:
    """Take a suite for another tool; `cases` are as they are written, their choices unshuffled."""
    metrics: dict[str, dict[str, Any]] = {}
    for it in suite.metrics:
        options = {k: v for k, v in msgspec.to_builtins(it).items() if k not in ("name", "options")}
        if options["metric"] == it.name:
            del options["metric"]
        options |= it.options
        if options or it.metric not in _CHECKS:
            metrics[it.name] = options
    losses = [
        Loss(it, "is the run's own and has no place there", "say it to the other tool")
        for it in _OF_SUITES
        if msgspec.to_builtins(getattr(suite, it))
    ]
    return Document(
        name=suite.name, kind=suite.kind, cases=cases, metrics=metrics, losses=tuple(losses)
    )


def beside(case: Case, said: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a format has no place for; `said` are the members that it tells by itself."""
    whole: dict[str, Any] = msgspec.to_builtins(case)
    return {name: it for name, it in whole.items() if name not in said or said[name] != it}


def rows(text: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read JSON lines, each with the name of its place. Raises `SettingsInvalid`."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.strip():
            yield f"line {number}", read_row(line, f"{path}:{number}")


def write_rows(made: Iterable[object]) -> str:
    """Write JSON lines."""
    return "".join(msgspec.json.encode(it).decode() + "\n" for it in made)


def as_map(value: object) -> dict[str, Any]:
    """Take a map; anything else is an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Take a list; anything else is an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def messages_of(given: Mapping[str, Any]) -> list[Any] | None:
    """Write an input as messages; `None` if it is more than a question and its history."""
    if not isinstance(given.get(QUESTION), str) or given.keys() - {QUESTION, HISTORY}:
        return None
    return [*as_list(given.get(HISTORY)), {"role": "user", "content": given[QUESTION]}]


def input_of(messages: Sequence[Any]) -> dict[str, Any] | None:
    """Read messages as a question and its history; `None` if they do not end with a question."""
    last = as_map(messages[-1]) if messages else {}
    question: object = last.get("content")
    if last.get("role") != "user" or not isinstance(question, str):
        return None
    earlier = list(messages[:-1])
    return {QUESTION: question, **({HISTORY: earlier} if earlier else {})}


def input_from(value: object) -> dict[str, Any]:
    """Read an input that is a map, or else a question."""
    return as_map(value) or {QUESTION: text_of(value)}


def expected_from(value: object) -> object:
    """Read what is expected: a text, texts or an object; of other values their JSON; `None`."""
    texts = as_list(value)
    if value in (None, "", {}, []):
        return None
    if isinstance(value, str) or (texts and all(isinstance(it, str) for it in texts)):
        return value
    return as_map(value) or text_of(value)


def stem_of(path: str) -> str:
    """Name an eval set after its file."""
    return _slug(path.replace("\\", "/").rpartition("/")[2].partition(".")[0]) or "imported"


def _slug(text: object) -> str:
    if not isinstance(text, str) or ID.fullmatch(text):
        return text if isinstance(text, str) else ""
    return _NOT_IN_IDS.sub("-", text)[:_MOST_ID].strip("-")


def text_of(value: object) -> str:
    """Write a value as text: text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return canonical(value)
    except InvalidRequest:
        return repr(value)


def _unsaid(before: Document, after: Document, to: str) -> Iterator[Loss]:
    yield from before.losses
    if after.kind is not before.kind:
        yield Loss("class", f"has no place in {to}", "say it to whoever gets the file")
    yield from _unsaid_metrics(before, after, to)
    lost = Counter[str]()
    first = dict[str, str]()
    for one, other in zip(before.cases, after.cases, strict=True):
        ours, theirs = msgspec.to_builtins(one), msgspec.to_builtins(other)
        for name in ours.keys() | theirs.keys():
            if ours.get(name) != theirs.get(name):
                lost[name] += 1
                first.setdefault(name, one.id)
    for name, count in sorted(lost.items()):
        why = f"of {count} cases, '{first[name]}' first, cannot be said in {to}"
        yield Loss(f"cases.{name}", why, "keep the dataset")


def _unsaid_metrics(before: Document, after: Document, to: str) -> Iterator[Loss]:
    for name, given in before.metrics.items():
        if name not in after.metrics:
            yield Loss(f"metrics.{name}", f"has no counterpart in {to}", "run it here")
            continue
        back = after.metrics[name]
        for option in sorted(given.keys() | back.keys()):
            if given.get(option) != back.get(option):
                yield Loss(f"metrics.{name}.{option}", f"has no place in {to}", "say it there")
