import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.prompt import Engine
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.handlebars import from_text, to_turns

words = st.text(st.sampled_from("ab \n."), max_size=5)
values = st.sampled_from(["{{ a }}", "{{ b.c }}"])


def block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    ifs = st.tuples(st.sampled_from(["", "not "]), inner, inner).map(
        lambda it: f"{{% if {it[0]}a %}}{it[1]}{{% else %}}{it[2]}{{% endif %}}"
    )
    loops = inner.map(lambda it: f"{{% for this in b.c %}}{it}{{{{ this.d }}}}{{% endfor %}}")
    return st.lists(ifs | loops | inner, min_size=1, max_size=3).map("".join)


@given(text=block(st.recursive(words | values, block, max_leaves=6)))
def test_plain_blocks_of_jinja_come_back_word_for_word(text: str) -> None:
    text = f"x{{% if a %}}{text}{{% endif %}}x"

    engine, turns, comments = to_turns(from_text(Engine.JINJA, text))

    assert (engine, comments) == (Engine.JINJA, False)
    assert [it.text for it in turns] == [text]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param("a {{{x}}} {{&x}}", "a {{x}} {{x}}", id="unescaped"),
        pytest.param("a {{~x~}} b", "a{{x}}b", id="white space"),
        pytest.param("a\n{{#if x}}\nb\n{{/if}}\nc", "a\n{% if x %}b\n{% endif %}c", id="own lines"),
        pytest.param("a {{#if x}}b{{/if}}\nc", "a {% if x %}b{% endif %}\nc", id="in a line"),
        pytest.param(
            "{{#if x}}a{{else if y}}b{{^}}c{{/if}}",
            "{% if x %}a{% elif y %}b{% else %}c{% endif %}",
            id="else if",
        ),
        pytest.param(
            "{{#each x}}{{this}}{{n}}{{./m}}{{@root.y}}{{/each}}",
            "{% for this in x %}{{ this }}{{ this.n }}{{ this.m }}{{ y }}{% endfor %}",
            id="each",
        ),
        pytest.param("a{{! b }}c{{!-- }} --}}d", "acd", id="comments"),
    ],
)
def test_says_what_handlebars_says(body: str, text: str) -> None:
    assert [it.text for it in to_turns(body)[1]] == [text]


@pytest.mark.parametrize(
    "body",
    [
        *("\\{{x}}", "{{x", "{{#x}}{{/x}}", "{{../x}}", "{{x y}}", "{{}}", "{{{{x}}}}", "{{/if}}"),
        *("{{#if x}}{{/each}}", "{{#if (eq x y)}}a{{/if}}", "{{this}}", "{% x %}", "{{else}}"),
        *("{{#if true}}a{{/if}}", "{{#each x}}{{else if y}}{{/each}}"),
        "{{#if a}}" * 20 + "{{/if}}" * 20,
    ],
)
def test_refuses_what_has_no_plain_form(body: str) -> None:
    with pytest.raises(Wrong, match="; "):
        to_turns(body)


@pytest.mark.parametrize(
    "text",
    [
        "{{ a | upper }}",
        "{% for x in y %}{% endfor %}",
        "{% set a = 1 %}",
        "{# c #}",
        "{% endif %}",
    ],
)
def test_refuses_jinja_that_handlebars_cannot_say(text: str) -> None:
    with pytest.raises(Wrong, match="; "):
        from_text(Engine.JINJA, text)
