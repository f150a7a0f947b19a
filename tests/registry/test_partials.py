import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.registry.conftest import published, said, variable

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import MOST_BYTES, Content, Engine, PromptVersion
from trimtab.domain.rendering import mustache, split_template, template
from trimtab.registry.partials import Lookup, flatten, unfit

TEMPLATE, MUSTACHE, JINJA = Engine
POLICY = {"policy": "safety@2.1.0"}


def having(text: str, *names: str, engine: Engine = TEMPLATE) -> Lookup:
    return _one(published("2.1.0", text, name="safety", engine=engine, names=names))


def _one(version: PromptVersion) -> Lookup:
    return lambda name, number: (
        version if (name, number) == (version.name, version.version) else None
    )


@pytest.mark.parametrize(
    ("engine", "text", "filled"),
    [
        pytest.param(
            TEMPLATE, "${policy} $policy! $$policy", "Be $kind. Be $kind.! $$policy", id="template"
        ),
        pytest.param(TEMPLATE, "$policy_2 $5", "$policy_2 $5", id="another name"),
        pytest.param(
            MUSTACHE,
            "{{policy}} {{{ policy }}} {{& policy}} {{policy_2}}",
            "Be {{kind}}. Be {{kind}}. Be {{kind}}. {{policy_2}}",
            id="mustache",
        ),
        pytest.param(
            JINJA,
            "{{ policy }} {{policy}} {{ a }}",
            "Be {{ kind }}. Be {{ kind }}. {{ a }}",
            id="jinja",
        ),
    ],
)
def test_fills_the_text_of_a_partial_in(engine: Engine, text: str, filled: str) -> None:
    part = {TEMPLATE: "Be $kind.", MUSTACHE: "Be {{kind}}.", JINJA: "Be {{ kind }}."}[engine]
    content = Content(engine=engine, template=text, variables={"kind": variable()})

    found = flatten(content, POLICY, having(part, "kind", engine=engine))

    assert found == replace(content, template=filled)


def test_fills_every_message_and_keeps_the_place_of_the_callers() -> None:
    messages = said(("system", "${policy}"), ("placeholder", "history"), ("user", "Hi, $policy"))

    found = flatten(Content(messages=messages), POLICY, having("be kind"))

    assert found.messages == said(
        ("system", "be kind"), ("placeholder", "history"), ("user", "Hi, be kind")
    )


@pytest.mark.parametrize(
    ("text", "part", "said_as"),
    [
        pytest.param("${policy}ly", "be $kind", "be KINDly", id="a name that would go on"),
        pytest.param("${policy}kind", "costs $", "costs $kind", id="a $ at the end"),
        pytest.param("${policy}{kind}", "costs $", "costs ${kind}", id="a $ before a brace"),
        pytest.param("${${policy}", "kind}", "${kind}", id="a brace that would be closed"),
        pytest.param("$$${policy}", "5", "$5", id="an escaped $ before it"),
    ],
)
def test_what_was_text_before_is_text_after(text: str, part: str, said_as: str) -> None:
    content = Content(template=text, variables={"kind": variable()})

    found = flatten(content, POLICY, having(part, "kind")).template

    assert found is not None
    assert template(found)({"kind": "KIND"}) == said_as


PIECES = st.lists(st.sampled_from(["$", "{", "}", "a", "${policy}", "$a", "$$", " "])).map("".join)


@given(text=PIECES, part=PIECES)
def test_renders_as_if_the_partial_were_a_value_with_its_own_variables(
    text: str, part: str
) -> None:
    part = part.replace("policy", "a")
    content = Content(template=text, variables={"a": variable()})
    rendered = template(part)(dict.fromkeys(split_template(part)[1], "A"))
    known = dict.fromkeys(split_template(text)[1], "A") | {"policy": rendered}

    found = flatten(content, POLICY, having(part, "a")).template

    assert found is not None
    assert template(found)(dict.fromkeys(split_template(found)[1], "A")) == template(text)(known)


@pytest.mark.parametrize(
    ("ref", "fault"),
    [
        ("safety@production", "'safety@production' is no exact version; write name@1.0.0"),
        ("safety@2", "'safety@2' is no exact version; write name@1.0.0"),
        ("safety@^2.1.0", "'safety@^2.1.0' is no exact version; write name@1.0.0"),
        ("safety", "'safety' is no exact version; write name@1.0.0"),
        ("safety@2.1.1", "'safety@2.1.1' is not published; publish it first"),
    ],
)
def test_takes_exact_published_versions_only(ref: str, fault: str) -> None:
    assert list(unfit(Content(template="$policy"), {"policy": ref}, having("a"))) == [
        ("policy", fault)
    ]


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        pytest.param(
            published("2.1.0", Content(messages=said(("user", "a"))), name="safety"),
            "'safety@2.1.0' is a list of messages; take a prompt of one text",
            id="messages",
        ),
        pytest.param(
            published("2.1.0", name="safety", engine=JINJA),
            "'safety@2.1.0' is of engine jinja, the prompt of template; take the same",
            id="engine",
        ),
        pytest.param(
            published("2.1.0", "$a $b", name="safety", names=["b", "a"]),
            "'safety@2.1.0' needs a; declare them in the prompt",
            id="variables",
        ),
        pytest.param(
            replace(published("2.1.0", name="safety"), content="{}"),
            "the stored text of 'safety@2.1.0' is not the one that was published; restore the"
            " control store, and look at `trimtab prompts verify`",
            id="corrupt",
        ),
    ],
)
def test_refuses_a_partial_that_does_not_fit(version: PromptVersion, fault: str) -> None:
    content = Content(template="$policy", variables={"b": variable()})

    with pytest.raises(SettingsInvalid) as refused:
        flatten(content, POLICY, _one(version))

    assert str(refused.value) == f"partials.policy: {fault}"


@pytest.mark.parametrize(
    ("engine", "text", "part", "fault"),
    [
        pytest.param(
            MUSTACHE,
            "{{#policy}}a{{/policy}}",
            "be kind",
            "with its partials the text reads policy otherwise; write each partial as {{name}},"
            " apart from other tags",
            id="mustache section",
        ),
        pytest.param(
            MUSTACHE,
            "{{policy}}{kind}}",
            "be {",
            "with its partials the text reads kind otherwise;",
            id="mustache tag that comes about",
        ),
        pytest.param(
            JINJA,
            "{% if policy %}a{% endif %}",
            "be kind",
            "partial 'policy' is used in an expression; write it as {{ policy }}",
            id="jinja expression",
        ),
    ],
)
def test_refuses_a_use_that_cannot_be_filled(
    engine: Engine, text: str, part: str, fault: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        flatten(Content(engine=engine, template=text), POLICY, having(part, engine=engine))

    assert str(refused.value).startswith(fault)


def test_refuses_a_text_that_would_be_too_long() -> None:
    content = Content(template="$policy " * 2000)

    with pytest.raises(SettingsInvalid, match=f"more than {MOST_BYTES} characters; shorten it"):
        flatten(content, POLICY, having("kind " * 200))


def test_an_item_of_a_list_may_be_named_as_a_variable_of_the_partial() -> None:
    content = Content(
        engine=MUSTACHE,
        template="{{policy}}:{{#items}} {{name}}{{/items}}",
        variables={"name": variable(), "items": variable({"type": "array"})},
    )

    found = flatten(content, POLICY, having("for {{name}}", "name", engine=MUSTACHE)).template

    assert found is not None
    assert (
        mustache(found)({"name": "Ann", "items": [{"name": "a"}, {"name": "b"}]}) == "for Ann: a b"
    )
