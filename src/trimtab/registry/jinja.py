"""Prompts in Jinja, on the server only: a sandbox, and in it only what stands on a list.

The sandbox alone lets one expression build a hundred megabytes; so every node of a text must be
on the list, and every turn of a loop is counted, every character that a filter or a comparison
looks at, and every one that comes out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from jinja2 import (
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    Undefined,
    UndefinedError,
    nodes,
    pass_context,
)
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from trimtab.domain.errors import PromptVariablesInvalid, SettingsInvalid
from trimtab.domain.prompt import Engine
from trimtab.domain.rendering import PURE_ENGINES, Engines, Text, Values, as_text, names_in

MOST_STEPS = 10_000
MOST_CHARS = 2**20
MOST_LOOKED_AT = 8 * MOST_CHARS

_STEPS = "#steps"
_COUNTED = "counted"
_PAID = "paid"
_LOOK_AT_ALL = frozenset({"lower", "upper", "trim", "join", "tojson"})
_FILTERS = ("lower", "upper", "trim", "length", "default")
_KNOWN = (*_FILTERS, "join", "tojson")
_TESTS = ("defined", "none")
_OF_LOOPS = frozenset({"index", "index0", "first", "last", "length"})
_TAKEN = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If),
    *(nodes.For, nodes.Filter, nodes.Getattr, nodes.Getitem, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Test),
)


@dataclass(slots=True)
class _Steps:
    """State: how many turns, and characters to look at, are left."""

    left: int = MOST_STEPS
    chars: int = MOST_LOOKED_AT


class _Environment(ImmutableSandboxedEnvironment):
    """Looks into JSON values and loops, and into nothing else."""

    def getattr(self, obj: object, attribute: str) -> object:
        """See `Environment`."""
        if isinstance(obj, LoopContext) and attribute in _OF_LOOPS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: object, argument: object) -> object:
        """See `Environment`."""
        if isinstance(obj, dict) and argument in obj:
            return cast("dict[object, object]", obj)[argument]
        if isinstance(obj, list) and isinstance(argument, int):
            items = cast("list[object]", obj)
            if -len(items) <= argument < len(items):
                return items[argument]
        return self.undefined(obj=obj, name=str(argument)[:64])


def jinja(text: str) -> Text:
    """Make a renderer of a text. Raises `SettingsInvalid`: it has what is not on the list."""
    tree = _read(text)
    for node in tuple(_all(tree)):
        _have_it_count(node)
    environment = _environment()
    template = Template.from_code(environment, environment.compile(tree), {})

    def render(values: Values) -> str:
        pieces: list[str] = []
        left = MOST_CHARS
        try:
            for piece in template.generate({**values, _STEPS: _Steps()}):
                left -= len(piece)
                if left < 0:
                    raise _wrong(
                        f"the prompt would have more than {MOST_CHARS} characters; give shorter"
                        " variables"
                    )
                pieces.append(piece)
        except UndefinedError as exc:
            raise PromptVariablesInvalid(f"{exc.message}; give it, or write `default`") from exc
        except TypeError as exc:
            raise PromptVariablesInvalid(
                "two variables that the prompt compares are not of one type; give what it expects"
            ) from exc
        return "".join(pieces)

    return render


ENGINES: Engines = {**PURE_ENGINES, Engine.JINJA: jinja}
"""Every engine of the server."""


def names_in_jinja(text: str) -> frozenset[str]:
    """Name the variables that a text needs. Raises `SettingsInvalid`."""
    return frozenset(find_undeclared_variables(_read(text)))


def names(engine: Engine, text: str) -> frozenset[str]:
    """Name the variables that a text of any engine needs. Raises `SettingsInvalid`."""
    return names_in_jinja(text) if engine is Engine.JINJA else names_in(engine, text)


def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_written
    )
    kept: dict[str, Any] = {name: environment.filters[name] for name in _FILTERS}
    kept |= {"tojson": as_text, "join": _join, _COUNTED: _counted, _PAID: _paid}
    environment.filters = kept
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


def _read(text: str) -> nodes.Template:
    try:
        tree = _environment().parse(text)
    except TemplateSyntaxError as exc:
        raise SettingsInvalid(
            f"this is no Jinja: line {exc.lineno}: {exc.message}; fix it"
        ) from exc
    for node in _all(tree):
        what = _refused(node)
        if what is not None:
            raise SettingsInvalid(
                f"line {node.lineno}: {what} is not taken in a prompt; there is output, if, for,"
                f" comparison, and the filters {', '.join(_KNOWN)}"
            )
    return tree


def _have_it_count(node: nodes.Node) -> None:
    """Put a count before what takes time by how much there is."""
    match node:
        case nodes.For():
            node.iter = _through(_COUNTED, cast("nodes.Expr", node.iter))
        case nodes.Filter(name=name, node=nodes.Expr() as looked_at) if name in _LOOK_AT_ALL:
            node.node = _through(_PAID, looked_at)
        case nodes.Compare():
            node.expr = _through(_PAID, node.expr)
            for operand in node.ops:
                operand.expr = _through(_PAID, operand.expr)
        case _:
            pass


def _through(count: str, node: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, count, [], [], None, None, lineno=node.lineno)


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _all(child)


def _refused(node: nodes.Node) -> str | None:
    match node:
        case nodes.Filter(name=name) if name not in _KNOWN:
            return f"filter {name!r}"
        case nodes.Test(name=name) if name not in _TESTS:
            return f"test {name!r}"
        case nodes.Getattr(attr=attr) if attr.startswith("_"):
            return f"attribute {attr!r}"
        case nodes.For(recursive=True):
            return "a recursive loop"
        case _:
            return None if isinstance(node, _TAKEN) else type(node).__name__.lower()


def _written(value: object) -> str:
    """Write what is put out; of what is not there, `str` complains."""
    return str(value) if isinstance(value, str | Undefined) else as_text(value)


def _join(value: object, separator: str = "") -> str:
    """Join the texts of a list; how long it gets is known before it is made."""
    if not isinstance(value, list):
        raise _wrong("a value that the prompt joins is no list; give a list")
    texts = [_written(it) for it in cast("list[object]", value)]
    if sum(map(len, texts)) + len(separator) * len(texts) > MOST_CHARS:
        raise _wrong(f"a list would make more than {MOST_CHARS} characters; give a shorter one")
    return separator.join(texts)


@pass_context
def _counted(context: Context, value: object) -> object:
    """Pay for all turns of a loop before its first."""
    if isinstance(value, Undefined):
        _ = str(value)
    if not isinstance(value, list | dict):
        raise _wrong("a value that the prompt loops over is no list; give a list")
    steps = cast("_Steps", context.resolve(_STEPS))
    steps.left -= len(cast("list[object]", value))
    if steps.left < 0:
        raise _wrong(f"the prompt would loop more than {MOST_STEPS} times; give shorter lists")
    return cast("object", value)


@pass_context
def _paid(context: Context, value: object) -> object:
    """Pay for looking at a whole value, before it is looked at."""
    steps = cast("_Steps", context.resolve(_STEPS))
    if isinstance(value, str):
        steps.chars -= len(value)
    elif isinstance(value, list | dict):
        steps.chars -= len(msgspec.json.encode(cast("object", value)))
    if steps.chars < 0:
        raise _wrong(
            f"the prompt would look at more than {MOST_LOOKED_AT} characters; give shorter"
            " variables"
        )
    return cast("object", value)


def _wrong(what: str) -> PromptVariablesInvalid:
    return PromptVariablesInvalid(what)
