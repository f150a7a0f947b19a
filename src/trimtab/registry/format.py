"""The prompt file: `*.prompt.yaml`, from its text to a content and back.

Everything wrong with a file is told at once, each with its line and a remedy. What a prompt may say
beyond being well formed is `registry.lint`'s.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString
from semver import Version

from trimtab.domain.errors import SettingsInvalid, TrimtabError
from trimtab.domain.prompt import (
    MOST_BYTES,
    MOST_MESSAGES,
    MOST_VARIABLES,
    NAME,
    REQUIRED,
    RESERVED_NAMES,
    TEXT_SCHEMA,
    VARIABLE,
    Content,
    Engine,
    Message,
    ModelChoice,
    PromptVersion,
    Requirement,
    Role,
    Variable,
    digest,
)
from trimtab.domain.rendering import PURE_ENGINES, checker
from trimtab.domain.yaml_tree import Faults, Members, Scalar, anything, nearest, read_tree

SUFFIX = ".prompt.yaml"

PARAMS = (
    *("temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "presence_penalty"),
    *("frequency_penalty", "reasoning_effort", "verbosity", "parallel_tool_calls", "tool_choice"),
)
"""What `model.params` may hold: no member that names an address, a header or another prompt."""

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_WIDTH = 4096


class _Message(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role | None = None
    content: str | None = None
    placeholder: str | None = None


class _Model(Struct, frozen=True, forbid_unknown_fields=True):
    id: str | None = None
    params: dict[str, Any] = {}


class _File(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The members of a file, as written."""

    schema: Literal[1] = 1
    name: str
    version: str
    description: str = ""
    owner: str = ""
    model_hint: str | None = None
    required_vars: tuple[str, ...] = ()
    optional_vars: tuple[str, ...] = ()
    defaults: dict[str, Any] = {}
    variables: dict[str, dict[str, Any]] = {}
    engine: Engine = Engine.TEMPLATE
    template: str | None = None
    messages: tuple[_Message, ...] | None = None
    model: _Model | None = None
    tools: tuple[dict[str, Any], ...] = ()
    output_schema: dict[str, Any] | None = None
    partials: dict[str, str] = {}
    evals: tuple[str, ...] = ()
    labels_policy: dict[str, dict[Literal["requires"], tuple[Requirement, ...]]] = {}


_KEYS = tuple(field.name for field in msgspec.structs.fields(_File))


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
        for member, fault in _wrong(written):
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
        if it.has_default:
            defaults[variable] = it.default
        elif not it.required:
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


def _written(top: Members, faults: Faults) -> _File | None:
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
        return msgspec.convert(known, type=_File, strict=True)
    except msgspec.ValidationError as exc:
        faults.add(*_explained(str(exc)))
    return None


def _explained(message: str) -> tuple[str, str]:
    """Say msgspec's fault in the words of the file."""
    match = _PATH.search(message)
    path = match[1].replace("[...]", "") if match else ""
    what = _PATH.sub("", message).replace("Object", "it").replace("Expected", "takes")
    what = what.replace("`str`", "text").replace("`null`", "nothing").replace("`", "")
    unknown = _UNKNOWN.search(message)
    if unknown is not None:
        return f"{path}.{unknown[1]}".strip("."), "is not known here; remove it"
    return path, f"{what[0].lower()}{what[1:]}; write that"


def _wrong(file: _File) -> Iterator[tuple[str, str]]:
    if NAME.fullmatch(file.name) is None or file.name in RESERVED_NAMES or file.name[-1] == ".":
        yield "name", f"{file.name[:64]!r} is no name; use a-z, 0-9, '.', '_' and '-'"
    fault = check_version(file.version)
    if fault is not None:
        yield "version", f"{fault} (R003)"
    if (file.template is None) == (file.messages is None):
        yield "", "give exactly one of `template` and `messages`"
    yield from _wrong_messages(file.messages or ())
    yield from _wrong_variables(file)
    yield from _wrong_marks(file)
    for param in (file.model or _Model()).params:
        if param not in PARAMS:
            yield f"model.params.{param}", f"is not taken; {nearest(param, PARAMS)}"
    for number, tool in enumerate(file.tools):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            yield (
                f"tools[{number}]",
                "is no function; write {type: function, function: {name: ...}}",
            )


def _wrong_messages(messages: tuple[_Message, ...]) -> Iterator[tuple[str, str]]:
    if len(messages) > MOST_MESSAGES:
        yield "messages", f"are more than {MOST_MESSAGES}; say it in fewer"
    places = [number for number, it in enumerate(messages) if it.placeholder is not None]
    for number in places[1:]:
        yield f"messages[{number}]", "is a second placeholder; callers have one list of messages"
    for number, it in enumerate(messages):
        whole = (it.role is None, it.content is None, it.placeholder is None)
        if whole not in ((False, False, True), (True, True, False)):
            yield f"messages[{number}]", "is either {role, content} or {placeholder}"


def _wrong_variables(file: _File) -> Iterator[tuple[str, str]]:
    required, optional = {*file.required_vars}, {*file.optional_vars}
    names = {*required, *optional, *file.variables}
    if len(names) > MOST_VARIABLES:
        yield "variables", f"are more than {MOST_VARIABLES}; take lists or objects"
    for name in sorted(it for it in names | file.partials.keys() if not VARIABLE.fullmatch(it)):
        yield "", f"{name[:64]!r} is no name of a variable; use letters, digits and '_'"
    for name in sorted(file.partials.keys() & names):
        yield f"partials.{name}", "is a variable, too; rename one of them"
    for name in sorted(required & optional):
        yield "optional_vars", f"{name!r} is in required_vars, too; keep one"
    for name in sorted(file.defaults.keys() - names):
        yield f"defaults.{name}", "is no variable; add it, or remove its default"
    for name in sorted(required & file.defaults.keys()):
        yield f"defaults.{name}", "is required and so has no default; keep one"


def _wrong_marks(file: _File) -> Iterator[tuple[str, str]]:
    required, optional = {*file.required_vars}, {*file.optional_vars, *file.defaults}
    marked = {name: schema.get(REQUIRED) for name, schema in file.variables.items()}
    for name in sorted(it for it in required if marked.get(it) is False):
        yield f"variables.{name}", f"is required above, and {REQUIRED} is false; keep one"
    for name in sorted(it for it in optional if marked.get(it) is True):
        yield f"variables.{name}", f"is optional above, and {REQUIRED} is true; keep one"


def _content(file: _File) -> Content:
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


def _variable(name: str, file: _File) -> Variable:
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
    make = PURE_ENGINES.get(file.content.engine)
    for number, message in enumerate(file.content.said):
        member = "template" if file.content.template is not None else f"messages[{number}]"
        try:
            if make is not None and message.content is not None:
                make(message.content)
        except SettingsInvalid as exc:
            yield member, str(exc)


def _blocks(value: object) -> object:
    """Have texts of many lines written as blocks."""
    if isinstance(value, str):
        return LiteralScalarString(value) if "\n" in value else value
    if isinstance(value, dict):
        return {key: _blocks(it) for key, it in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_blocks(it) for it in cast("Sequence[object]", value)]
    return value
