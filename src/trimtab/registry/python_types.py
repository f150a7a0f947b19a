"""From the JSON Schema of a variable to a type and the arguments of a pydantic `Field`.

Pydantic says what it can say exactly. Whatever is beyond it (patterns, formats, `anyOf`, members of
objects) is left to the schema itself, so that nothing is checked less than when it is rendered.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from trimtab.registry.python_text import Bracket, Source, flat, literal

MOST_INLINE = 48
"""Longest type that is written inside another; a longer one loses its details to the schema."""

_TYPES: Mapping[str, tuple[str, ...]] = {
    "string": ("str",),
    "integer": ("int",),
    "number": ("int", "float"),
    "boolean": ("bool",),
    "null": ("None",),
    "array": ("list[Any]",),
    "object": ("dict[str, Any]",),
}
_INNER = {"array": ("items", "list["), "object": ("additionalProperties", "dict[str, ")}

_RANGE = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
_BOUNDS: Mapping[object, Mapping[str, str]] = {
    "string": {"minLength": "min_length", "maxLength": "max_length"},
    "array": {"minItems": "min_length", "maxItems": "max_length"},
    "integer": _RANGE,
    "number": _RANGE,
}

_CHECKS_NOTHING = frozenset(
    {"title", "description", "default", "examples", "$comment", "deprecated"}
)
_CLASSES: Mapping[object, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


class Typed(NamedTuple):
    """What is known of a variable's values.

    Attributes:
        bounds: Arguments of `Field`.
        schema: What the type and its bounds do not say; `None` if they say all.
    """

    type: Source
    bounds: Mapping[str, object]
    schema: Mapping[str, Any] | None


def typed(schema: Mapping[str, Any]) -> Typed:
    """Find the type of a variable."""
    said = _checked_part(schema)
    bounds = dict(_bounds(said))
    rest = {key: it for key, it in said.items() if key not in bounds}
    exact = _exact(rest)
    if exact is None:
        return Typed(_union(_loose(said)), {}, said)
    names = _BOUNDS[said["type"]] if bounds else _RANGE
    return Typed(_union(exact), {names[key]: it for key, it in bounds.items()}, None)


def _checked_part(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what no value can break: marks, and words about it."""
    return {
        key: it
        for key, it in schema.items()
        if key not in _CHECKS_NOTHING and not key.startswith("x-")
    }


def _bounds(schema: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    kind = schema.get("type")
    for keyword in _BOUNDS.get(kind, {}) if isinstance(kind, str) else ():
        bound = schema.get(keyword)
        if isinstance(bound, int) or (isinstance(bound, float) and kind == "number"):
            yield keyword, bound


def _union(members: Sequence[Source]) -> Source:
    return members[0] if len(members) == 1 else " | ".join(map(flat, members))


def _exact(schema: Mapping[str, Any]) -> Sequence[Source] | None:
    """Give the types that take what the schema takes; `None` if Python has none."""
    if not schema:
        return ("Any",)
    if schema.keys() <= {"enum", "const", "type"} and set(schema) != {"type"}:
        return _choice(schema)
    return _by_kinds(schema)


def _choice(schema: Mapping[str, Any]) -> Sequence[Source] | None:
    """Name the values, if each has a name in Python and is of the type."""
    values: Sequence[object] = schema["enum"] if "enum" in schema else [schema["const"]]
    if "const" in schema and values != [schema["const"]]:
        return None
    if not all(isinstance(it, str | int | None) and _is_of(it, schema) for it in values):
        return None
    named = [literal(it) for it in values if it is not None]
    nothing = () if len(named) == len(values) else ("None",)
    choice = Bracket("Literal[", named, "]")
    if nothing and len(choice.flat()) > MOST_INLINE:
        return None
    return (choice, *nothing) if named else nothing or None


def _is_of(value: object, schema: Mapping[str, Any]) -> bool:
    if "type" not in schema:
        return True
    kinds = _kinds(schema)
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _CLASSES.get(it, ())) for it in kinds)


def _by_kinds(schema: Mapping[str, Any]) -> Sequence[Source] | None:
    kinds = _kinds(schema)
    known = {"type", *(_INNER[it][0] for it in kinds if it in _INNER)}
    if not kinds or not schema.keys() <= known:
        return None
    members: list[Source] = []
    for kind in kinds:
        found = _one_kind(kind, schema)
        if found is None:
            return None
        members.extend(found)
    return list(dict.fromkeys(map(flat, members)))


def _one_kind(kind: str, schema: Mapping[str, Any]) -> Sequence[Source] | None:
    keyword, before = _INNER.get(kind, ("", ""))
    inner = schema.get(keyword, True)
    if inner is True:
        return _TYPES.get(kind)
    if not isinstance(inner, dict):
        return None
    found = _exact(_checked_part(cast("Mapping[str, Any]", inner)))
    if found is None:
        return None
    whole = f"{before}{flat(_union(found))}]"
    return (whole,) if len(whole) <= MOST_INLINE else None


def _loose(schema: Mapping[str, Any]) -> Sequence[Source]:
    """Give the nearest types that take at least what the schema takes."""
    members = [each for kind in _kinds(schema) for each in _TYPES.get(kind, ("Any",))]
    return ["Any"] if "Any" in members else list(dict.fromkeys(members)) or ["Any"]


def _kinds(schema: Mapping[str, Any]) -> Sequence[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds
