import json

import pytest
from tests.registry.adapters.conftest import Faults, example

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role
from trimtab.registry.adapters.base import Foreign
from trimtab.registry.adapters.mlflow import ADAPTER


def text(template: object, **more: object) -> str:
    return json.dumps({"name": "p", "template": template, **more})


def read(document: str) -> Foreign:
    return ADAPTER.read(document, "p.json")


def test_reads_a_model_version_by_its_tags() -> None:
    found = read(example("mlflow.json"))

    assert (found.name, found.version) == ("summarization-prompt", "2.0.0")
    assert found.content.messages[1] == Message(
        role=Role.USER, content="Sentences: {{ sentences }}"
    )
    params = {"temperature": 0.7, "stop": ["END"]}
    assert found.content.model == ModelChoice(id="gpt-4", params=params)
    assert found.content.output_schema == {
        "type": "object",
        "properties": {"summary": {"type": "string"}},
    }
    assert found.meta["x-tags"] == {"author": "alice"}


def test_names_what_it_leaves_out() -> None:
    left_out = [it.member.rpartition(".")[2] for it in read(example("mlflow.json")).losses]

    assert left_out == [
        *("creation_timestamp", "source", "aliases", "provider", "anthropic_version"),
    ]


def test_reads_a_registered_prompt() -> None:
    config = {"model_name": "gpt-4", "extra_params": {"seed": 1}}

    found = read(text("Hi {{ name }}", version=1, commit_message="first", model_config=config))

    assert found.content.template == "Hi {{ name }}"
    assert found.content.model == ModelChoice(id="gpt-4", params={"seed": 1})
    assert found.meta["x-commit-message"] == "first"


def test_a_text_with_statements_is_jinja() -> None:
    found = read(text("{% if name %}{{ name }}{% endif %}")).content

    assert found.engine is Engine.JINJA
    assert found.variables["name"].json_schema == {}


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        pytest.param(
            text("one", tags={"mlflow.prompt.text": "two"}),
            "tags.mlflow.prompt.text: is another text than `template`; find out who rewrote it",
            id="rewritten",
        ),
        pytest.param(text("{{user.name}}"), "is no {{name}}", id="dotted"),
        pytest.param(text("{% if a %}"), "is no Jinja for prompts", id="jinja"),
        pytest.param(text("{% set a = 1 %}{{ a }}"), "assign is not taken in a prompt", id="set"),
        pytest.param(text([]), "template: has no message; write one", id="no message"),
        pytest.param('{"name": "p"}', "has neither `template` nor the tag", id="no text"),
        pytest.param(
            text([{"role": "function", "content": "x"}]), "template[0].role: is 'func", id="role"
        ),
        pytest.param(
            text("x", tags={"_mlflow_prompt_model_config": "{"}),
            "tags._mlflow_prompt_model_config:1: this is no JSON",
            id="tag that is no JSON",
        ),
    ],
)
def test_refuses_what_it_cannot_carry(faults: Faults, document: str, fault: str) -> None:
    assert fault in faults("mlflow", document)


def test_refuses_to_write_a_placeholder() -> None:
    messages = (Message(placeholder="history"), Message(role=Role.USER, content="hi"))
    content = Content(messages=messages)

    with pytest.raises(SettingsInvalid, match="history: is a placeholder, which MLflow"):
        ADAPTER.write(Foreign(name="p", version=None, content=content))


def test_refuses_to_write_a_text_that_would_become_jinja() -> None:
    content = Content(engine=Engine.MUSTACHE, template="{% if a %}x{% endif %}")

    with pytest.raises(SettingsInvalid, match="p as mlflow: "):
        ADAPTER.write(Foreign(name="p", version=None, content=content))


def test_names_tools_that_have_no_place_there() -> None:
    tools = ({"type": "function", "function": {"name": "f"}},)
    content = Content(engine=Engine.MUSTACHE, template="hi", tools=tools)

    losses = ADAPTER.unsaid(Foreign(name="p", version="2.0.0", content=content))

    assert [it.member for it in losses] == ["tools"]
