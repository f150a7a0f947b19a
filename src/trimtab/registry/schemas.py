"""Two JSON Schemas of one thing: does the later one still take what the earlier one took.

Whether it does is proved by jsonschema_rs, the library that checks the values; what it cannot prove
counts as narrowed.
"""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, cast

import jsonschema_rs

SILENT = frozenset({"title", "description", "examples", "$comment", "deprecated", "default"})
"""Keywords that neither refuse nor change a value. (A default is the variable's own.)"""

MOST_SHOWN = 60
MOST_CHARS = 64 * 1024

Schema = Mapping[str, Any]

_NAMED = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_VALUES = frozenset({"const", "enum"})


class Relation(StrEnum):
    """What became of the values a schema takes."""

    SAME = "same"
    WIDENED = "widened"
    NARROWED = "narrowed"


def compare(before: Schema, after: Schema) -> Relation:
    """Compare two schemas; annotations and `x-` keywords aside.

    `SAME` means that both take the same values; `WIDENED`, that every value of the first is one of
    the second.
    """
    old, new = bare(before), bare(after)
    if _written(old) == _written(new):
        return Relation.SAME
    if not _covers(new, old):
        return Relation.NARROWED
    return Relation.SAME if _covers(old, new) else Relation.WIDENED


def without_added(before: object, after: object) -> Any:  # noqa: ANN401 -- as `bare`
    """Take out of a schema the fields of objects that the earlier one does not name."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
    kept = {key: without_added(old.get(key), it) for key, it in new.items()}
    old_fields, new_fields = old.get("properties"), new.get("properties")
    if isinstance(old_fields, dict) and isinstance(new_fields, dict):
        added = cast("dict[str, Any]", new_fields).keys() - cast("dict[str, Any]", old_fields)
        kept["properties"] = {k: it for k, it in kept["properties"].items() if k not in added}
        if "required" in new:
            kept["required"] = [it for it in new["required"] if it not in added]
        if not kept.get("required") and "required" not in old:
            kept.pop("required", None)
    return kept


def bare(schema: object) -> Any:  # noqa: ANN401 -- a schema is an object or a truth
    """Leave out what says nothing about values, at every depth."""
    if isinstance(schema, list):
        return [bare(it) for it in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    members = cast("dict[str, Any]", schema)
    return {
        key: _member(key, it)
        for key, it in members.items()
        if key not in SILENT and not key.startswith("x-")
    }


def keywords(before: Schema, after: Schema) -> str:
    """Tell in words which keywords differ, as `maxLength 200000 (was unlimited)`."""
    return ", ".join(_different(bare(before), bare(after), "")) or "written in other words"


def _member(key: str, value: object) -> object:
    """Under these, names are not keywords, and values are not schemas."""
    if key in _VALUES:
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: bare(it) for name, it in cast("dict[str, Any]", value).items()}
    return bare(value)


def _covers(new: Schema, old: Schema) -> bool:
    if len(_written(new)) + len(_written(old)) > MOST_CHARS:
        return False
    try:
        verdict = _canonical(new).covers(_canonical(old))
    except (ValueError, jsonschema_rs.ReferencingError):
        return False  # neither is refused here: what is no schema never became a prompt
    return verdict == jsonschema_rs.canonical.Containment.YES


def _canonical(schema: Schema) -> jsonschema_rs.CanonicalSchema:
    return jsonschema_rs.canonicalize(
        dict(schema),
        draft=jsonschema_rs.Draft202012,
        validate_formats=True,  # a format that comes may be checked by those who give the value
        pattern_options=jsonschema_rs.RegexOptions(),
        offline=True,
    )


def _written(value: object) -> str:
    """Write JSON so that `1` and `true` differ, and the order of members does not count."""
    return json.dumps(value, sort_keys=True)


def _different(before: Schema, after: Schema, path: str) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        where = f"{path}.{key}" if path else key
        if key in before and key in after and _written(old) == _written(new):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _different(cast("Schema", old), cast("Schema", new), where)
        else:
            yield f"{where} {_shown(key, after)} (was {_shown(key, before)})"


def _shown(key: str, schema: Schema) -> str:
    if key not in schema:
        return "unlimited" if key.startswith(("max", "exclusiveMax")) else "not there"
    value = schema[key]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
