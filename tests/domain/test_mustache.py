from collections.abc import Mapping

import pytest

from trimtab.domain.errors import PromptVariablesInvalid, SettingsInvalid
from trimtab.domain.mustache import compile_mustache, names_in_mustache, sections_in_mustache
from trimtab.domain.rendering import as_text


def render(text: str, values: Mapping[str, object], most_chars: int = 1000) -> str:
    return compile_mustache(text, as_text, most_chars)(values)


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        pytest.param("Hi, {{a}}!", {"a": "<b> & $c {{d}}"}, "Hi, <b> & $c {{d}}!", id="no HTML"),
        pytest.param("{{{a}}}{{&a}}", {"a": "<"}, "<<", id="raw"),
        pytest.param("{{ a }}{{! b }}{{! {{c }}", {"a": 1}, "1", id="blanks and comments"),
        pytest.param("{{a}} {{b}}", {"a": None, "b": [True, 1.5]}, "null [true,1.5]", id="JSON"),
        pytest.param("{{a.b}}", {"a": {"b": 2}}, "2", id="member"),
        pytest.param("{{#a}}{{.}},{{/a}}", {"a": [1, "x"]}, "1,x,", id="list"),
        pytest.param("{{#a}}{{b}}{{/a}}", {"a": {"b": 1}}, "1", id="map"),
        pytest.param(
            "{{#a}}{{b}}{{c}} {{/a}}", {"a": [{"b": 1}], "c": 2}, "12 ", id="from outside"
        ),
        pytest.param("{{#a}}yes{{/a}}{{^a}}no{{/a}}", {"a": False}, "no", id="truth"),
        pytest.param("{{^a}}none{{/a}}", {"a": []}, "none", id="empty"),
        pytest.param("  {{#a}}\n  b\n  {{/a}}\nc", {"a": True}, "  b\nc", id="lines of their own"),
        pytest.param('{"a": {"b": 1}} }}', {}, '{"a": {"b": 1}} }}', id="braces that are none"),
    ],
)
def test_renders_tags_of_values(text: str, values: Mapping[str, object], said: str) -> None:
    assert render(text, values) == said


@pytest.mark.parametrize(
    "text", ["{{a}}", "{{#a}}b{{/a}}", "{{^a}}b{{/a}}", "{{b.c}}", "{{b.upper}}"]
)
def test_refuses_a_value_that_is_not_there(text: str) -> None:
    with pytest.raises(PromptVariablesInvalid, match="is not in the variables where the prompt"):
        render(text, {"b": "x"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{>a}}", "'{{>a}}' in mustache is not taken; use {{name}}, {{#name}}, {{^name}},"),
        ("{{=<% %>=}}", "'{{=<% %>=}}' in mustache is not taken; use"),
        ("{{=a=}}", "'{{=a=}}' in mustache is not taken; use"),
        ("{{a b}}", "'{{a b}}' in mustache is not taken; use"),
        ("{{}}", "'{{}}' in mustache is not taken; use"),
        ("{{{a}}", "'{{{a}}' in mustache is not taken; use"),
        ("see {{a\nb", "'{{a' in mustache is not taken; use"),
        ("{{! a", "'{{! a' in mustache is not taken; use"),
        ("{{#a}}", "a mustache section is not closed (Did not find a matching tag for {{#a}}."),
        ("{{#a}}{{/b}}", "a mustache section is not closed (Section end tag mismatch"),
        ("{{/a}}", "a mustache section is not closed (Section end tag mismatch"),
        ("{{#a}}" * 33, "more than 32 mustache sections in each other; flatten"),
        ("a" + " " * 256, "a mustache text has 256 blanks in a row; take fewer"),
    ],
)
def test_refuses_what_is_not_taken(text: str, fault: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        compile_mustache(text, as_text, 1000)

    assert str(refused.value).startswith(fault)


@pytest.mark.parametrize("piece", ["{{", "{{a ", "{{{a}} ", "{{=", "{{!", "}} ", " " * 255 + "x"])
def test_reads_or_refuses_a_long_text_at_once(piece: str) -> None:
    text = piece * (200_000 // len(piece))

    try:
        said = render(text, {"a": ""}, 2**20)
    except SettingsInvalid:
        said = text

    assert said == text


def test_as_many_sections_as_are_taken_render() -> None:
    assert render("{{#a}}" * 32 + "x" + "{{/a}}" * 32, {"a": True}) == "x"


def test_a_loop_writes_no_more_than_it_may() -> None:
    loops = "{{#a}}{{#a}}{{#a}}{{#a}}0123456789{{/a}}{{/a}}{{/a}}{{/a}}"

    assert len(render(loops, {"a": [1, 2]}, 2000)) == 160
    with pytest.raises(PromptVariablesInvalid, match="would become too long with these variables"):
        render(loops, {"a": list(range(100))}, 2000)


def test_a_value_is_counted_each_time_it_is_said() -> None:
    assert render("{{a}}{{a}}", {"a": "x" * 500}) == "x" * 1000
    with pytest.raises(PromptVariablesInvalid, match="too long"):
        render("{{a}}{{a}}", {"a": "x" * 501})


def test_names_what_a_text_needs_and_what_it_could_take() -> None:
    text = "{{a.b}}{{{c}}}{{#items}}{{name}}{{.}}{{/items}}{{^d}}{{e}}{{/d}}{{! f }}"

    assert names_in_mustache(text) == {"a", "c", "items", "d"}
    assert sections_in_mustache(text) == {"a", "c", "items", "name", "d", "e"}
