"""The members of a prompt file as written, and what may not be written together."""

from collections.abc import Iterator
from typing import Any, Literal, cast

from msgspec import Struct

from trimtab.domain.prompt import (
    FENCE,
    LABEL,
    MOST_MESSAGES,
    MOST_VARIABLES,
    NAME,
    REQUIRED,
    RESERVED_LABELS,
    RESERVED_NAMES,
    TRUST,
    VARIABLE,
    Engine,
    Requirement,
    Role,
    Trust,
)
from trimtab.domain.yaml_tree import nearest

PARAMS = (
    *("temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "presence_penalty"),
    *("frequency_penalty", "reasoning_effort", "verbosity", "parallel_tool_calls", "tool_choice"),
)
"""What `model.params` may hold: no member that names an address, a header or another prompt."""


class WrittenMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """A message, or the place of the caller's own."""

    role: Role | None = None
    content: str | None = None
    placeholder: str | None = None


class WrittenModel(Struct, frozen=True, forbid_unknown_fields=True):
    """The model a prompt is written for."""

    id: str | None = None
    params: dict[str, Any] = {}


class Written(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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
    messages: tuple[WrittenMessage, ...] | None = None
    model: WrittenModel | None = None
    tools: tuple[dict[str, Any], ...] = ()
    output_schema: dict[str, Any] | None = None
    partials: dict[str, str] = {}
    evals: tuple[str, ...] = ()
    labels_policy: dict[str, dict[Literal["requires"], tuple[Requirement, ...]]] = {}


def wrong(file: Written) -> Iterator[tuple[str, str]]:
    """Tell what no file may say, as members and words for people."""
    if file.name in RESERVED_NAMES:
        yield "name", f"{file.name!r} is reserved, for it is a path of its own; choose another"
    elif NAME.fullmatch(file.name) is None or file.name[-1] == ".":
        yield "name", f"{file.name[:64]!r} is no name; use a-z, 0-9, '.', '_' and '-'"
    if (file.template is None) == (file.messages is None):
        yield "", "give exactly one of `template` and `messages`"
    elif file.messages is not None and all(it.role is None for it in file.messages):
        yield "messages", "say nothing; add {role, content}"
    yield from _wrong_messages(file.messages or ())
    yield from _wrong_variables(file)
    yield from _wrong_marks(file)
    yield from _wrong_defaults(file)
    yield from _wrong_tools(file.tools)
    yield from _wrong_names(file)


def _wrong_names(file: Written) -> Iterator[tuple[str, str]]:
    for param in file.model.params if file.model is not None else ():
        if param not in PARAMS:
            yield f"model.params.{param}", f"is not taken; {nearest(param, PARAMS)}"
    for label in file.labels_policy:
        if LABEL.fullmatch(label) is None or label in RESERVED_LABELS:
            yield f"labels_policy.{label}", "is no label; use a-z, 0-9 and '-', and not 'latest'"


def _wrong_tools(tools: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, str]]:
    names = set[str]()
    for number, tool in enumerate(tools):
        function = cast("dict[str, Any] | None", tool.get("function"))
        name = function.get("name") if isinstance(function, dict) else None
        if tool.get("type") != "function" or not isinstance(name, str):
            what = "is no function; write {type: function, function: {name: ...}}"
            yield f"tools[{number}]", what
        elif name in names:
            yield f"tools[{number}]", f"{name[:64]!r} is there twice; rename one of them"
        else:
            names.add(name)


def _wrong_messages(messages: tuple[WrittenMessage, ...]) -> Iterator[tuple[str, str]]:
    if len(messages) > MOST_MESSAGES:
        yield "messages", f"are more than {MOST_MESSAGES}; say it in fewer"
    places = [number for number, it in enumerate(messages) if it.placeholder is not None]
    for number in places[1:]:
        yield f"messages[{number}]", "is a second placeholder; callers have one list of messages"
    for number, it in enumerate(messages):
        if it.placeholder is not None and VARIABLE.fullmatch(it.placeholder) is None:
            what = f"{it.placeholder[:64]!r} is no name; use letters, digits and '_'"
            yield f"messages[{number}].placeholder", what
        whole = (it.role is None, it.content is None, it.placeholder is None)
        if whole not in ((False, False, True), (True, True, False)):
            yield f"messages[{number}]", "is either {role, content} or {placeholder}"


def _wrong_variables(file: Written) -> Iterator[tuple[str, str]]:
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


def _wrong_marks(file: Written) -> Iterator[tuple[str, str]]:
    for name, schema in file.variables.items():
        if schema.get(TRUST, Trust.AUTHOR) not in [*Trust]:
            yield f"variables.{name}.{TRUST}", f"is none of {', '.join(Trust)}; write one of them"
        for key in (FENCE, REQUIRED):
            if not isinstance(schema.get(key, False), bool):
                yield f"variables.{name}.{key}", "is neither true nor false; write one of them"


def _wrong_defaults(file: Written) -> Iterator[tuple[str, str]]:
    optional = {*file.optional_vars, *file.defaults}
    for name, schema in file.variables.items():
        where, mark, required = (
            f"variables.{name}",
            schema.get(REQUIRED),
            name in file.required_vars,
        )
        if "default" in schema and name in file.defaults:
            yield f"defaults.{name}", "has a default in variables, too; keep one"
        if "default" in schema and (required or mark is True):
            yield f"{where}.default", "is required and so has no default; keep one"
        if mark is False and required:
            yield where, f"is required above, and {REQUIRED} is false; keep one"
        if mark is True and name in optional:
            yield where, f"is optional above, and {REQUIRED} is true; keep one"
