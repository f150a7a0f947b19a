import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.errors import SettingsInvalid
from trimtab.registry.adapters.schemas import (
    Schema,
    object_of,
    picoschema,
    properties,
    properties_from,
)
from trimtab.registry.adapters.source import Place, Source


def place(value: object) -> Place:
    return Place(Source("doc"), "schema", value)


@pytest.mark.parametrize(
    ("pico", "schema"),
    [
        pytest.param("string, a name", {"type": "string", "description": "a name"}, id="scalar"),
        pytest.param("any", {}, id="any"),
        pytest.param(
            {"a?(object, d)": {"b": "integer"}, "(*)": "string"},
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": ["object", "null"],
                        "properties": {"b": {"type": "integer"}},
                        "required": ["b"],
                        "additionalProperties": False,
                        "description": "d",
                    }
                },
                "additionalProperties": {"type": "string"},
            },
            id="object",
        ),
        pytest.param(
            {"a?(enum)": ["X"], "b(array)": "number"},
            {
                "type": "object",
                "properties": {
                    "a": {"enum": ["X", None]},
                    "b": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["b"],
                "additionalProperties": False,
            },
            id="enum and array",
        ),
        pytest.param({"type": "object", "x": 1}, {"type": "object", "x": 1}, id="JSON Schema"),
        pytest.param({"properties": {}}, {"properties": {}, "type": "object"}, id="no type"),
    ],
)
def test_picoschema_is_the_schema_that_dotprompt_makes_of_it(pico: object, schema: Schema) -> None:
    assert picoschema(place(pico)) == schema


@pytest.mark.parametrize("pico", [{"a": "Product"}, {"a(map)": "string"}, {"a": 1}, ["a"], None])
def test_refuses_picoschema_that_it_cannot_know(pico: object) -> None:
    with pytest.raises(SettingsInvalid, match=r"^doc: schema.*; "):
        picoschema(place(pico))


scalars: st.SearchStrategy[Schema] = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "number", "boolean"])},
    optional={"description": st.just("d"), "enum": st.just(["x"]), "examples": st.just([1])},
)


def structures(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    lists = inner.map(lambda it: Schema(type=["array", "null"], items=it))
    return lists | objects(inner)


def objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    members = st.dictionaries(st.sampled_from("ab"), inner, min_size=1)
    return members.map(
        lambda it: Schema(
            type="object", properties=it, required=[*it][:1], additionalProperties=False
        )
    )


@given(schema=objects(st.recursive(scalars, structures, max_leaves=4)))
def test_properties_of_prompty_come_back_as_the_schema(schema: Schema) -> None:
    assert object_of(place(properties_from(schema))) == schema


def test_a_bare_value_is_an_example_of_its_kind() -> None:
    found = {name: schema for name, _, schema in properties(place({"a": True, "b": 1, "c": "x"}))}

    assert [it["type"] for it in found.values()] == ["boolean", "integer", "string"]
    assert found["c"]["examples"] == ["x"]
