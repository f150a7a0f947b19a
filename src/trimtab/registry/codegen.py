"""Typed wrappers of prompts: a module of Python for each prompt and major.

A module says the shape and nothing of the text, so another wording leaves it as it is. Everything
here is a function of published versions; writing files is for who calls.
"""

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semver import Version

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, PromptVersion, Variable
from trimtab.registry.python_text import (
    INDENT,
    WIDTH,
    Bracket,
    Source,
    columns,
    docstring,
    flat,
    lines,
    literal,
    prefixed,
    text_literal,
)
from trimtab.registry.python_types import typed

INIT, MARKER = "__init__.py", "py.typed"

TAKEN = frozenset(
    {
        *("Annotated", "Any", "Field", "JsonSchema", "Literal", "PromptVars"),
        *("construct", "copy", "dict", "from_orm", "json", "parse_file", "parse_obj", "parse_raw"),
        *("render", "schema", "schema_json", "update_forward_refs", "validate"),
    }
)
"""What a field may not be called: the class or the module uses it. See `_field_name`, too."""

MOST_NAME, MOST_ALIAS = 40, 24
"""Longest names that fit in a line; with a longer one, formatters are told to leave the module."""

_MADE = "Made by `trimtab prompts codegen`"
_MADE_FROM = re.compile(rf"# {_MADE} from (\S+), major (\d+)\. ")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folder of wrappers has to hold.

    Attributes:
        files: Text of each file, by its name.
        differ: Names of those that are not there yet, or say something else.
    """

    files: Mapping[str, str]
    differ: Sequence[str]


@dataclass(frozen=True, slots=True, order=True)
class _Module:
    """A prompt and its major."""

    prompt: str
    major: int

    @property
    def name(self) -> str:
        """Name of the module."""
        words = "_".join(_WORD.findall(self.prompt))
        return f"{'p' if words[0].isdigit() else ''}{words}_v{self.major}"

    @property
    def wrapper(self) -> str:
        """Name of the class."""
        words = "".join(word.capitalize() for word in _WORD.findall(self.prompt))
        return f"{'P' if words[0].isdigit() else ''}{words}Prompt"


@dataclass(frozen=True, slots=True)
class _Field:
    """A line of the class, and the type it has if that is too long for the line."""

    name: str
    type: Source
    alias: tuple[str, Source] | None
    value: Source


def plan(versions: Iterable[PromptVersion], existing: Mapping[str, str]) -> Plan:
    """Plan the wrappers of versions: one for each prompt and major, from its highest version.

    Wrappers that are in the folder already and not asked for stay, and stay in `__init__.py`.

    Args:
        versions: Published versions, in any order.
        existing: Text of the files of the folder, by name.

    Raises:
        SettingsInvalid: two prompts would have the same name in Python.
        VersionCorrupt: a version is not the one that was published.
    """
    wanted: dict[_Module, PromptVersion] = {}
    for version in versions:
        key = _Module(version.name, Version.parse(version.version).major)
        if key not in wanted or _rank(version) > _rank(wanted[key]):
            wanted[key] = version
    kept = [it for name, text in existing.items() if (it := _made_from(name, text)) is not None]
    files = {f"{key.name}.py": module(version) for key, version in wanted.items()}
    files[INIT] = _init(sorted({*wanted, *kept}))
    files[MARKER] = ""
    files = dict(sorted(files.items()))
    return Plan(files, [name for name, text in files.items() if existing.get(name) != text])


def module(version: PromptVersion) -> str:
    """Write the wrapper of a version, and of all of its major that have its shape.

    Raises:
        VersionCorrupt: it is not the one that was published.
    """
    key = _Module(version.name, Version.parse(version.version).major)
    content = version.read()
    fields = _fields(content)
    head = Bracket(
        f"class {key.wrapper}(",
        [
            "PromptVars",
            f"prompt={text_literal(key.prompt)}",
            f"major={key.major}",
            f"shape={text_literal(content.shape())}",
        ],
        ")",
    )
    described = version.description.strip() or f"The variables of {key.prompt}."
    body = [line for field in fields for line in _field_lines(field)]
    aliases = [
        line
        for field in fields
        if field.alias is not None
        for line in lines(prefixed(f"{field.alias[0]} = ", field.alias[1]))
    ]
    longest = max((len(field.name) for field in fields), default=0)
    return _joined(
        f"# {_MADE} from {key.prompt}, major {key.major}. Do not edit.",
        *(["# fmt: off"] if longest > MOST_NAME else []),
        "",
        *_imports(fields),
        *([*aliases, ""] if aliases else []),
        "",
        *lines(head, after=":"),
        *docstring(described, indent=INDENT),
        *(["", *body] if body else []),
    )


def _rank(version: PromptVersion) -> tuple[bool, Version]:
    """Order versions, those before a release last."""
    number = Version.parse(version.version)
    return number.prerelease is None, number


def _made_from(name: str, text: str) -> _Module | None:
    found = _MADE_FROM.match(text)
    if found is None:
        return None
    key = _Module(found[1], int(found[2]))
    return key if name == f"{key.name}.py" else None


def _init(modules: Sequence[_Module]) -> str:
    """Write what the folder offers. Of a prompt with two majors each says which it is."""
    prompts = [it.prompt for it in modules]
    offered: dict[str, _Module] = {}
    for each in modules:
        alone = prompts.count(each.prompt) == 1
        name = each.wrapper if alone else f"{each.wrapper}V{each.major}"
        other = offered.setdefault(name, each)
        if other is not each or any(it.name == each.name for it in modules if it != each):
            raise SettingsInvalid(
                f"prompts '{other.prompt}' and '{each.prompt}' would both be '{name}'; write one of"
                " them to another folder"
            )
    imports = [
        f"from .{it.name} import {it.wrapper}" + ("" if it.wrapper == name else f" as {name}")
        for name, it in sorted(offered.items(), key=lambda item: _natural(item[1].name))
    ]
    offers = sorted(offered, key=_natural)
    names = Bracket("__all__ = [", [text_literal(name) for name in offers], "]")
    body = [line for it in imports for line in _import_lines(it)]
    return _joined(f"# {_MADE}. Do not edit.\n", *body, *([""] if body else []), *lines(names))


def _natural(name: str) -> list[tuple[int, str]]:
    """Order names with their numbers as numbers: V9 before V10."""
    return [(int(it) if it.isdigit() else -1, it) for it in re.split(r"(\d+)", name)]


def _import_lines(line: str) -> list[str]:
    before, _, names = line.partition(" import ")
    return lines(Bracket(f"{before} import (", [names], ")")) if len(line) > WIDTH else [line]


def _imports(fields: Sequence[_Field]) -> list[str]:
    used = " ".join(flat(it) for field in fields for it in _sources(field))
    typing = [it for it in ("Annotated", "Any", "Literal") if re.search(rf"\b{it}\b", used)]
    sdk = ["JsonSchema", "PromptVars"] if "JsonSchema(" in used else ["PromptVars"]
    if any(isinstance(field.value, Bracket) and field.value.after == ")" for field in fields):
        sdk.insert(0, "Field")
    first = [f"from typing import {', '.join(typing)}", ""] if typing else []
    return [*first, f"from trimtab.sdk.prompts import {', '.join(sdk)}", ""]


def _sources(field: _Field) -> list[Source]:
    return [field.type, *(() if field.alias is None else (field.alias[1],))]


def _fields(content: Content) -> list[_Field]:
    """Those that must be given first."""
    variables = sorted(content.variables.items(), key=lambda it: (it[1].has_default, it[0]))
    names: dict[str, Variable] = {}
    found: list[_Field] = []
    aliases = {*content.variables}
    for variable, it in variables:
        name = _field_name(variable, {*content.variables, *names})
        names[name] = it
        found.append(_field(variable, name, it, aliases))
    return found


def _field_name(variable: str, others: set[str]) -> str:
    """Name a field after its variable, unless Python or pydantic would mind."""
    name = f"var{variable}" if variable.startswith("_") else variable
    taken = name in TAKEN or name.startswith("model_")
    if taken or keyword.iskeyword(name) or hasattr(builtins, name):
        name += "_"
    while name != variable and name in others:
        name += "_"
    return name


def _field(variable: str, name: str, it: Variable, aliases: set[str]) -> _Field:
    found = typed(it.json_schema)
    arguments: dict[str, object] = dict(found.bounds)
    description = it.json_schema.get("description")
    if isinstance(description, str):
        arguments["description"] = description
    if name != variable:
        arguments["serialization_alias"] = variable
    kind, alias = found.type, None
    if found.schema is not None:
        kind = Bracket(
            "Annotated[", [kind, Bracket("JsonSchema(", [literal(found.schema)], ")")], "]"
        )
    if columns(f"{name}: {flat(kind)} = Field(") + INDENT > WIDTH or found.schema is not None:
        alias = (_alias_name(name, aliases), kind)
        kind = alias[0]
    return _Field(name, kind, alias, _value(f"{name}: {flat(kind)}", it, arguments))


def _alias_name(field: str, others: set[str]) -> str:
    name = "".join(word.capitalize() for word in field.split("_"))[:MOST_ALIAS] + "Value"
    while name in others:
        name += "_"
    others.add(name)
    return name


def _value(before: str, variable: Variable, arguments: Mapping[str, Any]) -> Source:
    default = literal(variable.default) if variable.has_default else ""
    fits = INDENT + columns(f"{before} = {flat(default)}") <= WIDTH
    plain = isinstance(default, str) and (fits or not default)
    if plain and not arguments:
        return default
    given = [prefixed(f"{key}=", literal(it)) for key, it in arguments.items()]
    if variable.has_default:
        given.insert(0, prefixed("default=", default))
    return Bracket("Field(", given, ")")


def _field_lines(field: _Field) -> list[str]:
    before = f"{field.name}: {flat(field.type)}"
    if not field.value:
        return lines(before, indent=INDENT)
    return lines(prefixed(f"{before} = ", field.value), indent=INDENT)


def _joined(*found: str) -> str:
    return "\n".join((*found, ""))
