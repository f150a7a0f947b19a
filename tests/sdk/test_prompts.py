from typing import Annotated

import pytest
from pydantic import ValidationError
from tests.sdk.conftest import MakeClient
from tests.sdk.registry import FakeRegistry, rag, variable, version

from trimtab.domain.errors import PromptShapeError, PromptVariablesInvalid, SettingsInvalid
from trimtab.domain.prompt import Content, Variable
from trimtab.sdk.prompts import Field, JsonSchema, PromptVars


class RagAnswerPrompt(PromptVars, prompt="rag-answer", major=3, shape=rag().shape()):
    question: str = Field(min_length=1)
    context: str = Field(max_length=200_000)
    persona: str = "technical assistant"


ASKED = RagAnswerPrompt(question="Why?", context="Because.")


def test_renders_its_prompt(client: MakeClient) -> None:
    prompt = ASKED.render(client())

    assert (prompt.name, prompt.version) == ("rag-answer", "3.2.0")
    assert prompt.text is not None
    assert "technical assistant" in prompt.text


def test_the_wrong_shape_fails_where_it_is_made() -> None:
    with pytest.raises(ValidationError):
        RagAnswerPrompt(question="", context="C")
    with pytest.raises(ValidationError):
        RagAnswerPrompt(question="Q")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError):
        RagAnswerPrompt(question="Q", context="C", tone="dry")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValidationError):
        RagAnswerPrompt(question=5, context="C")  # pyright: ignore[reportArgumentType]


def test_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        ASKED.question = "What?"


def _serve(registry: FakeRegistry, number: str, **variables: Variable) -> None:
    content = Content(template="".join(f"${name} " for name in variables), variables=variables)
    registry.publish(version(number, content))
    registry.move(number)


OLD = {"question": variable(), "context": variable()}


def test_another_major_is_refused(registry: FakeRegistry, client: MakeClient) -> None:
    _serve(registry, "4.0.0", **OLD, persona=variable("p"))

    with pytest.raises(PromptShapeError, match=r"'rag-answer@4\.0\.0'.*made for major 3"):
        ASKED.render(client())


def test_a_variable_that_the_wrapper_does_not_have_is_refused(
    registry: FakeRegistry, client: MakeClient
) -> None:
    _serve(registry, "3.9.0", **OLD, persona=variable("p"), tone=variable())

    with pytest.raises(PromptShapeError, match="it needs 'tone', too"):
        ASKED.render(client())


def test_a_new_variable_with_a_default_is_the_versions_own(
    registry: FakeRegistry, client: MakeClient
) -> None:
    _serve(registry, "3.9.0", **OLD, persona=variable("p"), tone=variable("dry"))

    assert ASKED.render(client()).text == "Why? Because. p dry "


def test_what_was_not_set_is_the_versions_to_say(
    registry: FakeRegistry, client: MakeClient
) -> None:
    _serve(registry, "3.9.0", **OLD, persona=variable("another"))
    set_ = RagAnswerPrompt(question="Why?", context="Because.", persona="mine")

    assert ASKED.render(client()).text == "Why? Because. another "
    assert set_.render(client()).text == "Why? Because. mine "


def test_the_wrappers_default_is_given_where_the_version_has_none(
    registry: FakeRegistry, client: MakeClient
) -> None:
    _serve(registry, "3.9.0", **OLD, persona=variable())

    assert ASKED.render(client()).text == "Why? Because. technical assistant "


def test_a_rollback_to_before_a_variable_breaks_only_who_sets_it(
    registry: FakeRegistry, client: MakeClient
) -> None:
    _serve(registry, "3.1.0", **OLD)
    set_ = RagAnswerPrompt(question="Why?", context="Because.", persona="mine")

    assert ASKED.render(client()).text == "Why? Because. "
    with pytest.raises(PromptShapeError, match="'persona' is no variable of it"):
        set_.render(client())


def test_a_value_that_a_narrower_version_refuses_is_a_wrong_shape(
    registry: FakeRegistry, client: MakeClient
) -> None:
    _serve(registry, "3.9.0", **OLD | {"context": variable(maxLength=3)}, persona=variable("p"))

    with pytest.raises(PromptShapeError, match="is longer than 3 characters"):
        ASKED.render(client())
    short = RagAnswerPrompt(question="Why?", context="C")
    assert short.render(client()).text == "Why? C p "


def test_a_value_that_its_own_shape_refuses_is_a_wrong_value(client: MakeClient) -> None:
    with pytest.raises(PromptVariablesInvalid):
        RagAnswerPrompt(question="x" * 2**22, context="C").render(client())


def test_renders_a_version_for_a_tenant_with_the_conversation(
    registry: FakeRegistry, client: MakeClient
) -> None:
    registry.publish(version("3.3.0", rag("$question $context $persona")))
    registry.move("3.3.0", scope="tenant:acme")
    history = [{"role": "user", "content": "Hi"}]

    acme = ASKED.render(client(), tenant="acme", messages=history)
    named = ASKED.render(client(), version="3.2.0", tenant="acme")

    assert (acme.version, acme.messages[-1]) == ("3.3.0", history[0])
    assert (named.version, named.label) == ("3.2.0", None)


class Order(PromptVars, prompt="order", major=1):
    class_: str = Field(serialization_alias="class")
    lines: list[int] = Field(default=[])
    code: Annotated[str, JsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})] = "ABC"


def test_a_field_is_named_as_python_can(registry: FakeRegistry, client: MakeClient) -> None:
    variables = {
        "class": variable(),
        "lines": variable(type="array"),
        "code": variable("ABC", pattern="^[A-Z]{3}$"),
    }
    content = Content(template="$class $lines $code", variables=variables)
    registry.publish(version("1.0.0", content, name="order"))

    prompt = Order(class_="A", lines=[1, 2]).render(client(), version="1.0.0")

    assert prompt.text == "A [1,2] ABC"


def test_what_a_type_cannot_say_is_checked_by_its_schema() -> None:
    with pytest.raises(ValidationError, match="is not what its schema takes") as refused:
        Order(class_="A", code="secret")

    assert "variable 'it'" not in str(refused.value)


def test_needs_a_client_or_a_configured_one() -> None:
    with pytest.raises(SettingsInvalid, match="configure"):
        ASKED.render()


def test_a_class_for_no_prompt_says_what_is_missing(client: MakeClient) -> None:
    class Base(PromptVars):
        question: str

    with pytest.raises(PromptShapeError, match="Base is for no prompt"):
        Base(question="Q").render(client())


def test_a_subclass_is_for_the_same_prompt(client: MakeClient) -> None:
    class Terse(RagAnswerPrompt):
        persona: str = "terse"

    assert Terse(question="Q", context="C").render(client()).name == "rag-answer"
