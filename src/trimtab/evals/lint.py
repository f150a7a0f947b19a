"""Lint of suites: what is well formed and still makes a verdict worth less."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from trimtab.evals.alike import twins as find_twins
from trimtab.evals.case import Case, texts_of
from trimtab.evals.manifest import make_metrics
from trimtab.evals.metrics.base import Metric, Need
from trimtab.evals.metrics.words import LOOSE
from trimtab.evals.personal import personal
from trimtab.evals.suite import Suite

ALIKE = 0.95
FEWEST = 50
FEWEST_LEAKED = 20
"""Shorter texts than this many letters stand in a prompt by chance."""

MOST_QUARANTINED = 0.05
SURPRISE_SD = 4.0
"""From this many standard deviations on, the place of the right choice is no chance."""


class Level(StrEnum):
    """Whether a finding makes the command fail."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and what it finds, in a few words."""

    level: Level
    about: str


RULES: Mapping[str, Rule] = {
    "E001": Rule(Level.ERROR, "a case without the expected text that a metric needs"),
    "E002": Rule(Level.WARN, "two cases that ask nearly the same"),
    "E003": Rule(Level.ERROR, "what looks like personal data, and is not said to be redacted"),
    "E004": Rule(Level.WARN, f"fewer than {FEWEST} cases"),
    "E005": Rule(Level.ERROR, "an expected text that stands in the prompt"),
    "E006": Rule(Level.ERROR, "an order of choices that gives the right one away"),
    "E007": Rule(Level.ERROR, "a metric that nobody can judge"),
    "E008": Rule(Level.WARN, "a metric that is for no case"),
    "E009": Rule(Level.ERROR, "a quarantine of unknown cases, or of too many"),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a rule found; `line` is from 1."""

    path: str
    line: int
    rule: str
    message: str

    @property
    def level(self) -> Level:
        """That of its rule."""
        return RULES[self.rule].level

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.level} {self.message}"


@dataclass(frozen=True)
class _Subject:
    suite: Suite
    metrics: Mapping[str, Metric]
    prompt: str

    def at(self, case: Case, rule: str, message: str) -> Finding:
        path, line = self.suite.places[case.id]
        return Finding(path, line, rule, f"{case.id}: {message}")

    def member(self, path: str, rule: str, message: str) -> Finding:
        return Finding(self.suite.file, self.suite.lines.get(path, 1), rule, f"{path}: {message}")


def lint(suite: Suite, *, prompt: str = "") -> list[Finding]:
    """Find what breaks a rule, in the order of files and lines.

    What no suite may say (two cases of one id, for example) was refused by `read_suite`. The text
    of the prompt that is judged is searched for leaked answers.

    Raises:
        SettingsInvalid: a metric cannot be made.
    """
    subject = _Subject(suite, make_metrics(suite), prompt)
    return sorted(it for rule in RULES_OF_SUITES for it in rule(subject))


def expected(subject: _Subject) -> Iterator[Finding]:
    """E001: what a metric compares with is there."""
    for setting in subject.suite.metrics:
        if Need.EXPECTED in subject.metrics[setting.name].about.needs:
            for case in subject.suite.cases:
                if setting.applies(case) and not case.accepted:
                    what = f"has no expected text, and {setting.name} needs one; add it"
                    yield subject.at(case, "E001", what)


def twins(subject: _Subject) -> Iterator[Finding]:
    """E002: each case says something new."""
    cases = subject.suite.cases
    texts = [it.asked for it in cases]
    for one, other in find_twins(texts, ALIKE):
        what = f"asks nearly what '{cases[other].id}' asks; remove one of them"
        yield subject.at(cases[one], "E002", what)


def redacted(subject: _Subject) -> Iterator[Finding]:
    """E003: nobody finds himself in a repository."""
    for case in subject.suite.cases:
        texts = texts_of([case.input, msgspec.to_builtins(case.expected), case.contexts or ()])
        kinds = frozenset[str]().union(*map(personal, texts)) - {*case.provenance.redacted}
        if kinds:
            what = f"has what looks like {', '.join(sorted(kinds))}; take it out"
            yield subject.at(case, "E003", f"{what}, and name it in provenance.redacted")


def size(subject: _Subject) -> Iterator[Finding]:
    """E004: there is enough to see a difference."""
    count = len(subject.suite.cases)
    if count < FEWEST:
        what = f"are {count}, too few to see any but large differences; have at least {FEWEST}"
        yield subject.member("cases", "E004", what)


def leaked(subject: _Subject) -> Iterator[Finding]:
    """E005: the prompt does not know the answer."""
    prompt = LOOSE.plain(subject.prompt)
    for case in subject.suite.cases:
        for text in map(LOOSE.plain, case.accepted):
            if len(text) >= FEWEST_LEAKED and text in prompt:
                yield subject.at(case, "E005", "is answered by the prompt itself; take it out")
                break


def order(subject: _Subject) -> Iterator[Finding]:
    """E006: choices are in no order that is known."""
    asked = [it for it in subject.suite.cases if it.choices]
    places = Counter(
        at for it in asked for at, text in enumerate(it.choices) if text in it.accepted
    )
    for place, count in places.items():
        chances = [1 / len(it.choices) for it in asked if place < len(it.choices)]
        mean, variance = sum(chances), sum(it * (1 - it) for it in chances)
        if count > mean + SURPRISE_SD * math.sqrt(variance):
            what = f"choice {place + 1} is right in {count} of {len(asked)}; leave them shuffled"
            yield subject.member("shuffle_choices", "E006", what)


def judges(subject: _Subject) -> Iterator[Finding]:
    """E007: who judges is named."""
    judge = subject.suite.judge
    for name, metric in subject.metrics.items():
        if Need.JUDGE in metric.about.needs and judge is None:
            yield subject.member(f"metrics.{name}", "E007", "needs a judge; name its model")
        if Need.EMBEDDER in metric.about.needs and (judge is None or judge.embeddings is None):
            what = "needs an embedding model; name it in judge.embeddings"
            yield subject.member(f"metrics.{name}", "E007", what)


def idle(subject: _Subject) -> Iterator[Finding]:
    """E008: every metric has something to do."""
    for setting in subject.suite.metrics:
        if not any(map(setting.applies, subject.suite.cases)):
            what = "is for no case, as none has its tag; add cases, or remove it"
            yield subject.member(f"metrics.{setting.name}", "E008", what)


def quarantine(subject: _Subject) -> Iterator[Finding]:
    """E009: few cases are out of the gate, each of them on purpose."""
    for case in subject.suite.quarantine.keys() - subject.suite.places.keys():
        yield subject.member(f"quarantine.{case}", "E009", "is no case; remove it")
    count, most = len(subject.suite.quarantine), MOST_QUARANTINED * len(subject.suite.cases)
    if count > most:
        what = f"holds {count} cases, and may hold {math.floor(most)}; repair or remove some"
        yield subject.member("quarantine", "E009", what)


RULES_OF_SUITES: tuple[Callable[[_Subject], Iterator[Finding]], ...] = (
    *(expected, twins, redacted, size, leaked, order, judges, idle, quarantine),
)
