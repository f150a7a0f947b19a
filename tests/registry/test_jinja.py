"""What Jinja may do in a prompt: little, and never much of it."""

import tracemalloc
from typing import Any

import pytest

from trimtab.domain.errors import PromptVariablesInvalid, SettingsInvalid
from trimtab.domain.prompt import Engine
from trimtab.registry.jinja import MOST_CHARS, MOST_STEPS, jinja, names

LISTING = (
    "Hi {{ who }}{% for it in docs %}\n[{{ loop.index }}] {{ it.text }}"
    "{% if not loop.last %},{% endif %}{% else %} nothing{% endfor %}{{ tail|default('') }}"
)


def test_writes_loops_conditions_and_defaults() -> None:
    render = jinja(LISTING)

    assert render({"who": "you", "docs": [{"text": "a"}, {"text": "b"}]}) == (
        "Hi you\n[1] a,\n[2] b"
    )
    assert render({"who": "you", "docs": [], "tail": "!"}) == "Hi you nothing!"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ x|join(', ') }}", "a, b"),
        ("{{ x }} {{ y }} {{ z }}", '["a","b"] true null'),
        ("{{ x|tojson }} {{ x|length }}", '["a","b"] 2'),
        ("{{ w|upper }}{{ w|trim }}", " Ww"),
        ("{% if y and not z and x[0] == 'a' %}yes{% endif %}", "yes"),
        ("{{ 'b' if n > 1 else 'c' }}{{ x[1] }}", "bb"),
    ],
)
def test_values_are_written_as_json_has_them(text: str, said: str) -> None:
    values = {"x": ["a", "b"], "y": True, "z": None, "w": " w", "n": 2}

    assert jinja(text)(values) == said


def test_what_a_value_holds_is_never_read_as_jinja() -> None:
    assert jinja("{{ a }}")({"a": "{{ b }}{% if c %}"}) == "{{ b }}{% if c %}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 10 ** 8 }}",
        "{{ a % b }}",
        "{{ a ~ b }}",
        "{{ a + b }}",
        "{{ a() }}",
        "{{ range(9) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ a|attr('__class__') }}",
        "{{ a|format }}",
        "{{ a|replace('x', 'y') }}",
        "{{ a|tojson(indent=99) }}",
        "{{ a[1:2] }}",
        "{{ [1, 2] }}",
        "{{ {'a': 1} }}",
        "{{ a is divisibleby 2 }}",
        "{% set a = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% import 'x' as y %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% call m() %}{% endcall %}",
        "{% filter upper %}{% endfilter %}",
        "{% for a in b recursive %}{% endfor %}",
        "{% for a in b if a %}{{ loop.cycle('x') }}{% endfor %}",
    ],
)
def test_what_is_not_on_the_list_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="is not taken in a prompt"):
        jinja(text)


@pytest.mark.parametrize("text", ["{{", "{% if a %}", "{% endfor %}", "{{ a|nope }}"])
def test_what_is_no_jinja_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid):
        jinja(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param(
            "{% for a in x %}{% for b in x %}{% for c in x %}{% endfor %}{% endfor %}{% endfor %}",
            {"x": list(range(1000))},
            id="loops in loops that say nothing",
        ),
        pytest.param(
            "{% for a in x %}{{ y }}{% endfor %}",
            {"x": list(range(5000)), "y": "z" * 100_000},
            id="a long text in a loop",
        ),
        pytest.param(
            "{{ x|join(y) }}",
            {"x": list(range(9000)), "y": "z" * 1_000_000},
            id="a long separator",
        ),
        pytest.param("{{ x }}", {"x": "z" * (MOST_CHARS + 1)}, id="one long value"),
        pytest.param("{% for a in x %}{% endfor %}", {"x": [0] * (MOST_STEPS + 1)}, id="one loop"),
    ],
)
def test_a_bomb_is_bounded(text: str, values: dict[str, Any]) -> None:
    render = jinja(text)
    tracemalloc.start()

    with pytest.raises(PromptVariablesInvalid):
        render(values)

    assert tracemalloc.get_traced_memory()[1] < 2 * MOST_CHARS + 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "{{ nope }}",
        "{{ s.upper }}",
        "{{ d.items }}",
        "{{ d.nope }}",
        "{{ x[9] }}",
        "{{ nope.deeper.still }}",
        "{% for c in s %}{% endfor %}",
        "{% for c in nope %}{% endfor %}",
        "{{ s|join }}",
        "{{ x|length if x > s else s }}",
    ],
)
def test_what_is_not_there_is_told_and_never_left_out(text: str) -> None:
    values = {"s": "text", "d": {"a": 1}, "x": [1]}

    with pytest.raises(PromptVariablesInvalid):
        jinja(text)(values)


def test_names_what_a_text_needs_from_outside() -> None:
    assert names(Engine.JINJA, LISTING) == {"who", "docs", "tail"}
    assert names(Engine.TEMPLATE, "$a ${b} $$c") == {"a", "b"}


BIG = "x" * MOST_CHARS


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in n %}{{ (s|upper)|length }}{% endfor %}",
        "{% for i in n %}{{ s|lower|trim|length }}{% endfor %}",
        "{% for i in n %}{% if s == t %}{% endif %}{% endfor %}",
        "{% for i in n %}{% if 'y' in s %}{% endif %}{% endfor %}",
        "{% for i in n %}{% if many == many %}{% endif %}{% endfor %}",
        "{% for i in n %}{% if 'y' in many %}{% endif %}{% endfor %}",
        "{% for i in n %}{{ (many|tojson)|length }}{% endfor %}",
        "{% for i in n %}{{ (many|join)|length }}{% endfor %}",
        "{{ (s|upper)|length }}" * 100,
    ],
)
def test_what_is_only_looked_at_is_counted_too(text: str) -> None:
    values = {"n": list(range(MOST_STEPS)), "s": BIG, "t": BIG[:-1] + "y", "many": ["x"] * 99_999}

    with pytest.raises(PromptVariablesInvalid, match="would look at more than"):
        jinja(text)(values)
