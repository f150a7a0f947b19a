"""What lint finds, and the comments that silence it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Level(StrEnum):
    """Whether a finding stops a prompt from being published."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of lint.

    Attributes:
        about: What it finds, in a few words.
        silenced: Whether a comment may silence it; not where publishing would fail all the same.
    """

    level: Level
    about: str
    silenced: bool = True


def _fixed(about: str) -> Rule:
    return Rule(Level.ERROR, about, silenced=False)


RULES: Mapping[str, Rule] = {
    "R000": _fixed("a comment that silences nothing, or without a reason"),
    "R001": Rule(Level.ERROR, "no owner or description"),
    "R002": _fixed("a published version with another content"),
    "R003": _fixed("no full version number"),
    "R004": Rule(Level.ERROR, "a name that is used and not declared, or declared and not used"),
    "R005": _fixed("a version number that promises more than its content keeps"),
    "R006": _fixed("a partial that cannot be filled in"),
    "R007": Rule(Level.WARN, "a version number that leaves a gap"),
    "R010": Rule(Level.ERROR, "what users or documents say, in a system message"),
    "R011": Rule(Level.WARN, "a variable without its trust mark or fence"),
    "R012": Rule(Level.ERROR, "a variable without a schema"),
    "R013": Rule(Level.WARN, "marks of roles inside a text"),
    "R014": Rule(Level.ERROR, "what looks like a secret"),
    "R015": Rule(Level.WARN, "two prompts that are nearly the same"),
    "R020": Rule(Level.ERROR, "a prompt that is built in code"),
    "R021": Rule(Level.ERROR, "a prompt in code whose text may change unseen"),
    "R022": Rule(Level.WARN, "a version in code that production has left behind"),
    "R023": Rule(Level.WARN, "characters that nobody sees, or that are not in NFC"),
    "R024": Rule(Level.WARN, "no evals on a prompt that a protected label serves"),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a rule found.

    Attributes:
        line: Where it is, from 1.
        member: First line of the member or statement it is in; a comment at its end silences it.
    """

    path: str
    line: int
    rule: str
    message: str
    level: Level
    member: int = 0

    def softened(self) -> "Finding":
        """Only warn of it."""
        return replace(self, level=Level.WARN)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of a file. `alone`: nothing else is in its line."""

    line: int
    text: str
    alone: bool


IGNORE = re.compile(
    r"(?P<begin>#[ \t]*trimtab:[ \t]*ignore\b)[ \t]*(?P<rule>\S*)[ \t]*(?P<reason>[^\n]*)"
)
"""`# trimtab: ignore R015 reason`."""


def found(rule: str, path: str, line: int, message: str, *, member: int = 0) -> Finding:
    """Make a finding of the level that its rule has."""
    return Finding(path, line, rule, message, RULES[rule].level, member or line)


def heard(findings: Iterable[Finding], comments: Sequence[Comment], path: str) -> list[Finding]:
    """Leave out what comments silence, and tell of comments that are wrong; in order of lines."""
    matches = [(it, match) for it in comments if (match := IGNORE.search(it.text)) is not None]
    wrong = [
        found("R000", path, it.line, what)
        for it, match in matches
        for what in _wrong(match["rule"], match["reason"])
    ]
    quiet = {
        (None if it.alone else it.line, match["rule"])
        for it, match in matches
        if not any(_wrong(match["rule"], match["reason"]))
    }
    loud = (it for it in findings if not any((line, it.rule) in quiet for line in _lines(it)))
    return sorted([*loud, *wrong])


def _lines(finding: Finding) -> tuple[int | None, ...]:
    return (None, finding.line, finding.member)


def _wrong(rule: str, reason: str) -> Iterator[str]:
    if rule not in RULES:
        yield f"{rule[:16]!r} is no rule; write # trimtab: ignore R015 and the reason"
    elif not RULES[rule].silenced:
        yield f"{rule} cannot be silenced, for publishing would fail; fix it"
    elif not reason.strip():
        yield f"{rule} is silenced without a reason; write it behind the rule"
