from enum import Enum
from random import Random
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from trimtab.sim.schema import example


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: Annotated[str, Field(min_length=12, max_length=14)]
    children: list["Node"]
    parent: "Node | None"


class Everything(BaseModel):
    colour: Colour
    kind: Literal["fixed"]
    count: Annotated[int, Field(gt=3, le=5)]
    share: Annotated[float, Field(gt=0, lt=1)]
    below: Annotated[int, Field(lt=-10)]
    even: Annotated[int, Field(multiple_of=7, ge=8)]
    on: bool
    day: Annotated[str, Field(json_schema_extra={"format": "date"})]
    many: Annotated[list[int], Field(min_length=3, max_length=4)]
    pair: tuple[int, str]
    maybe: int | None
    tree: Node
    table: dict[str, int]


def _chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311  # repeatable on purpose


@pytest.mark.parametrize("seed", range(40))
def test_an_example_satisfies_its_schema(seed: int) -> None:
    made = example(Everything.model_json_schema(), _chance(seed))

    TypeAdapter(Everything).validate_python(made)
    assert Everything.model_fields.keys() == made.keys()


def test_the_same_chance_makes_the_same_example() -> None:
    schema = Everything.model_json_schema()

    assert example(schema, _chance(3)) == example(schema, _chance(3))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"const": 5}, 5, id="const"),
        pytest.param({"type": "null"}, None, id="null"),
        pytest.param({"type": ["null", "string"]}, None, id="first of several types"),
        pytest.param({"enum": ["x"]}, "x", id="enum"),
        pytest.param({"allOf": [{"const": 1}]}, 1, id="allOf"),
        pytest.param({"type": "string", "format": "date"}, "2026-01-15", id="format"),
        pytest.param({"type": "integer", "minimum": 4, "maximum": 4}, 4, id="one integer"),
        pytest.param({"type": "array", "maxItems": 0}, [], id="empty array"),
        pytest.param({"type": "object"}, {}, id="object without properties"),
        pytest.param(
            {
                "allOf": [
                    {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}},
                ]
            },
            {"a": 1, "b": 2},
            id="merged objects",
        ),
    ],
)
def test_small_schemas_have_the_only_value(schema: dict[str, Any], value: object) -> None:
    assert example(schema, _chance(1)) == value
