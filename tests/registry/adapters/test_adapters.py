"""What holds of every format: the suite takes its adapters from the table."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from tests.registry.adapters.conftest import EXAMPLES, example

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role
from trimtab.domain.rendering import PURE_ENGINES, Text
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters import FORMATS, adapter
from trimtab.registry.adapters.base import Foreign, convert
from trimtab.registry.adapters.texts import to_braces, to_template, variables_of
from trimtab.registry.format import read_file

NAMES: tuple[str, ...] = ("a", "b_1", "Name")
HOSTILE = (
    *(
        "{{",
        "}}",
        "{",
        "$",
        "$$",
        "$a",
        "${a}",
        "{{a}}",
        "{% if a %}",
        "{#",
        "\\",
        "\n",
        " ",
        "---",
    ),
    *("system:", "user:", '{{role "system"}}', "<<<dotprompt:role:system>>>", "@@@langfusePrompt:"),
    *("{{history}}", "{{!", "~", "\r\n", "\u2028", "\x00", "\x85", "#x", "'", '"', "&a", "*a", "é"),
)

words = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "Zs"), exclude_characters="{}$\\:#<@"),
    max_size=12,
)
plain = st.lists(words, min_size=1, max_size=4).flatmap(
    lambda literals: st.tuples(
        st.just(["x", *literals, "x"]),
        st.lists(st.sampled_from(NAMES), min_size=len(literals) + 1, max_size=len(literals) + 1),
    )
)
wild = st.lists(st.sampled_from(HOSTILE) | words, max_size=6).map("".join)
params = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "max_tokens": st.integers(1, 2**40),
        "stop": st.lists(words, min_size=1, max_size=2),
        "seed": st.integers(0, 2**40),
    },
)
models = st.builds(ModelChoice, id=st.sampled_from(["gpt-4o", "claude-sonnet-4-6"]), params=params)
TOOL = {"name": "find", "description": "Find it", "parameters": {"type": "object"}}
ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "additionalProperties": False,
}
ENGINES = {
    "langsmith": (Engine.TEMPLATE, Engine.MUSTACHE),
    "langfuse": (Engine.MUSTACHE,),
    "mlflow": (Engine.MUSTACHE,),
    "prompty": (Engine.MUSTACHE,),
    "dotprompt": (Engine.MUSTACHE,),
}
CANNOT = {"mlflow": {"placeholder", "tools"}, "prompty": {"template", "tools"}}


@st.composite
def sayable(draw: st.DrawFn, name: str) -> Content:
    """A content that the format can say."""
    engine, cannot = draw(st.sampled_from(ENGINES[name])), CANNOT.get(name, set[str]())
    write = to_template if engine is Engine.TEMPLATE else to_braces
    texts = [write(it) for it in draw(st.lists(plain, min_size=1, max_size=3))]
    content = Content(engine=engine, template=texts[0])
    if "template" in cannot or draw(st.booleans()):
        messages = [Message(role=draw(st.sampled_from(Role)), content=it) for it in texts]
        if "placeholder" not in cannot and draw(st.booleans()):
            messages.insert(draw(st.integers(1, len(texts))), Message(placeholder="history"))
        content = Content(engine=engine, messages=tuple(messages))
    if "tools" not in cannot and draw(st.booleans()):
        tools = ({"type": "function", "function": TOOL},)
        content = msgspec.structs.replace(content, tools=tools)
    if content.template is None and draw(st.booleans()):
        content = msgspec.structs.replace(content, output_schema=ANSWER)
    names = variables_of(engine, [it.content for it in content.said if it.content])
    model = draw(st.none() | models)
    return msgspec.structs.replace(content, model=model, variables=names)


@st.composite
def anything(draw: st.DrawFn) -> Content:
    """A content that is well formed, whether or not a format can say it."""
    engine = draw(st.sampled_from(Engine))
    texts = draw(st.lists(wild, min_size=1, max_size=3))
    messages = tuple(Message(role=draw(st.sampled_from(Role)), content=it) for it in texts)
    try:
        names = variables_of(engine, texts)
    except Wrong:
        assume(False)  # noqa: FBT003 -- its own name for it
        raise
    return Content(engine=engine, messages=messages, variables=names)


def prompt(content: Content) -> Foreign:
    return Foreign(name="p", version=None, content=content)


@pytest.mark.parametrize("name", FORMATS)
def test_the_table_leads_to_an_adapter_of_that_name(name: str) -> None:
    assert adapter(name).format == name


def test_refuses_a_format_that_is_not_in_the_table() -> None:
    with pytest.raises(SettingsInvalid, match="'langfuze' is not known; did you mean 'langfuse'"):
        adapter("langfuze")


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12)
@given(data=st.data())
def test_what_both_formats_can_say_comes_back_with_the_same_hash(
    name: str, data: st.DataObject
) -> None:
    said = prompt(data.draw(sayable(name)))

    back = adapter(name).read(adapter(name).write(said), "doc")

    assert back.content.canonical() == said.content.canonical()
    assert adapter(name).unsaid(said) == ()


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(content=anything())
def test_what_cannot_be_said_is_refused_or_named(name: str, content: Content) -> None:
    with suppress(SettingsInvalid):
        losses = adapter(name).unsaid(prompt(content))
        back = adapter(name).read(adapter(name).write(prompt(content)), "doc").content

        assert losses or back.canonical() == content.canonical()
        assert heard(back) == heard(content)


def heard(content: Content) -> list[tuple[Role | None, str]]:
    """What the model hears, but for space at the ends of texts."""
    make = {**PURE_ENGINES, Engine.JINJA: jinja}[content.engine]
    values = {name: f"<{name}>" for name in content.variables}
    return [(it.role, make(it.content or "")(values).strip()) for it in content.said]


def jinja(text: str) -> Text:
    return Environment(keep_trailing_newline=True).from_string(text).render  # noqa: S701


@pytest.mark.parametrize(("file", "name"), EXAMPLES.items())
def test_a_vendors_example_becomes_a_prompt_file_that_says_the_same(file: str, name: str) -> None:
    found = adapter(name).read(example(file), file)

    read = read_file(convert(found), "p.prompt.yaml")

    assert read.content.canonical() == found.content.canonical()
    assert read.name == found.name
    assert read.version == (found.version or "1.0.0")


@pytest.mark.parametrize(("file", "name"), EXAMPLES.items())
def test_a_vendors_example_goes_back_without_a_loss(file: str, name: str) -> None:
    found = adapter(name).read(example(file), file)

    assert adapter(name).unsaid(found) == ()


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """An example with something cut out, put in, or replaced by what does not belong there."""
    file = draw(st.sampled_from(sorted(EXAMPLES)))
    text = example(file)
    if file.endswith(".json") and draw(st.booleans()):
        document = json.loads(text)
        change(draw, document)
        return json.dumps(document)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    return text[:start] + draw(wild | words) + text[end:]


def change(draw: st.DrawFn, at: Any) -> None:  # noqa: ANN401 -- any JSON
    """Put something else somewhere into a document."""
    keys: list[Any] = [*at] if hasattr(at, "items") else [*range(len(at))]
    key = draw(st.sampled_from(keys))
    if isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 9)):
        change(draw, at[key])
    else:
        at[key] = draw(json_values)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(text=mangled())
def test_a_mangled_document_is_read_or_refused_by_its_path(name: str, text: str) -> None:
    said = read_or_fault(name, text)

    assert isinstance(said, Foreign) or (said.startswith("some/doc.x") and "; " in said)


def read_or_fault(name: str, text: str) -> Foreign | str:
    try:
        return adapter(name).read(text, "some/doc.x")
    except SettingsInvalid as exc:
        return str(exc)


JSON = ("langsmith", "langfuse", "mlflow")
FRONT = ("prompty", "dotprompt")


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep list"),
        pytest.param('{"a":' * 60_000 + "1" + "}" * 60_000, id="deep map"),
        pytest.param('{"a": ' + "1" * 5_000 + "}", id="long number"),
        pytest.param('{"name": "a", "prompt": "\\ud800", "template": "hi"}', id="half a character"),
        pytest.param('{"name": "a", "prompt": "hi", "config": 1e999}', id="infinity"),
        pytest.param('{"name": "a", "name": "b", "prompt": "hi"}', id="given twice"),
        pytest.param("{}", id="nothing in it"),
        pytest.param("null", id="null"),
        pytest.param("", id="empty"),
        pytest.param(" " * 10_000_000, id="ten megabytes"),
    ],
)
def test_json_that_nobody_should_send_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^doc.*; "):
        adapter(name).read(text, "doc")


@pytest.mark.parametrize("name", FRONT)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("---\na: " + "[" * 600 + "]" * 600 + "\n---\nhi", id="deep"),
        pytest.param("---\na: " + "1" * 5_000 + "\n---\nhi", id="long number"),
        pytest.param("---\na: 1e999\n---\nhi", id="infinity"),
        pytest.param("---\na: 1\na: 2\n---\nhi", id="given twice"),
        pytest.param("---\na: &x 1\n---\nhi", id="anchor"),
        pytest.param("---\na: *x\n---\nhi", id="alias"),
        pytest.param("---\na: !!python/object:os.system 1\n---\nhi", id="tag"),
        pytest.param("---\n- a\n---\nhi", id="list"),
        pytest.param("---\nname: x\n", id="no end of the front matter"),
        pytest.param("---\n" + "a: 1\n" * 2**17 + "---\nhi", id="long front matter"),
        pytest.param("---\n---\n", id="nothing in it"),
        pytest.param("", id="empty"),
        pytest.param("x" * 10_000_000, id="ten megabytes"),
    ],
)
def test_front_matter_that_nobody_should_send_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^doc.*; "):
        adapter(name).read(text, "doc")


@pytest.mark.parametrize("name", FRONT)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("{{" * 200_000, id="opened"),
        pytest.param("{{a}}" * 20_000 + "{{", id="opened at last"),
        pytest.param("{{!-- " * 100_000, id="comments"),
        pytest.param("{{#if a}}" * 50_000, id="blocks"),
        pytest.param("{{a}} " + " " * 500_000, id="spaces"),
        pytest.param("system:\n{{" + " " * 500_000, id="spaces in a tag"),
        pytest.param("{{ " + "(" * 100_000 + " }}", id="parentheses"),
        pytest.param("".join(f"{{{{v{number}}}}}" for number in range(50_000)), id="many names"),
    ],
)
def test_a_body_made_to_keep_the_reader_busy_is_refused_soon(name: str, body: str) -> None:
    with suppress(SettingsInvalid):
        adapter(name).read(body, "doc")
