import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trimtab.domain.errors import InvalidRequest, VersionCorrupt
from trimtab.domain.prompt import (
    LABEL,
    NAME,
    Content,
    Engine,
    Message,
    ModelChoice,
    PromptVersion,
    Role,
    Trust,
    Variable,
    canonical,
    digest,
)

CONTENT = Content(
    template="Hi, $name",
    variables={"name": Variable(required=True, json_schema={"type": "string"})},
)


def version(content: Content = CONTENT) -> PromptVersion:
    written = content.canonical()
    return PromptVersion(
        name="a",
        version="1.0.0",
        hash=digest(written),
        shape_hash=content.shape(),
        content=written,
        file="",
    )


def test_the_canonical_form_leaves_out_what_is_not_there() -> None:
    assert CONTENT.canonical() == (
        '{"engine":"template","format":1,"template":"Hi, $name","variables":'
        '{"name":{"required":true,"schema":{"type":"string"}}}}'
    )


def test_a_default_of_null_is_one() -> None:
    optional = Variable(required=False, json_schema={}, default=None)

    content = replace(CONTENT, variables={"name": optional})

    assert '"default":null' in content.canonical()
    assert version(content).read().variables["name"].has_default
    assert not Variable(required=False, json_schema={}).has_default


@pytest.mark.parametrize(
    "other",
    [
        replace(CONTENT, template="Hi, $name "),
        replace(CONTENT, template=None, messages=(Message(role=Role.USER, content="Hi, $name"),)),
        replace(CONTENT, engine=Engine.MUSTACHE),
        replace(CONTENT, model=ModelChoice(id="answers")),
        replace(CONTENT, tools=({"type": "function", "function": {"name": "a"}},)),
        replace(CONTENT, output_schema={"type": "object"}),
        replace(CONTENT, variables={"name": Variable(required=True, json_schema={})}),
        replace(
            CONTENT,
            variables={"name": Variable(required=True, json_schema={"type": "string", "x-a": 1})},
        ),
    ],
)
def test_the_hash_covers_everything_that_is_said(other: Content) -> None:
    assert version(other).hash != version().hash


def test_the_hash_does_not_cover_who_said_it_and_under_what_number() -> None:
    other = replace(version(), name="b", version="2.0.0", description="b", owner="c", evals=("d",))

    assert other.hash == version().hash
    assert other.prompt_id != version().prompt_id
    assert other.read() == CONTENT


def test_the_shape_is_what_a_call_site_depends_on() -> None:
    chat = replace(CONTENT, template=None, messages=(Message(role=Role.USER, content="$name"),))
    place = replace(chat, messages=(*chat.messages, Message(placeholder="history")))
    other = {"name": Variable(required=False, json_schema={"type": "string"})}

    assert (
        replace(CONTENT, template="Bye, $name", model=ModelChoice(id="a")).shape()
        == CONTENT.shape()
    )
    shapes = [it.shape() for it in (CONTENT, chat, place, replace(CONTENT, variables=other))]
    assert len({*shapes}) == 4


def test_a_text_is_what_the_user_says() -> None:
    assert CONTENT.said == (Message(role=Role.USER, content="Hi, $name"),)
    assert CONTENT.placeholder is None


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(replace(version(), content=version().content.replace("Hi", "Bye")), id="text"),
        pytest.param(replace(version(), hash="0" * 64), id="hash"),
    ],
)
def test_a_version_that_was_written_over_is_not_read(stored: PromptVersion) -> None:
    with pytest.raises(VersionCorrupt, match=r"the stored text of 'a@1.0.0' is not the one"):
        stored.read()


@pytest.mark.parametrize(
    ("schema", "trust", "fenced"),
    [
        ({}, Trust.AUTHOR, False),
        ({"x-trust": "retrieved", "x-fence": True}, Trust.RETRIEVED, True),
        ({"x-trust": "user", "x-fence": False}, Trust.USER, False),
    ],
)
def test_marks_are_those_of_the_schema(
    schema: dict[str, object], trust: Trust, *, fenced: bool
) -> None:
    variable = Variable(required=True, json_schema=schema)

    assert (variable.trust, variable.fenced) == (trust, fenced)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=JSON)
def test_the_canonical_form_is_the_value(value: object) -> None:
    assert msgspec.json.decode(canonical(value)) == value


@given(members=st.dictionaries(st.text(), st.integers(0, 9)))
def test_the_order_of_members_does_not_count(members: dict[str, int]) -> None:
    assert canonical(dict(reversed(members.items()))) == canonical(members)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param(2**53 + 1, "numbers below 2^53", id="large number"),
        pytest.param(float("nan"), "numbers below 2^53", id="no number"),
        pytest.param("\ud800", "cannot be written as JSON exactly", id="half a character"),
        pytest.param({1: 2}, "cannot be written as JSON exactly", id="number as a name"),
        pytest.param(b"a", "cannot be written as JSON exactly", id="bytes"),
        pytest.param(nested(100_000), "nested too deep; flatten it", id="deep"),
    ],
)
def test_what_is_no_json_is_refused(value: object, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        canonical(value)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "is_name", "is_label"),
    [
        ("rag-answer", True, True),
        ("rag.answer_2", True, False),
        ("3a", True, False),
        ("3.2.0", True, False),
        ("A", False, False),
        ("-a", False, False),
        ("a\n", False, False),
        ("a" * 32, True, True),
        ("a" * 33, True, False),
        ("a" * 65, False, False),
    ],
)
def test_a_label_is_never_a_version(text: str, *, is_name: bool, is_label: bool) -> None:
    assert (NAME.fullmatch(text) is not None, LABEL.fullmatch(text) is not None) == (
        is_name,
        is_label,
    )


@pytest.mark.parametrize("number", [1e16, 2**53 + 1, float("inf")])
def test_a_number_that_is_not_read_again_as_it_was_is_refused(number: float) -> None:
    content = Content(template="x", model=ModelChoice(params={"temperature": number}))

    with pytest.raises(InvalidRequest, match="numbers below 2"):
        content.canonical()


def test_a_format_of_a_newer_program_is_not_guessed_at() -> None:
    text = '{"engine":"template","format":2,"template":"x"}'
    version = PromptVersion(
        name="a", version="1.0.0", hash=digest(text), shape_hash="", content=text, file=""
    )

    with pytest.raises(VersionCorrupt, match="upgrade trimtab"):
        version.read()
