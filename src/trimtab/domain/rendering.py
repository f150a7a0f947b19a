"""From a version and values to messages: roles first, texts second, one pass.

Messages and their roles come from the version, before any value is known, and what was put in is
never looked at again. So no value can make a message, and `$context` in a question stays as it is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from string import Template

import jsonschema_rs
import msgspec
from msgspec import Struct

from trimtab.domain.errors import InvalidRequest, PromptVariablesInvalid, SettingsInvalid
from trimtab.domain.mustache import compile_mustache, names_in_mustache
from trimtab.domain.prompt import (
    Content,
    Engine,
    Message,
    PromptVersion,
    Role,
    Variable,
    canonical,
)

MOST_RENDERED = 4 * 2**20
MOST_OF_ONE = 2**19
"""How long a value that is no text may be as JSON, in bytes."""

NONCE_BYTES = 16

Values = Mapping[str, object]
Text = Callable[[Values], str]
"""A text that takes its variables in."""

_CHECKED_HERE = frozenset(
    {"type", "minLength", "maxLength", "title", "description", "examples", "default"}
)
_FENCE_DIGITS = 16


class Said(Struct, frozen=True):
    """A message as it is sent."""

    role: Role
    content: str


class Rendered(Struct, frozen=True, kw_only=True):
    """What came of a version and values.

    Attributes:
        before: Messages before those of the caller.
        after: Messages after them.
    """

    version: PromptVersion
    content: Content
    before: tuple[Said, ...]
    after: tuple[Said, ...] = ()

    @property
    def messages(self) -> tuple[Said, ...]:
        """All messages of the prompt."""
        return self.before + self.after

    @property
    def rendered_hash(self) -> str:
        """SHA-256 over the messages, hex."""
        return sha256(msgspec.json.encode(self.messages)).hexdigest()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A version that is ready to render. Made once, for it never changes.

    Attributes:
        texts: Role and text of each message; `None` is the place of the caller's own.
    """

    version: PromptVersion
    content: Content
    texts: Sequence[tuple[Role, Text] | None]
    checks: Mapping[str, Callable[[object], None]]
    defaults: Mapping[str, object]

    def render(self, variables: Values, *, nonce: bytes = b"") -> Rendered:
        """Render with values; the same values and nonce give the same bytes.

        Args:
            variables: Values by name, as JSON has them.
            nonce: Random bytes that fences are made of; needed if a variable is fenced.

        Raises:
            PromptVariablesInvalid: one is missing, unknown or not of its schema, or the text
                would be too long.
        """
        values = self._values(variables)
        for name, variable in self.content.variables.items():
            if variable.fenced:
                values[name] = _fenced(name, as_text(values[name]), nonce)
        before: list[Said] = []
        after: list[Said] = []
        into, left = before, MOST_RENDERED
        for place in self.texts:
            if place is None:
                into = after
                continue
            role, text = place
            said = text(values)
            left -= len(said)
            if left < 0:
                raise _too_long()
            into.append(Said(role, said))
        return Rendered(
            version=self.version, content=self.content, before=tuple(before), after=tuple(after)
        )

    def _values(self, variables: Values) -> dict[str, object]:
        for name in variables:
            if name not in self.checks:
                known = ", ".join(self.checks) or "none"
                raise PromptVariablesInvalid(
                    f"prompt '{self.version.ref}' has no variable {name[:64]!r}; it has {known}",
                    param=f"variables.{name[:64]}",
                )
        values: dict[str, object] = {}
        for name, check in self.checks.items():
            if name in variables:
                value = variables[name]
            elif name in self.defaults:
                value = self.defaults[name]
            else:
                raise PromptVariablesInvalid(
                    f"prompt '{self.version.ref}' needs the variable {name!r}; give it",
                    param=f"variables.{name}",
                )
            check(value)
            values[name] = value
        return values


Engines = Mapping[Engine, Callable[[str], Text]]
"""How a text of each engine is compiled. Each raises `SettingsInvalid` for what it cannot read."""


def compile_version(version: PromptVersion, engines: Engines) -> Compiled:
    """Make a version ready to render.

    Raises:
        VersionCorrupt: it is not what was published.
        SettingsInvalid: nobody here knows its engine, or it was never fit to render.
    """
    return compile_content(version, version.read(), engines)


def compile_content(version: PromptVersion, content: Content, engines: Engines) -> Compiled:
    """Make a content ready to render, whether or not it is published. Raises `SettingsInvalid`."""
    make = engines.get(content.engine)
    if make is None:
        raise SettingsInvalid(
            f"prompt '{version.ref}' has engine {content.engine.value!r}, which renders on the"
            " server only; name the prompt in the request"
        )
    return Compiled(
        version=version,
        content=content,
        texts=[_place(message, make) for message in content.said],
        checks={name: checker(name, it) for name, it in content.variables.items()},
        defaults={name: it.default for name, it in content.variables.items() if it.has_default},
    )


def _place(message: Message, make: Callable[[str], Text]) -> tuple[Role, Text] | None:
    if message.role is None or message.content is None:
        return None
    return message.role, make(message.content)


