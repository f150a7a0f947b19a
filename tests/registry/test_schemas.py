from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trimtab.registry.schemas import Relation, compare, keywords, without_added

TEXT: Mapping[str, Any] = {"type": "string"}
CLOSED = {"type": "object", "additionalProperties": False}


def _fields(**fields: object) -> dict[str, Any]:
    return {**CLOSED, "properties": fields}


WIDER = [
    pytest.param({"type": "string", "maxLength": 5}, {"type": "string"}, id="maxLength gone"),
    pytest.param({"minLength": 2}, {"minLength": 1}, id="minLength"),
    pytest.param({"type": "integer"}, {"type": "number"}, id="type"),
    pytest.param({"type": "integer"}, {"type": ["integer", "null"]}, id="another type"),
    pytest.param({"enum": ["a"]}, {"enum": ["a", "b"]}, id="enum"),
    pytest.param({"const": 1}, {"enum": [1, 2]}, id="const"),
    pytest.param({"minimum": 1}, {"minimum": 0}, id="minimum"),
    pytest.param({"maximum": 1}, {"maximum": 2}, id="maximum"),
    pytest.param({"exclusiveMinimum": 0}, {"minimum": 0}, id="exclusiveMinimum"),
    pytest.param({"exclusiveMaximum": 9}, {"maximum": 9}, id="exclusiveMaximum"),
    pytest.param({"minItems": 1}, {}, id="minItems"),
    pytest.param({"maxItems": 1}, {"maxItems": 2}, id="maxItems"),
    pytest.param({"items": TEXT}, {"items": {"type": ["string", "null"]}}, id="items"),
    pytest.param(_fields(a=TEXT), _fields(a=TEXT, b=TEXT), id="properties of a closed object"),
    pytest.param(CLOSED, {"type": "object"}, id="additionalProperties"),
    pytest.param({"required": ["a", "b"]}, {"required": ["a"]}, id="required"),
    pytest.param({"format": "email"}, {}, id="format"),
]


@pytest.mark.parametrize(("before", "after"), WIDER)
def test_tells_wider_from_narrower(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert compare(before, after) is Relation.WIDENED
    assert compare(after, before) is Relation.NARROWED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            TEXT, {**TEXT, "title": "A", "description": "b", "examples": ["c"]}, id="said"
        ),
        pytest.param(TEXT, {**TEXT, "x-trust": "user", "x-fence": True}, id="marks"),
        pytest.param({"enum": [1, 2]}, {"enum": [2, 1]}, id="order"),
        pytest.param(TEXT, {"type": ["string"]}, id="one type in a list"),
    ],
)
def test_what_refuses_nothing_else_is_the_same(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert compare(before, after) is Relation.SAME


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"pattern": "^ab"}, {"pattern": "^a"}, id="pattern"),
        pytest.param({"const": 1}, {"const": True}, id="one is not true"),
        pytest.param(
            {"properties": {"title": TEXT}}, {"properties": {"title": {}, "a": TEXT}}, id="a"
        ),
        pytest.param({"enum": [{"title": "a"}]}, {"enum": [{"title": "b"}]}, id="title as a value"),
        pytest.param({"maxLength": 1}, {"maxLength": 2, "not": {"const": "aa" * 9**5}}, id="large"),
    ],
)
def test_what_cannot_be_proved_to_be_wider_is_narrower(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert compare(before, after) is Relation.NARROWED


def test_tells_in_words_what_differs() -> None:
    before = {"type": "array", "items": {"type": "string"}, "minItems": 1, "x-trust": "user"}
    after = {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 2}

    assert keywords(before, after) == "items.maxLength 9 (was unlimited), minItems 2 (was 1)"


def test_takes_out_added_fields_at_any_depth() -> None:
    before = _fields(a=_fields(b=TEXT))
    after = {**_fields(a={**_fields(b=TEXT, c=TEXT), "required": ["c"]}, d=TEXT), "required": ["d"]}

    assert without_added(before, after) == before


NUMBERS = st.integers(0, 4)
TEXTS = st.fixed_dictionaries(
    {"type": st.just("string")}, optional={"minLength": NUMBERS, "maxLength": NUMBERS}
)
INTEGERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={"minimum": NUMBERS, "maximum": NUMBERS, "exclusiveMinimum": NUMBERS},
)
ENUMS = st.fixed_dictionaries(
    {"enum": st.lists(st.sampled_from([None, 0, 1, "", "a", "ab"]), min_size=1, unique=True)}
)
SCHEMAS = st.recursive(
    TEXTS | INTEGERS | ENUMS,
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"maxItems": NUMBERS}
        )
        | st.fixed_dictionaries(
            {"properties": st.dictionaries(st.sampled_from("ab"), inner)},
            optional={
                "type": st.just("object"),
                "required": st.lists(st.sampled_from("ab"), unique=True),
                "additionalProperties": st.booleans(),
            },
        )
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    st.none() | NUMBERS | st.sampled_from([0.5, 1.0]) | st.text("ab", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=4,
)


@settings(max_examples=60)
@given(before=SCHEMAS, after=SCHEMAS, values=st.lists(VALUES, min_size=20, max_size=20))
def test_every_value_of_before_is_one_of_what_is_wider(
    before: dict[str, Any], after: dict[str, Any], values: list[object]
) -> None:
    assume(compare(before, after) is not Relation.NARROWED)

    old, new = (jsonschema_rs.Draft202012Validator(it) for it in (before, after))
    assert all(new.is_valid(it) for it in values if old.is_valid(it))
