"""The prompt file: `*.prompt.yaml`, from its text to a content and back.

Everything wrong with a file is told at once, each with its line and a remedy. What a prompt may say
beyond being well formed is `registry.lint`'s.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, cast

import msgspec
from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString
from semver import Version

from trimtab.domain.errors import InvalidRequest, SettingsInvalid, TrimtabError
from trimtab.domain.prompt import (
    MOST_BYTES,
    REQUIRED,
    TEXT_SCHEMA,
    Content,
    Engine,
    Message,
    ModelChoice,
    PromptVersion,
    Requirement,
    Role,
    Variable,
    canonical,
    digest,
)
from trimtab.domain.rendering import PURE_ENGINES, checker
from trimtab.domain.yaml_tree import (
    Faults,
    Members,
    Scalar,
    anything,
    nearest,
    plain_value,
    read_tree,
)
from trimtab.registry.written import Written, wrong

SUFFIX = ".prompt.yaml"

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_WIDTH = 2**30
# Neither at the begin of a text nor anywhere in it does a block or a plain scalar keep these.
_MISREAD = re.compile(
    r"\A[\s\0]|[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_WORDS = {"engine": Engine, "messages": Role, "labels_policy": Requirement, "schema": ("1",)}
"""What members of closed words take."""


_KEYS = tuple(field.name for field in msgspec.structs.fields(Written))


class PromptFile(Struct, frozen=True, kw_only=True):
    """A file that is well formed.

    Attributes:
        path: Where it was read from, for messages.
        text: Its text, CRLF folded.
        content: What it says; names of `partials` in it are not filled in yet.
        partials: `name@version` of each text that others wrote, by the name it is used under.
        lines: The line of every path of the file.
    """

    path: str
    text: str
    name: str
    version: str
    content: Content
    description: str = ""
    owner: str = ""
    model_hint: str | None = None
    partials: Mapping[str, str] = {}
    evals: tuple[str, ...] = ()
    labels_policy: Mapping[str, tuple[Requirement, ...]] = {}
    lines: Mapping[str, int] = {}

    def line(self, path: str) -> int:
        """Find the line of a path, or of the nearest thing around it."""
        return Faults(self.path, lines=dict(self.lines)).line(path)

    def published_as(
        self, content: Content, *, git_commit: str | None = None, git_path: str | None = None
    ) -> PromptVersion:
        """Give the version that it becomes; `content` is its own with partials filled in."""
        written = content.canonical()
        return PromptVersion(
            name=self.name,
            version=self.version,
            hash=digest(written),
            shape_hash=content.shape(),
            content=written,
            file=self.text,
            description=self.description,
            owner=self.owner,
            model_hint=self.model_hint,
            evals=self.evals,
            labels_policy=dict(self.labels_policy),
            git_commit=git_commit,
            git_path=git_path,
        )


def read_file(text: str, path: str) -> PromptFile:
    """Read a prompt file.

    Raises:
        SettingsInvalid: it is not well formed; one line `path:line: member: what; remedy` for each
            fault.
    """
    text = text.replace("\r\n", "\n")
    faults = Faults(path)
    if len(text.encode()) > MOST_BYTES:
        raise SettingsInvalid(f"{path}: has more than {MOST_BYTES} bytes; split the prompt")
    top = read_tree(text, faults, "name: my-prompt")
    written = None if top is None else _written(top, faults)
    if written is not None:
        fault = check_version(written.version)
        if fault is not None:
            faults.add("version", f"{fault} (R003)")
        for member, fault in wrong(written):
            faults.add(member, fault)
    if written is None or faults.found:
        raise SettingsInvalid(faults.text())
    found = PromptFile(
        path=path,
        text=text,
        name=written.name,
        version=written.version,
        description=written.description.strip(),
        owner=written.owner.strip(),
        model_hint=written.model_hint,
        content=_content(written),
        partials=written.partials,
        evals=written.evals,
        labels_policy={name: it.get("requires", ()) for name, it in written.labels_policy.items()},
        lines=faults.lines,
    )
    for member, fault in _unfit(found):
        faults.add(member, fault)
    if faults.found:
        raise SettingsInvalid(faults.text())
    return found


def write_file(
    name: str, version: str, content: Content, *, meta: Mapping[str, object] | None = None
) -> str:
    """Write a file that `read_file` reads as this content. `meta` are members beside it."""
    variables: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for variable, it in content.variables.items():
        schema = dict(it.json_schema)
        if it.has_default and schema.get("default", msgspec.UNSET) != it.default:
            defaults[variable] = it.default
        elif not it.required and not it.has_default:
            schema[REQUIRED] = False
        variables[variable] = schema
    body = msgspec.to_builtins(content)
    members: dict[str, Any] = {"name": name, "version": version, **(meta or {})}
    members |= {"variables": variables, "defaults": defaults, "engine": content.engine.value}
    members |= {key: body[key] for key in ("template", "messages", "model", "tools") if key in body}
    members["output_schema"] = content.output_schema
    kept = {key: _blocks(it) for key, it in members.items() if it not in (None, {}, [], ())}
    if content.engine is Engine.TEMPLATE:
        del kept["engine"]
    out = StringIO()
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.dump(kept, out)  # pyright: ignore[reportUnknownMemberType]
    return out.getvalue()


def check_version(text: str) -> str | None:
    """Tell what is wrong with a version's number; `None` if nothing is."""
    if not Version.is_valid(text):
        return f"{text[:64]!r} is no full version; write three numbers, as 1.0.0"
    if Version.parse(text).build is not None:
        return f"{text[:64]!r} has build metadata, which orders nothing; leave out what follows +"
    return None