def template(text: str) -> Text:
    """Make a renderer of a text with `$name` and `${name}`; `$$` is `$`, any other `$` itself."""
    literals, names = split_template(text)
    if not names:
        return lambda _values: literals[0]
    slots = tuple(zip(names, literals[1:], strict=True))
    first = literals[0]

    def render(values: Values) -> str:
        pieces, left = [first], MOST_RENDERED
        for name, literal in slots:
            value = values[name]
            if not isinstance(value, str):
                value = as_text(value)
                left -= len(value)
                if left < 0:
                    raise _too_long()
            pieces.append(value)
            pieces.append(literal)
        if sum(map(len, pieces)) > MOST_RENDERED:
            raise _too_long()
        return "".join(pieces)

    return render


def split_template(text: str) -> tuple[list[str], list[str]]:
    """Split a text into its literals and the names between them: one literal more than names."""
    literals, names, start, literal = list[str](), list[str](), 0, ""
    pattern: re.Pattern[str] = Template.pattern
    for match in pattern.finditer(text):
        literal += text[start : match.start()]
        start = match.end()
        name = match["named"] or match["braced"]
        if name is None:
            literal += "$"
        else:
            literals.append(literal)
            names.append(name)
            literal = ""
    return [*literals, literal + text[start:]], names


def mustache(text: str) -> Text:
    """Make a renderer of a mustache text. Raises `SettingsInvalid`."""
    return compile_mustache(text, as_text, MOST_RENDERED)


PURE_ENGINES: Engines = {Engine.TEMPLATE: template, Engine.MUSTACHE: mustache}
"""The engines that render anywhere."""


def names_in(engine: Engine, text: str) -> frozenset[str]:
    """Name the variables that a text of a pure engine needs. Raises `SettingsInvalid`."""
    if engine is Engine.MUSTACHE:
        return names_in_mustache(text)
    return frozenset(split_template(text)[1])


def as_text(value: object) -> str:
    """Write a value into a text: text as it is, everything else as canonical JSON."""
    return value if isinstance(value, str) else canonical(value)


def checker(name: str, variable: Variable) -> Callable[[object], None]:
    """Give what refuses values that are not of a variable's schema.

    What is wrong is told without the value.

    Raises:
        SettingsInvalid: the schema is none, or names another document.
    """
    schema = {key: it for key, it in variable.json_schema.items() if not key.startswith("x-")}
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema, offline=True, mask="it", pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, jsonschema_rs.ReferencingError) as exc:
        what = str(exc).partition("\n")[0]
        raise SettingsInvalid(f"has no good JSON Schema: {what}; fix it") from exc
    if schema.get("type") == "string" and schema.keys() <= _CHECKED_HERE:
        return _text_checker(name, schema.get("minLength", 0), schema.get("maxLength"))

    def check(value: object) -> None:
        _encodable(name, value)
        try:
            error = next(validator.iter_errors(value), None)
        except (TypeError, ValueError) as exc:
            raise _wrong(name, "is no JSON value") from exc
        if error is not None:
            raise _wrong(name, f"is not what its schema takes: {error.message}")

    return check


def _text_checker(name: str, least: int, most: int | None) -> Callable[[object], None]:
    def check(value: object) -> None:
        if not isinstance(value, str):
            raise _wrong(name, "must be text")
        if len(value) < least:
            raise _wrong(name, f"is shorter than {least} characters")
        if most is not None and len(value) > most:
            raise _wrong(name, f"is longer than {most} characters")
        if not value.isascii():
            _encodable(name, value)

    return check


def _encodable(name: str, value: object) -> None:
    """Refuse what has no UTF-8: halves of surrogate pairs, numbers beyond JSON; and too much."""
    try:
        # Its exact form is slow to write, so how long it gets is looked at before.
        if isinstance(value, str):
            _ = value.encode()
        elif len(msgspec.json.encode(value)) > MOST_OF_ONE:
            raise _wrong(name, f"has more than {MOST_OF_ONE} bytes as JSON")
        else:
            _ = canonical(value)
    except (UnicodeError, InvalidRequest, TypeError, ValueError, RecursionError) as exc:
        raise _wrong(name, "cannot be written as JSON") from exc


def _wrong(name: str, what: str) -> PromptVariablesInvalid:
    return PromptVariablesInvalid(f"variable {name!r} {what}", param=f"variables.{name}")


def _fenced(name: str, value: str, nonce: bytes) -> str:
    """Put a value between lines that it cannot have guessed."""
    if len(nonce) < NONCE_BYTES:
        raise ValueError(f"a fence needs {NONCE_BYTES} random bytes")
    key = sha256(nonce + name.encode()).hexdigest()[:_FENCE_DIGITS]
    if key in value:
        raise _wrong(name, "holds the key of its own fence; ask again")
    return f"<<<trimtab-data {key}>>>\n{value}\n<<<end {key}>>>"


def _too_long() -> PromptVariablesInvalid:
    return PromptVariablesInvalid(
        f"the prompt would have more than {MOST_RENDERED} characters; give shorter variables"
    )
