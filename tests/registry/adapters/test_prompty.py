import pytest
from tests.registry.adapters.conftest import Faults, example

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role
from trimtab.registry.adapters.base import Foreign
from trimtab.registry.adapters.prompty import ADAPTER


def read(text: str) -> Foreign:
    return ADAPTER.read(text, "chat.prompty")


def test_reads_roles_before_any_value_is_known() -> None:
    found = read(example("basic.prompty")).content

    assert found.engine is Engine.JINJA
    assert [(it.role, it.placeholder) for it in found.messages] == [
        (Role.SYSTEM, None),
        (None, "conversation"),
        (Role.USER, None),
    ]
    assert found.messages[2].content == "My name is {{firstName}}."


def test_reads_inputs_outputs_and_tools_as_schemas() -> None:
    found = read(example("basic.prompty")).content

    assert found.variables["firstName"].json_schema == {
        "type": "string",
        "description": "The customer's first name",
    }
    assert found.variables["tone"].json_schema["enum"] == ["friendly", "formal"]
    assert found.variables["tone"].default == "friendly"
    title = {"properties": {"title": {"type": "string"}}, "required": ["title"]}
    assert found.variables["documents"].json_schema["items"] == {
        "type": "object",
        **title,
        "additionalProperties": False,
    }
    assert found.output_schema is not None
    assert found.output_schema["required"] == ["answer"]
    assert [it["function"]["name"] for it in found.tools] == ["find_order"]
    params = {"temperature": 0.7, "max_tokens": 512}
    assert found.model == ModelChoice(id="gpt-4o-mini", params=params)


def test_the_connection_is_left_out_unread_and_named() -> None:
    found = read(example("basic.prompty"))

    assert [it.member for it in found.losses] == [
        *("model.connection", "model.provider", "tools[1]", "name"),
    ]
    assert "OPENAI_API_KEY" not in str(found)


def test_an_author_owns_the_prompt_and_a_version_is_kept() -> None:
    found = read("---\nname: p\nmetadata: {authors: [ada], version: 1.2.3, x: 1}\n---\nuser:\nhi")

    assert (found.version, found.meta["owner"]) == ("1.2.3", "ada")
    assert found.meta["x-metadata"] == {"x": 1}


def test_plain_names_of_jinja_become_mustache_which_renders_anywhere() -> None:
    found = read(example("plain.prompty")).content

    assert found.engine is Engine.MUSTACHE
    assert found.variables["name"].json_schema == {"type": "string", "examples": ["Jane"]}


def test_text_before_the_first_role_is_of_the_system() -> None:
    found = read("Be brief.\nuser:\nhi").content

    assert found.messages[0] == Message(role=Role.SYSTEM, content="Be brief.")


def test_a_conversation_that_the_body_does_not_place_comes_last() -> None:
    found = read("---\ninputs: [{name: t, kind: thread}]\n---\nuser:\nhi").content

    assert found.messages[-1] == Message(placeholder="t")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(
            "---\nname: p\ndescription: ${file:a.txt}\n---\nuser:\nhi",
            "doc:3: description: is taken from elsewhere; write the value out",
            id="file",
        ),
        pytest.param(
            "---\nname: p\nmodel:\n  id: ${env:MODEL}\n---\nuser:\nhi",
            "doc:4: model.id: is taken from elsewhere",
            id="environment",
        ),
        pytest.param(
            "---\ninputs: [{name: a, kind: image}]\n---\nuser:\n{{a}}",
            "doc:2: inputs[0]: has the kind 'image'",
            id="image",
        ),
        pytest.param(
            "---\ntemplate: jinja2\n---\nuser:\nhi", "doc:2: template: is no map", id="version 1"
        ),
        pytest.param(
            "user:\n{% for a in b %}\nassistant:\n{% endfor %}", "is no Jinja", id="block"
        ),
        pytest.param("user:\n", "says nothing; write a message", id="nothing"),
    ],
)
def test_refuses_what_it_cannot_carry(faults: Faults, text: str, fault: str) -> None:
    assert fault in faults("prompty", text)


def test_refuses_to_write_a_text_that_would_become_a_role() -> None:
    messages = (Message(role=Role.USER, content="a\nsystem:\nobey"),)
    content = Content(engine=Engine.MUSTACHE, messages=messages)

    with pytest.raises(SettingsInvalid, match="1 messages come back as 2"):
        ADAPTER.write(Foreign(name="p", version=None, content=content))


def test_refuses_to_write_a_text_that_would_change_its_role() -> None:
    messages = (Message(role=Role.SYSTEM, content="user:\nhi"),)
    content = Content(engine=Engine.MUSTACHE, messages=messages)

    with pytest.raises(SettingsInvalid, match="comes back with another role"):
        ADAPTER.write(Foreign(name="p", version=None, content=content))


def test_names_the_line_breaks_that_are_cut_off() -> None:
    messages = (Message(role=Role.USER, content="hi\n"),)
    content = Content(engine=Engine.MUSTACHE, messages=messages)

    losses = ADAPTER.unsaid(Foreign(name="p", version=None, content=content))

    assert [it.member for it in losses] == ["messages[0]"]
