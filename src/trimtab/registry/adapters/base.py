"""What every adapter has in common: what it gives, and what is checked of it.

An adapter only reads and forms one foreign format. That what it read is a prompt file, and that
what it wrote says the same when it is read again, is seen to here, so no adapter can lose a word
without a `Loss` that names it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.prompt import RESERVED_NAMES, TRUST, Content, PromptVersion, Trust, Variable
from trimtab.domain.rendering import checker
from trimtab.registry.adapters.source import Loss, Place, fit
from trimtab.registry.adapters.texts import pieces_of
from trimtab.registry.format import SUFFIX, read_file, write_file

FIRST_VERSION = "1.0.0"
ORIGIN = "x-origin"

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
_COUNTED = re.compile(r"([1-9][0-9]*)\.0\.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A prompt between two formats.

    Attributes:
        version: `None` if the format has no numbers of versions, or one that is none of ours.
        meta: Members of a prompt file beside the content: description, owner, x-origin and so on.
        losses: What reading left out.
    """

    name: str
    version: str | None
    content: Content
    meta: Mapping[str, object] = field(default_factory=dict[str, object])
    losses: Sequence[Loss] = ()

    @classmethod
    def of(
        cls,
        top: Place,
        name: str,
        version: str | None,
        content: Content,
        meta: Mapping[str, object],
    ) -> "Foreign":
        """Give what was read of a document; members that are empty are left out."""
        kept = {key: it for key, it in meta.items() if it}
        losses = tuple(top.source.losses)
        return cls(name=name, version=version, content=content, meta=kept, losses=losses)


@dataclass(frozen=True, slots=True)
class Adapter:
    """Reads and writes one foreign format.

    Attributes:
        parse: From text and path to what it says. Raises `SettingsInvalid`.
        form: The way back, as far as the format goes.
    """

    format: str
    parse: Callable[[str, str], Foreign]
    form: Callable[[Foreign], str]

    def read(self, text: str, path: str) -> Foreign:
        """Read a foreign document.

        Raises:
            SettingsInvalid: it is not of the format, or says what a prompt file cannot.
        """
        try:
            found = self.parse(fit(text, path), path)
            if not found.content.said:
                raise SettingsInvalid(f"{path}: says nothing; write a message")
            _ = convert(found, path)
        except RecursionError as exc:
            raise SettingsInvalid(f"{path}: is nested too deeply; make it flatter") from exc
        return found

    def write(self, foreign: Foreign) -> str:
        """Write a prompt in the foreign format.

        Raises:
            SettingsInvalid: the format cannot say what the prompt says to the model.
        """
        text = self.form(foreign)
        for number, what in _mistold(foreign, self._back(foreign, text)):
            raise self.unsayable(foreign, f"messages[{number}]", what)
        return text

    def unsaid(self, foreign: Foreign) -> tuple[Loss, ...]:
        """Name everything that `write` leaves out, or writes so that it comes back otherwise."""
        return tuple(_unsaid(foreign, self._back(foreign, self.write(foreign)), self.format))

    def unsayable(self, foreign: Foreign, member: str, what: str) -> SettingsInvalid:
        """Say what the format has no way to say."""
        return SettingsInvalid(f"{foreign.name} as {self.format}: {member}: {what}")

    def _back(self, foreign: Foreign, text: str) -> Foreign:
        return self.read(text, f"{foreign.name} as {self.format}")


def convert(foreign: Foreign, path: str = "") -> str:
    """Write the prompt file, and see that it says the same.

    Raises:
        SettingsInvalid: no prompt file says that; lines are those of the file it would be.
    """
    file = f"{path or foreign.name} as {SUFFIX[1:]}"
    _check_schemas(foreign.content, file)
    version = foreign.version or FIRST_VERSION
    text = write_file(foreign.name, version, foreign.content, meta=foreign.meta)
    try:
        same = read_file(text, file).content.canonical() == foreign.content.canonical()
    except InvalidRequest as exc:
        raise SettingsInvalid(f"{file}: {exc}") from exc
    if not same:
        raise SettingsInvalid(f"{file}: has characters that YAML does not keep; remove them")
    return text


def from_version(version: PromptVersion) -> Foreign:
    """Take a version out of the registry. Raises `VersionCorrupt`."""
    meta: dict[str, Any] = {
        "description": version.description,
        "owner": version.owner,
        "model_hint": version.model_hint,
        "evals": list(version.evals),
        "labels_policy": {
            label: {"requires": [it.value for it in requires]}
            for label, requires in version.labels_policy.items()
        },
    }
    kept = {name: it for name, it in meta.items() if it}
    return Foreign(name=version.name, version=version.version, content=version.read(), meta=kept)


