import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.prompt import Engine, Variable
from trimtab.domain.rendering import split_template, template
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.texts import (
    Pieces,
    from_braces,
    from_fstring,
    to_braces,
    to_fstring,
    to_template,
    variable,
    variables_of,
)

names = st.sampled_from(["a", "b_1"])
literals = st.text(st.sampled_from("${}ab_1 5\n"), max_size=6)


@st.composite
def pieces(draw: st.DrawFn) -> Pieces:
    found = draw(st.lists(names, max_size=3))
    return [draw(literals) for _ in range(len(found) + 1)], found


@given(said=pieces())
def test_a_template_says_the_pieces_it_was_made_of(said: Pieces) -> None:
    assert split_template(to_template(said)) == said


@given(said=pieces())
def test_an_fstring_says_the_pieces_it_was_made_of(said: Pieces) -> None:
    assert from_fstring(to_fstring(said)) == said


@given(said=pieces())
def test_an_fstring_and_its_template_render_alike(said: Pieces) -> None:
    values = {"a": "1", "b_1": "2"}

    assert to_fstring(said).format(**values) == template(to_template(said))(values)


@given(said=pieces().filter(lambda it: not any("{" in text for text in it[0])))
def test_double_braces_say_the_pieces_they_were_made_of(said: Pieces) -> None:
    assert from_braces(to_braces(said)) == said


@pytest.mark.parametrize(
    ("fstring", "template"),
    [
        pytest.param("Hi {name}!", "Hi $name!", id="name"),
        pytest.param("{name}s", "${name}s", id="a letter follows"),
        pytest.param('{{"a": {name}}}', '{"a": $name}', id="braces"),
        pytest.param("$5 $x $$ ${name}", "$5 $$x $$$ $$$name", id="dollars"),
    ],
)
def test_an_fstring_becomes_a_template(fstring: str, template: str) -> None:
    assert to_template(from_fstring(fstring)) == template


@pytest.mark.parametrize("text", ["{a.b}", "{a[0]}", "{a!r}", "{a:>5}", "{}", "{0}", "{a", "a}"])
def test_refuses_an_fstring_that_does_more_than_name(text: str) -> None:
    with pytest.raises(Wrong, match="; "):
        from_fstring(text)


@pytest.mark.parametrize("text", ["{{#a}}", "{{{a}}}", "{{a.b}}", "{{ a", "{{}}", "{{a|upper}}"])
def test_refuses_double_braces_that_do_more_than_name(text: str) -> None:
    with pytest.raises(Wrong, match="; "):
        from_braces(text)


def test_declares_text_where_a_text_is_asked_for_and_anything_where_structure_is() -> None:
    found = variables_of(Engine.MUSTACHE, ["{{b}} {{#items}}{{name}}{{/items}} {{user.name}}"])

    assert {name: it.json_schema for name, it in found.items()} == {
        "b": {"type": "string"},
        "items": {},
        "user": {},
    }


def test_what_any_text_takes_for_structure_is_no_text_in_the_others() -> None:
    found = variables_of(Engine.MUSTACHE, ["{{a}}", "{{#a}}x{{/a}}", "{{a}}"])

    assert found["a"].json_schema == {}


def test_declares_what_jinja_does_not_set_itself() -> None:
    found = variables_of(Engine.JINJA, ["{% for it in items %}{{ it.x }}{{ name }}{% endfor %}"])

    assert list(found) == ["items", "name"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{a}} {{b", id="not closed"),
        pytest.param("{{a}}" + " " * 300, id="many spaces"),
        pytest.param("{{a b}}", id="no name"),
        pytest.param("{{#a}}", id="section"),
        pytest.param("".join(f"{{{{v{number}}}}}" for number in range(129)), id="many names"),
    ],
)
def test_refuses_mustache_that_names_no_variables_or_too_many(text: str) -> None:
    with pytest.raises(Wrong, match="; "):
        variables_of(Engine.MUSTACHE, [text])


def test_a_default_in_the_schema_is_the_default_as_in_a_prompt_file() -> None:
    found = variable({"type": "string", "default": "x", "x-required": True}, required=True)

    schema = {"type": "string", "default": "x"}
    assert found == Variable(required=False, json_schema=schema, default="x")
