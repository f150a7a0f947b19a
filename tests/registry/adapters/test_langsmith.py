import json
from typing import Any

import pytest
from tests.registry.adapters.conftest import Faults, example

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role, Variable
from trimtab.registry.adapters.base import Foreign
from trimtab.registry.adapters.langsmith import ADAPTER


def made(name: str, **kwargs: object) -> dict[str, object]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", name], "kwargs": kwargs}


def prompt(template: str, form: str = "f-string", **more: object) -> dict[str, object]:
    return made("PromptTemplate", template=template, template_format=form, **more)


def human(template: str, form: str = "f-string") -> dict[str, object]:
    return made("HumanMessagePromptTemplate", prompt=prompt(template, form))


def chat(*messages: object, **more: object) -> str:
    return json.dumps(made("ChatPromptTemplate", messages=messages, **more))


def read(text: str) -> Foreign:
    return ADAPTER.read(text, "p.json")


def test_reads_a_commit_with_a_model() -> None:
    found = read(example("langsmith.json"))

    assert found.name == "rag-answer"
    assert found.version is None
    assert found.meta == {"x-origin": "langsmith:acme/Rag-Answer@7f3c1d9e0b52"}
    said = 'You are a $persona. Answer as {"answer": ...}, never above $5.'
    assert found.content.messages == (
        Message(role=Role.SYSTEM, content=said),
        Message(placeholder="history"),
        Message(role=Role.USER, content="CONTEXT:\n$context\n\nQUESTION:\n$question"),
    )
    assert found.content.variables["persona"] == Variable(
        required=False, json_schema={"type": "string"}, default="concise assistant"
    )
    params = {"temperature": 0.2, "max_tokens": 512}
    assert found.content.model == ModelChoice(id="gpt-4o-mini", params=params)
    assert found.content.tools[0]["function"]["name"] == "search"


def test_names_what_it_leaves_out_without_its_value() -> None:
    found = read(example("langsmith.json"))

    left_out = [it.member.rpartition(".")[2] for it in found.losses]
    assert left_out == ["openai_api_key", "max_retries", "repo"]
    assert "OPENAI_API_KEY" not in str(found.losses)


def test_keeps_mustache_as_it_is() -> None:
    found = read(chat(human("{{#docs}}{{title}}{{/docs}} {{q}}", "mustache"))).content

    assert found.engine is Engine.MUSTACHE
    assert found.messages[0].content == "{{#docs}}{{title}}{{/docs}} {{q}}"
    assert found.variables["docs"].json_schema == {}


def test_a_message_that_is_no_template_says_its_braces_and_dollars() -> None:
    literal = made("SystemMessage", content="{x} $y", type="system")

    found = read(chat(literal, human("{q}"))).content

    assert found.messages[0].content == "{x} $$y"
    assert list(found.variables) == ["q"]


def test_a_structured_prompt_has_the_schema_of_its_answer() -> None:
    structured = made("StructuredPrompt", messages=[human("{q}")], schema_={"type": "object"})

    assert read(json.dumps(structured)).content.output_schema == {"type": "object"}


def test_a_developer_becomes_system_and_is_named() -> None:
    found = read(chat(made("ChatMessagePromptTemplate", prompt=prompt("x"), role="developer")))

    assert found.content.messages[0].role is Role.SYSTEM
    assert [it.member for it in found.losses] == ["kwargs.messages[0].kwargs.role"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(chat(made("FewShotPrompt")), "is a LangChain FewShotPrompt", id="object"),
        pytest.param(json.dumps(made("LLMChain")), "is a LangChain LLMChain", id="chain"),
        pytest.param(chat(made("ToolMessage")), "is a LangChain ToolMessage", id="tool message"),
        pytest.param(chat(human("{a.b}")), "{a.b} is more than a name", id="attribute"),
        pytest.param(chat(human("x", "jinja2")), "is 'jinja2'", id="jinja"),
        pytest.param(chat(human("x"), human("x", "mustache")), "two template formats", id="mixed"),
        pytest.param(
            chat(made("MessagesPlaceholder", variable_name="a"))[:-3]
            + ", "
            + json.dumps(made("MessagesPlaceholder", variable_name="b"))
            + "]}}",
            "is a second placeholder",
            id="two placeholders",
        ),
        pytest.param(
            chat(human("{a}"), partial_variables={"b": "x"}),
            "kwargs.partial_variables.b: is no value",
            id="partial of nothing",
        ),
        pytest.param(
            chat(made("AIMessagePromptTemplate", prompt=prompt("{a}", partial_variables={"a": 1}))),
            "belong to one message",
            id="partial of a message",
        ),
        pytest.param('{"lc": 2}', "is no LangChain object", id="no object"),
        pytest.param(
            json.dumps({"lc": 1, "type": "not_implemented", "id": ["langchain", "X"]}),
            "is a LangChain X",
            id="not implemented",
        ),
    ],
)
def test_refuses_by_name_what_is_no_prompt(faults: Faults, text: str, fault: str) -> None:
    assert fault in faults("langsmith", text)


def test_refuses_to_write_jinja() -> None:
    jinja = Content(engine=Engine.JINJA, template="{% if a %}x{% endif %}")

    with pytest.raises(SettingsInvalid, match="p as langsmith: engine: is jinja"):
        ADAPTER.write(Foreign(name="p", version=None, content=jinja))


@pytest.mark.parametrize(
    ("model", "name"), [("claude-sonnet-4-6", "ChatAnthropic"), ("gpt-4o", "ChatOpenAI")]
)
def test_writes_the_class_of_the_model(model: str, name: str) -> None:
    content = Content(template="hi", model=ModelChoice(id=model))

    written: Any = json.loads(ADAPTER.write(Foreign(name="p", version=None, content=content)))

    assert written["kwargs"]["last"]["id"][-1] == name


def test_names_the_schema_that_has_no_place_there() -> None:
    schema = {"type": "string", "maxLength": 9}
    names = {"a": Variable(required=True, json_schema=schema)}
    content = Content(template="$a", variables=names)
    said = Foreign(name="p", version="3.1.0", content=content, meta={"owner": "me"})

    assert [str(it) for it in ADAPTER.unsaid(said)] == [
        "owner: has no place in langsmith; keep the prompt file",
        "variables.a: comes back otherwise from langsmith; keep the prompt file",
        "version: comes back otherwise from langsmith; keep the prompt file",
    ]
