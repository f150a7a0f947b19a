import json
from typing import Any

import pytest
from tests.telemetry.shapes import record

from trimtab.domain.prompt import Content
from trimtab.evals.kept import answer_of, case_of
from trimtab.registry.format import read_file

PROMPT = """
schema: 1
name: rag
version: 1.0.0
variables:
  question: {type: string, x-trust: user}
  passages: {type: array, items: {type: string}, x-trust: retrieved, x-fence: true}
messages:
  - {role: user, content: "{{ question }} {{ passages }}"}
"""


def content() -> Content:
    return read_file(PROMPT, "rag.prompt.yaml").content


def asked(*messages: dict[str, Any], **members: object) -> bytes:
    return json.dumps({"messages": messages, **members}).encode()


def user(said: object) -> dict[str, Any]:
    return {"role": "user", "content": said}


def test_the_question_is_the_variable_of_that_name_and_contexts_are_what_was_retrieved() -> None:
    variables = json.dumps({"question": "How long?", "passages": ["14 days", "a year"]}).encode()

    case = case_of(record(), variables, asked(user("rendered")), content())

    assert case is not None
    assert (case.id, case.question) == (record().request_id, "How long?")
    assert case.contexts == ("14 days", "a year")


def test_a_prompt_that_retrieved_nothing_has_no_contexts_and_that_is_known() -> None:
    variables = json.dumps({"question": "How long?", "passages": []}).encode()

    case = case_of(record(), variables, None, content())

    assert case is not None
    assert case.contexts == ()


@pytest.mark.parametrize(
    "body",
    [
        asked({"role": "system", "content": "be kind"}, user("before"), user("How long?")),
        asked(user([{"type": "text", "text": "How"}, {"type": "text", "text": "long?"}])),
        asked(user([{"type": "image"}, {"type": "text", "text": "How\nlong?"}]), system="be kind"),
        json.dumps({"input": "How long?"}).encode(),
        json.dumps({"input": [user([{"type": "input_text", "text": "How long?"}])]}).encode(),
    ],
)
def test_without_a_prompt_the_question_is_what_the_user_said_last(body: bytes) -> None:
    case = case_of(record(), None, body, None)

    assert case is not None
    assert case.question.replace("\n", " ") == "How long?"
    assert case.contexts is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"no json",
        b"\xff",
        b"[]",
        asked(),
        asked(user(" ")),
        asked(user("a"), {"role": "tool", "content": "42"}),
        asked(user([{"type": "image"}])),
    ],
)
def test_what_is_no_question_in_words_is_no_case(body: bytes | None) -> None:
    assert case_of(record(), None, body, None) is None


def test_an_answer_is_the_text_of_its_parts() -> None:
    parts = [
        {"type": "reasoning", "content": "hm"},
        {"type": "text", "content": "14 "},
        {"type": "text", "content": "days"},
    ]

    answer = answer_of(record(), json.dumps({"parts": parts}).encode())

    assert answer is not None
    assert (answer.text, answer.latency_s, answer.output_tokens) == ("14 days", 2.34, 487)


@pytest.mark.parametrize("said", [None, b"{}", b'{"parts": [{"type": "tool_call", "name": "a"}]}'])
def test_a_call_of_a_tool_is_no_answer_in_words(said: bytes | None) -> None:
    assert answer_of(record(), said) is None