def _written(top: Members, faults: Faults) -> Written | None:
    # `null` is the same as not written.
    given = {name: anything(node) for name, node in top.members.items()}
    known = {name: it for name, it in given.items() if name in _KEYS and it is not None}
    for name in given:
        if name not in _KEYS and not name.startswith("x-"):
            faults.add(name, f"is not known here; {nearest(name, _KEYS)}")
    for name in ("name", "version"):
        if name not in known:
            faults.add("", f"'{name}' is missing; add it")
    number = top.members.get("version")
    if isinstance(number, Scalar) and number.plain and not isinstance(given["version"], str):
        faults.add("version", f"{number.text!r} is a number; write three numbers, as 1.0.0 (R003)")
    if faults.found:
        return None
    try:
        return msgspec.convert(known, type=Written, strict=True)
    except msgspec.ValidationError as exc:
        faults.add(*_explained(str(exc)))
    return None


def _explained(message: str) -> tuple[str, str]:
    """Say msgspec's fault in the words of the file."""
    match = _PATH.search(message)
    path = match[1].replace("[...]", "") if match else ""
    what = _PATH.sub("", message).replace("Object", "it").replace("Expected", "takes")
    what = what.replace("`str`", "text").replace("`null`", "nothing").replace("`", "")
    word = what.removeprefix("Invalid enum value ")
    if word != what:
        return path, f"{word} is not taken; write {' or '.join(_WORDS[path.partition('[')[0]])}"
    unknown = _UNKNOWN.search(message)
    if unknown is not None:
        return f"{path}.{unknown[1]}".strip("."), "is not known here; remove it"
    return path, f"{what[0].lower()}{what[1:]}; write that"


def _content(file: Written) -> Content:
    model = file.model
    return Content(
        engine=file.engine,
        template=file.template,
        messages=tuple(
            Message(role=it.role, content=it.content, placeholder=it.placeholder)
            for it in file.messages or ()
        ),
        variables={
            name: _variable(name, file)
            for name in dict.fromkeys((*file.required_vars, *file.optional_vars, *file.variables))
        },
        model=None if model is None else ModelChoice(id=model.id, params=model.params),
        tools=file.tools,
        output_schema=file.output_schema,
    )


def _variable(name: str, file: Written) -> Variable:
    schema = file.variables.get(name, dict(TEXT_SCHEMA))
    default = file.defaults.get(name, schema.get("default", msgspec.UNSET))
    # Said by `required`, and so once.
    kept = {key: it for key, it in schema.items() if key != REQUIRED}
    if name in file.required_vars:
        return Variable(required=True, json_schema=kept)
    optional = name in file.optional_vars or default is not msgspec.UNSET
    required = not optional and schema.get(REQUIRED) is not False
    return Variable(required=required, json_schema=kept, default=default)


def _unfit(file: PromptFile) -> Iterator[tuple[str, str]]:
    """Tell what could never be rendered: texts of no grammar, schemas that are none, defaults."""
    for name, variable in file.content.variables.items():
        try:
            check = checker(name, variable)
            if variable.has_default:
                check(variable.default)
        except TrimtabError as exc:
            yield f"variables.{name}", str(exc)
    yield from _unfit_parts(file.content)
    make = PURE_ENGINES.get(file.content.engine)
    for number, message in enumerate(file.content.said):
        member = "template" if file.content.template is not None else f"messages[{number}]"
        try:
            if make is not None and message.content is not None:
                make(message.content)
        except SettingsInvalid as exc:
            yield member, str(exc)


def _unfit_parts(content: Content) -> Iterator[tuple[str, str]]:
    """Tell which schemas of answers are none, and what has no exact form in JSON."""
    schemas = {
        f"tools[{at}]": it["function"].get("parameters") for at, it in enumerate(content.tools)
    }
    for member, schema in {**schemas, "output_schema": content.output_schema}.items():
        try:
            if schema is not None:
                checker(member, Variable(required=True, json_schema=schema))
        except SettingsInvalid as exc:
            yield member, str(exc)
    parts: dict[str, Any] = msgspec.to_builtins(content)
    for member, part in parts.items():
        try:
            canonical(part)
        except InvalidRequest as exc:
            yield member, str(exc)


def _blocks(value: object) -> object:
    """Have texts of many lines written as blocks, and those that would be misread in quotes."""
    if isinstance(value, str):
        return _scalar(value)
    if isinstance(value, dict):
        members = cast("Mapping[str, object]", value)
        return {_scalar(key): _blocks(it) for key, it in members.items()}
    if isinstance(value, list | tuple):
        return [_blocks(it) for it in cast("Sequence[object]", value)]
    return value


def _scalar(text: str) -> str:
    if _MISREAD.search(text) is not None or plain_value(text) != text:
        return DoubleQuotedScalarString(text)
    return LiteralScalarString(text) if "\n" in text else text
