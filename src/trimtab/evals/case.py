"""Cases: what an application is asked, and what is expected of it."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, cast

import msgspec
from msgspec import Struct

from trimtab.domain.prompt import canonical, digest

CHOICES = "choices"
"""The member of an input that lists the answers to choose from."""

QUESTION = "question"


class Kind(StrEnum):
    """What a suite is for."""

    GOLDEN = "golden"
    ADVERSARIAL = "adversarial"


class Checks(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What this one answer must do. Each is judged by the metric of its name."""

    contains: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    regex: str | None = None
    refuses: bool | None = None

    @property
    def given(self) -> frozenset[str]:
        """Name those that are there."""
        return frozenset(msgspec.to_builtins(self))


class Provenance(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a case comes from. It is not part of its hash.

    Attributes:
        redacted: Kinds of personal data that were looked for and taken out.
    """

    source: str = ""
    request_id: str | None = None
    incident_id: str | None = None
    added_at: str | None = None
    added_by: str | None = None
    redacted: tuple[str, ...] = ()


class Case(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One case.

    Attributes:
        input: Variables of the prompt, or arguments of the target.
        expected: An accepted text, several of them, or an object.
        contexts: Given to the prompt as they are; `None`: what the target retrieves itself.
        group: The document or conversation that it shares with others.
    """

    id: str
    input: dict[str, Any]
    expected: str | tuple[str, ...] | dict[str, Any] | None = None
    contexts: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    checks: Checks = Checks()
    group: str | None = None
    provenance: Provenance = Provenance()

    @property
    def hash(self) -> str:
        """SHA-256 of what counts, hex: neither tags nor provenance do.

        Raises:
            InvalidRequest: a number in it has no exact form in JSON.
        """
        members = ("input", "expected", "contexts", "checks", "group")
        return digest(canonical({it: msgspec.to_builtins(getattr(self, it)) for it in members}))

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted texts, the first of them the best; none if an object is expected."""
        if isinstance(self.expected, str):
            return (self.expected,)
        return self.expected if isinstance(self.expected, tuple) else ()

    @property
    def question(self) -> str:
        """What is asked, as text: `question` of the input, else all of it as JSON."""
        asked = self.input.get(QUESTION)
        return asked if isinstance(asked, str) else canonical(self.input)

    @property
    def asked(self) -> str:
        """All texts of the input in one: what tells whether two cases ask the same."""
        return " ".join(texts_of(self.input))

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers to choose from, in the order they are shown."""
        return tuple(self.input.get(CHOICES, ()))


def shuffled(case: Case) -> Case:
    """Put the choices in an order that only the id of the case decides.

    In some datasets the right one always comes first.
    """
    if not case.choices:
        return case
    keys = {at: sha256(f"{case.id}/{at}".encode()).digest() for at in range(len(case.choices))}
    order = sorted(keys, key=keys.__getitem__)
    asked = {**case.input, CHOICES: [case.choices[at] for at in order]}
    return msgspec.structs.replace(case, input=asked)


def dataset_hash(cases: tuple[Case, ...]) -> str:
    """SHA-256 over ids and hashes, hex; the order of cases does not count."""
    return digest(canonical(sorted([it.id, it.hash] for it in cases)))


def texts_of(value: object) -> Iterator[str]:
    """Give every text and number of a value, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts_of(list(cast("Mapping[str, object]", value).values()))
    elif isinstance(value, list | tuple):
        for it in cast("list[object]", value):
            yield from texts_of(it)
    elif isinstance(value, int | float):
        yield str(value)
