from typing import Any

import pytest

from trimtab.registry.python_text import flat
from trimtab.registry.python_types import typed


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "str"),
        ({"type": "number"}, "int | float"),
        ({"type": ["string", "null"]}, "str | None"),
        ({"type": ["integer", "number"]}, "int | float"),
        ({}, "Any"),
        ({"x-trust": "user", "title": "T"}, "Any"),
        ({"type": "array", "items": {"type": "string"}}, "list[str]"),
        ({"type": "array", "items": {}}, "list[Any]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "dict[str, bool]"),
        ({"enum": ["a", 1, True, None]}, "Literal['a', 1, True] | None"),
        ({"type": "string", "enum": ["a", "b"]}, "Literal['a', 'b']"),
        ({"const": None}, "None"),
    ],
)
def test_python_says_it_all(schema: dict[str, Any], said: str) -> None:
    found = typed(schema)

    assert (flat(found.type).replace('"', "'"), found.schema) == (said, None)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string", "pattern": "a"}, "str"),
        ({"type": "string", "format": "email"}, "str"),
        ({"type": "integer", "minimum": 0.5}, "int"),
        ({"type": "integer", "multipleOf": 5}, "int"),
        ({"type": "integer", "enum": [True, 1]}, "int"),
        ({"enum": [0.5, 1]}, "Any"),
        ({"enum": ["a"], "const": "b"}, "Any"),
        ({"type": ["string", "null"], "maxLength": 3}, "str | None"),
        ({"type": "array", "items": {"type": "string", "maxLength": 3}}, "list[Any]"),
        ({"type": "array", "items": False}, "list[Any]"),
        ({"type": "object", "properties": {"a": {}}}, "dict[str, Any]"),
        ({"minimum": 5}, "Any"),
        ({"$ref": "#"}, "Any"),
    ],
)
def test_the_schema_says_the_rest(schema: dict[str, Any], said: str) -> None:
    found = typed({**schema, "x-trust": "user", "description": "D"})

    assert (flat(found.type), found.bounds, found.schema) == (said, {}, schema)


def test_bounds_are_arguments_of_a_field() -> None:
    assert typed({"type": "string", "minLength": 1, "maxLength": 9}).bounds == {
        "min_length": 1,
        "max_length": 9,
    }
    assert typed({"type": "number", "exclusiveMinimum": 0, "maximum": 1.5}).bounds == {
        "gt": 0,
        "le": 1.5,
    }
    assert typed({"type": "array", "maxItems": 3}).bounds == {"max_length": 3}
