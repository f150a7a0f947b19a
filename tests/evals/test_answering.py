import json
from typing import Any

import pytest
from tests.evals.running import refuses, says

from trimtab.domain.errors import ProviderError
from trimtab.evals.answering import OfPrompt, given, said
from trimtab.evals.calling import Reply
from trimtab.evals.case import Case
from trimtab.testing import ScriptedGateway

TEXT, LIST = {"type": "string"}, {"type": "array"}


def asking(case: Case, prompt: str | None = "rag", **members: Any) -> dict[str, Any]:  # noqa: ANN401
    gateway = ScriptedGateway(lambda _place, _body: says("Yes"))
    of = OfPrompt(
        gateway=gateway,
        prompt=prompt,
        version="1.2.0",
        model=members.get("model", "answers"),
        variables=members.get("variables", {}),
    )
    body: dict[str, Any] = json.loads(of.body(case))
    return body


def test_a_prompt_is_asked_for_by_its_exact_version() -> None:
    body = asking(Case(id="q", input={"question": "Why?"}))

    assert body == {
        "model": "answers",
        "messages": [],
        "trimtab": {"prompt": {"id": "rag", "version": "1.2.0", "variables": {"question": "Why?"}}},
    }


def test_a_prompt_may_bring_its_model() -> None:
    assert "model" not in asking(Case(id="q", input={}), model="")


def test_history_is_the_conversation_before() -> None:
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    case = Case(id="q", input={"question": "Why?", "history": history})

    body, bare = asking(case), asking(case, None)

    assert body["messages"] == history
    assert body["trimtab"]["prompt"]["variables"] == {"question": "Why?"}
    assert bare["messages"] == [*history, {"role": "user", "content": "Why?"}]


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"contexts": LIST}, {"contexts": ["a", "b"]}),
        ({"contexts": {}}, {"contexts": ["a", "b"]}),
        ({"context": TEXT}, {"context": "a\n\nb"}),
        ({"question": TEXT}, {}),
    ],
)
def test_frozen_contexts_are_given_as_the_prompt_calls_them(
    variables: dict[str, dict[str, Any]], wanted: dict[str, Any]
) -> None:
    assert given(Case(id="q", input={}, contexts=("a", "b")), variables) == wanted


def test_live_contexts_and_those_of_the_input_are_left_alone() -> None:
    assert given(Case(id="q", input={}), {"contexts": LIST}) == {}
    frozen = Case(id="q", input={"context": "mine"}, contexts=("a",))
    assert given(frozen, {"context": TEXT}) == {"context": "mine"}


async def test_an_answer_is_its_text_with_what_it_took() -> None:
    told = said(says("Yes"))

    assert (told.text, told.output_tokens, told.cost_nano, told.model) == (
        "Yes",
        3,
        1000,
        "sim/large-1",
    )


def test_calls_of_tools_and_refusals_are_texts_too() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}

    def of(message: dict[str, Any]) -> str:
        body = json.dumps({"choices": [{"message": message}]}).encode()
        return said(Reply(status=200, body=body)).text

    assert json.loads(of({"content": None, "tool_calls": [call]})) == [call["function"]]
    assert of({"content": None, "refusal": "I will not."}) == "I will not."
    assert of({"content": None}) == ""


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": []}', b"\xff"])
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    told = said(Reply(status=200, body=body))

    assert (told.error, told.missed) == ("answer_unreadable", False)


def test_a_refusal_of_the_gateway_has_its_code_and_its_sentence() -> None:
    told = said(refuses(400, "prompt_variables_invalid"))

    assert (told.error, told.error_detail) == (
        "prompt_variables_invalid",
        "prompt_variables_invalid happened",
    )
    assert [said(refuses(it, "x")).missed for it in (400, 401, 402, 429, 500, 503)] == [
        False,
        *[True] * 5,
    ]
    assert said(Reply(status=418, body=b"tea")).error == "status_418"


async def test_a_gateway_that_cannot_be_reached_is_an_error_of_the_case() -> None:
    gateway = ScriptedGateway(lambda _place, _body: ProviderError("nobody listens"))
    of = OfPrompt(gateway=gateway, prompt="rag", version="1.0.0", model="", variables={})

    told = await of.answer(Case(id="q", input={}), place="ev_1/q/candidate/0")

    assert (told.error, told.missed) == ("gateway_unreachable", True)
