"""How texts of foreign prompts name their variables, and what that is in ours.

A text with plain variables is the same in every grammar: literals, and names between them, one
literal more than names. So it is carried from one to another without a change of what it says.
Raises `Wrong` for what has no such form.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from string import Formatter

import msgspec

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.mustache import names_in_mustache
from trimtab.domain.prompt import MOST_VARIABLES, REQUIRED, TEXT_SCHEMA, VARIABLE, Engine, Variable
from trimtab.domain.rendering import split_template
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.jinja import names_in_jinja

Pieces = tuple[list[str], list[str]]
"""Literals, and the names between them."""

_DOLLAR = re.compile(r"\$(?=[$A-Za-z_]|\{[A-Za-z_][A-Za-z0-9_]*\})")
_NAME_GOES_ON = re.compile(r"[A-Za-z0-9_]")
_BRACES = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_TAG = re.compile(r"\{\{([^{}]+)\}\}")
_BLANKS = re.compile(r"[ \t]+")
_MOST_BLANKS = 256


def from_fstring(text: str) -> Pieces:
    """Read `{name}`; `{{` and `}}` are braces."""
    literals, names = [""], list[str]()
    try:
        parts = list(Formatter().parse(text))
    except ValueError as exc:
        raise Wrong(f"is no f-string ({exc}); write braces twice that are text") from exc
    for literal, name, form, conversion in parts:
        literals[-1] += literal
        if name is None:
            continue
        if form or conversion or VARIABLE.fullmatch(name) is None:
            raise Wrong(f"{{{name[:64]}}} is more than a name; format the value before")
        names.append(name)
        literals.append("")
    return literals, names


def to_fstring(pieces: Pieces) -> str:
    """Write `{name}`."""
    doubled = [it.replace("{", "{{").replace("}", "}}") for it in pieces[0]]
    return _joined((doubled, pieces[1]), lambda name, _: f"{{{name}}}")


def from_braces(text: str) -> Pieces:
    """Read `{{name}}` where nothing else may stand in double braces."""
    literals, names, start = list[str](), list[str](), 0
    while (begin := text.find("{{", start)) >= 0:
        match = _BRACES.match(text, begin)
        if match is None:
            tag = text[begin : begin + 24].partition("\n")[0]
            raise Wrong(f"{tag!r} is no {{{{name}}}}; write a plain name, or `{{ {{` for braces")
        literals.append(text[start:begin])
        names.append(match[1])
        start = match.end()
    return [*literals, text[start:]], names


def to_braces(pieces: Pieces) -> str:
    """Write `{{name}}`."""
    return _joined(pieces, lambda name, _: f"{{{{{name}}}}}")


def to_template(pieces: Pieces) -> str:
    """Write `$name`, or `${name}` where a letter follows; `$$` where a `$` would begin a name."""
    literals, names = pieces
    escaped = [_DOLLAR.sub("$$", it) for it in literals]
    for number, it in enumerate(escaped[:-1]):
        if it.endswith("$"):
            escaped[number] = f"{it}$"
    return _joined(
        (escaped, names),
        lambda name, after: f"${{{name}}}" if _NAME_GOES_ON.match(after) else f"${name}",
    )


def pieces_of(engine: Engine, text: str) -> Pieces:
    """Take a text of ours apart; one that does more than name variables is whole, of its engine."""
    if engine is Engine.TEMPLATE:
        return split_template(text)
    if engine is Engine.MUSTACHE or not ("{%" in text or "{#" in text):
        with suppress(Wrong):
            return from_braces(text)
    return [text, ""], [f"({engine.value})"]


def as_braces(engine: Engine, text: str) -> str:
    """Write a text of a template or of mustache with `{{name}}`; what else it has stays."""
    return to_braces(split_template(text)) if engine is Engine.TEMPLATE else text


def variables_of(engine: Engine, texts: Iterable[str]) -> dict[str, Variable]:
    """Declare what texts name, in order: text, or anything where a text asks for structure."""
    found: dict[str, dict[str, object]] = {}
    for text in texts:
        for name, schema in _schemas(engine, text).items():
            known = found.setdefault(name, schema)
            found[name] = known if schema else {}
    return {name: Variable(required=True, json_schema=schema) for name, schema in found.items()}


def variable(
    schema: Mapping[str, object], *, required: bool, default: object = msgspec.UNSET
) -> Variable:
    """Declare a variable as a prompt file would: what has a default may be left out."""
    kept = {key: it for key, it in schema.items() if key != REQUIRED}
    default = kept.get("default", msgspec.UNSET) if default is msgspec.UNSET else default
    required = required and default is msgspec.UNSET
    return Variable(required=required, json_schema=kept, default=default)


def _schemas(engine: Engine, text: str) -> dict[str, dict[str, object]]:
    if engine is Engine.TEMPLATE:
        return {name: dict(TEXT_SCHEMA) for name in split_template(text)[1]}
    if engine is Engine.JINJA:
        names, plain = _names_in_jinja(text), frozenset[str]()
    else:
        names = _names_in_mustache(text)
        plain = names - _structured(text)
    if len(names) > MOST_VARIABLES:
        raise Wrong(f"names more than {MOST_VARIABLES} variables; take lists or objects")
    ordered = sorted(names, key=lambda name: (text.find(name), name))
    return {name: dict(TEXT_SCHEMA) if name in plain else {} for name in ordered}


def _names_in_jinja(text: str) -> frozenset[str]:
    try:
        return names_in_jinja(text)
    except (SettingsInvalid, ValueError, OverflowError) as exc:
        what = str(exc).partition("\n")[0][:120]
        raise Wrong(f"is no Jinja for prompts ({what}); a block ends in its own message") from exc


def _names_in_mustache(text: str) -> frozenset[str]:
    # Both would keep the parser busy for a long time.
    if text.rfind("{{") > text.rfind("}}"):
        raise Wrong("has '{{' without its end; close it")
    if any(len(it[0]) > _MOST_BLANKS for it in _BLANKS.finditer(text)):
        raise Wrong(f"has more than {_MOST_BLANKS} spaces in a row; write fewer")
    try:
        names = names_in_mustache(text)
    except SettingsInvalid as exc:
        raise Wrong(str(exc)) from exc
    bad = next((name for name in sorted(names) if VARIABLE.fullmatch(name) is None), None)
    if bad is not None:
        raise Wrong(f"{bad[:64]!r} is no name of a variable; use letters, digits and '_'")
    return names


def _structured(text: str) -> frozenset[str]:
    """Name what a mustache text takes for more than a text: in sections, or with members."""
    tags = (match[1].strip() for match in _TAG.finditer(text))
    return frozenset(
        it.lstrip("#^/& \t").partition(".")[0].strip()
        for it in tags
        if it[:1] in ("#", "^", "/") or "." in it
    )


def _joined(pieces: Pieces, write: Callable[[str, str], str]) -> str:
    literals, names = pieces
    return literals[0] + "".join(
        write(name, literal) + literal for name, literal in zip(names, literals[1:], strict=True)
    )