def name_from(place: Place) -> str:
    """Make a name of ours of a foreign one, or of the file's where there is none."""
    stem = place.source.file.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    given = place.text_or("") or stem
    name = slug(given)
    if place.given and name != given:
        place.lose(f"is no name here; it becomes {name!r}", "rename it, or tell its users")
    return name


def slug(text: str) -> str:
    """Give the nearest name of ours."""
    name = _NOT_IN_NAMES.sub("-", text.lower()).lstrip("._-")[:64].rstrip(".-")
    return f"{name}-prompt" if name in RESERVED_NAMES else name or "prompt"


def counted(place: Place) -> str | None:
    """Take a version that is counted 1, 2, 3: each may break what came before, so each is a major.

    `None` if it is none.
    """
    value = place.value
    number = (
        int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() else value
    )
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return f"{number}.0.0"
    if place.given:
        place.lose("is no count of versions", "say which version it becomes")
    return None


def count(version: str | None) -> int | None:
    """Give the count that a version was made of."""
    match = _COUNTED.fullmatch(version or "")
    return int(match[1]) if match else None


def _check_schemas(content: Content, file: str) -> None:
    for name, variable in content.variables.items():
        schema = variable.json_schema
        # Inside another, so that the short cut for plain texts does not pass what is no number.
        whole = Variable(required=True, json_schema={"allOf": [schema]})
        try:
            _ = checker(name, whole)
        except SettingsInvalid as exc:
            raise SettingsInvalid(f"{file}: variables.{name}: {exc}") from exc
        if schema.get(TRUST, Trust.AUTHOR) not in [*Trust]:
            marks = ", ".join(Trust)
            raise SettingsInvalid(f"{file}: variables.{name}.{TRUST}: is no mark; take {marks}")


def _mistold(before: Foreign, after: Foreign) -> Iterator[tuple[int, str]]:
    """Tell what the model would hear otherwise, but for space at the ends of a text."""
    ours, theirs = before.content.said, after.content.said
    if len(ours) != len(theirs):
        more = min(len(ours), len(theirs))
        yield (
            more,
            f"{len(ours)} messages come back as {len(theirs)}; have no text look like a role",
        )
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one.role is not other.role:
            yield number, "comes back with another role; have no text look like a role"
        elif one.content is not None and other.content is not None:
            said = _trimmed(before, one.content), _trimmed(after, other.content)
            if said[0] != said[1]:
                yield number, "cannot be said there word for word; write it in plainer text"


def _trimmed(foreign: Foreign, text: str) -> tuple[list[str], list[str]]:
    literals, names = pieces_of(foreign.content.engine, text)
    literals[0] = literals[0].lstrip()
    literals[-1] = literals[-1].rstrip()
    partials = foreign.meta.get("partials")
    if not isinstance(partials, dict):
        return literals, names
    # What a partial is called is nobody's concern; which text it is, is.
    targets = cast("dict[str, str]", partials)
    return literals, [targets.get(name, name) for name in names]


def _unsaid(before: Foreign, after: Foreign, to: str) -> Iterator[Loss]:
    ours = {**_flat(before), "version": before.version}
    theirs = {**_flat(after), "version": after.version}
    for member, value in ours.items():
        if member not in theirs and value is not None:
            yield Loss(member, f"has no place in {to}", "keep the prompt file")
        elif theirs.get(member) != value and value is not None:
            yield Loss(member, f"comes back otherwise from {to}", "keep the prompt file")
    for member in theirs.keys() - ours.keys():
        yield Loss(member, f"comes back from {to} and was not there", "keep the prompt file")


def _flat(foreign: Foreign) -> dict[str, object]:
    """Everything a prompt says by the name of its member."""
    content: dict[str, Any] = msgspec.to_builtins(foreign.content)
    flat: dict[str, object] = {"name": foreign.name, "engine": foreign.content.engine.value}
    flat |= {name: it for name, it in foreign.meta.items() if name != ORIGIN}
    for number, message in enumerate(content.get("messages", ())):
        flat[f"messages[{number}]"] = message
    for name, it in content.get("variables", {}).items():
        flat[f"variables.{name}"] = it
    for name, it in content.get("model", {}).get("params", {}).items():
        flat[f"model.params.{name}"] = it
    flat |= {
        name: content[name] for name in ("template", "tools", "output_schema") if name in content
    }
    if "id" in content.get("model", {}):
        flat["model.id"] = content["model"]["id"]
    return flat
