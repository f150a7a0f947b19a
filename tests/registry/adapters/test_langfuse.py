import json

import pytest
from tests.registry.adapters.conftest import Faults, example

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role
from trimtab.domain.rendering import PURE_ENGINES
from trimtab.registry.adapters.base import Foreign, convert
from trimtab.registry.adapters.langfuse import ADAPTER
from trimtab.registry.format import read_file


def text(prompt: object, **more: object) -> str:
    return json.dumps({"name": "p", "prompt": prompt, **more})


def read(document: str) -> Foreign:
    return ADAPTER.read(document, "p.json")


def test_reads_a_chat_prompt() -> None:
    found = read(example("langfuse.json"))

    assert (found.name, found.version) == ("movie-critic", "3.0.0")
    assert found.content.engine is Engine.MUSTACHE
    assert found.content.messages == (
        Message(
            role=Role.SYSTEM, content="You are a {{criticLevel}} movie critic. {{house_rules}}"
        ),
        Message(placeholder="chat_history"),
        Message(role=Role.USER, content="What do you think about {{ movie }}?"),
    )
    assert list(found.content.variables) == ["criticLevel", "movie"]
    params = {"temperature": 0.5, "max_tokens": 300}
    assert found.content.model == ModelChoice(id="gpt-4o", params=params)


def test_an_exact_reference_becomes_a_partial_and_back() -> None:
    found = read(example("langfuse.json"))

    partials = read_file(convert(found), "p.prompt.yaml").partials
    assert partials == {"house_rules": "house-rules@2.0.0"}
    assert "@@@langfusePrompt:name=house-rules|version=2@@@" in ADAPTER.write(found)


def test_a_reference_to_a_name_that_is_none_of_ours_is_named() -> None:
    found = read(text("@@@langfusePrompt:name=House Rules|version=1@@@"))

    assert found.content.template == "{{house_rules}}"
    assert found.meta["partials"] == {"house_rules": "house-rules@1.0.0"}
    assert [it.member for it in found.losses] == ["prompt"]


def test_labels_and_unknown_settings_are_named() -> None:
    losses = [it.member for it in read(example("langfuse.json")).losses]

    assert losses == ["id", "labels", "config.supported_languages"]


def test_tags_and_the_commit_message_are_kept_beside_the_prompt() -> None:
    found = read(example("langfuse.json"))

    written = json.loads(ADAPTER.write(found))

    assert (written["tags"], written["commitMessage"]) == (["movies"], "softer tone")


def test_a_text_prompt_is_one_text() -> None:
    found = read(text("Hi {{name}}", type="text", version=1))

    assert found.content.template == "Hi {{name}}"
    assert found.content.messages == ()


def test_tools_and_the_answers_schema_come_out_of_config() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    answer = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}

    found = read(text("hi", config={"tools": [tool, {"a": 1}], "response_format": answer}))

    assert found.content.tools == (tool,)
    assert found.content.output_schema == {"type": "object"}
    assert [it.member for it in found.losses] == ["config.tools[1]"]


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        pytest.param(
            text("@@@langfusePrompt:name=a|label=production@@@"),
            "p.json: prompt: refers to 'name=a|label=production'; refer to a version",
            id="by label",
        ),
        pytest.param(
            text("{{rules}} @@@langfusePrompt:name=rules|version=1@@@"),
            "prompt: 'rules' would stand for two texts",
            id="partial named as a variable",
        ),
        pytest.param(text("{{#a}}x{{/a}}"), "prompt: '{{#a}}x{{/a}}' is no {{name}}", id="section"),
        pytest.param(text('{{"a": 1}'), "is no {{name}}", id="braces"),
        pytest.param(
            text([{"role": "tool", "content": "x"}]), "prompt[0].role: is 'tool'", id="role"
        ),
        pytest.param(
            text([{"role": "user", "content": [{"type": "image_url"}]}]),
            "prompt[0].content: has parts that are not one text",
            id="parts",
        ),
        pytest.param(
            text("hi", config={"maxTokens": 1, "max_tokens": 2}),
            "is given under two names; keep 'max_tokens'",
            id="two names",
        ),
        pytest.param(text(None), "prompt: is no text", id="no prompt"),
    ],
)
def test_refuses_what_it_cannot_carry(faults: Faults, document: str, fault: str) -> None:
    said = faults("langfuse", document).replace("doc", "p.json", 1)

    assert fault in said


def test_a_name_of_theirs_becomes_one_of_ours_and_is_named() -> None:
    found = read(json.dumps({"name": "Team/Movie Critic", "prompt": "hi"}))

    assert found.name == "team-movie-critic"
    assert [it.member for it in found.losses] == ["name"]


def test_a_template_says_the_same_in_braces_and_the_engine_is_named() -> None:
    content = Content(template="Hi ${name}, $$5", variables={})

    said = Foreign(name="p", version=None, content=content)
    back = read(ADAPTER.write(said)).content.template or ""

    render = PURE_ENGINES[Engine.MUSTACHE](back)
    assert render({"name": "Ada"}) == "Hi Ada, $5"
    assert [it.member for it in ADAPTER.unsaid(said)][:2] == ["engine", "template"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(Content(template="{{a}}"), id="braces that are text"),
        pytest.param(Content(engine=Engine.MUSTACHE, template="{{#a}}x{{/a}}"), id="section"),
        pytest.param(Content(engine=Engine.JINJA, template="{% if a %}x{% endif %}"), id="jinja"),
    ],
)
def test_refuses_to_write_what_langfuse_would_send_as_it_stands(content: Content) -> None:
    with pytest.raises(SettingsInvalid, match=r"p as langfuse: .*; "):
        ADAPTER.write(Foreign(name="p", version=None, content=content))
