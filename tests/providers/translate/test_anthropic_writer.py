"""Requests of OpenAI's wire, as a provider of Anthropic's is asked."""

from typing import Any

import pytest
from tests.providers.translate.conftest import HELLO, TO_ANTHROPIC, lost, sent

from trimtab.domain.errors import InvalidRequest
from trimtab.providers.base import Loss
from trimtab.providers.translate.anthropic_writer import MAX_TOKENS, call_id

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
FUNCTION = {"type": "function", "function": {"name": "f"}}


def asked(**said: object) -> dict[str, Any]:
    body = sent(TO_ANTHROPIC, said)
    assert body.pop("model") == "target"
    return body


def texts(*said: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in said]


def test_the_first_system_texts_become_the_system() -> None:
    body = asked(
        messages=[
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            *HELLO,
        ]
    )

    assert body["system"] == texts("a", "b")
    assert body["messages"] == [{"role": "user", "content": texts("Hello")}]


def test_a_later_system_text_has_no_place() -> None:
    said = [*HELLO, {"role": "system", "content": "later"}]

    assert lost(TO_ANTHROPIC, messages=said) == (Loss("messages[1]", hint=False),)


def test_what_one_side_says_in_a_row_is_one_message() -> None:
    body = asked(
        messages=[
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": "", "refusal": "d"},
            {"role": "user", "content": "e"},
        ]
    )

    assert body["messages"] == [
        {"role": "user", "content": texts("a", "b")},
        {"role": "assistant", "content": texts("c", "d")},
        {"role": "user", "content": texts("e")},
    ]


def test_calls_and_their_results_stay_pairs_and_results_come_first() -> None:
    odd = {"id": "functions.g:0", "type": "function", "function": {"name": "g", "arguments": ""}}
    body = asked(
        messages=[
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [CALL, odd]},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "functions.g:0", "content": texts("two", "three")},
            {"role": "user", "content": "go on"},
        ]
    )

    _, calls, results = body["messages"]
    assert calls["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": call_id("functions.g:0"), "name": "g", "input": {}},
    ]
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": texts("one")},
        {
            "type": "tool_result",
            "tool_use_id": call_id("functions.g:0"),
            "content": texts("two", "three"),
        },
        *texts("go on"),
    ]


def test_a_result_comes_first_even_if_something_was_said_before_it() -> None:
    body = asked(
        messages=[
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "user", "content": "Wait."},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        ]
    )

    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_result", "text"]


def test_ids_that_the_wire_does_not_allow_are_hashed_and_the_others_stay() -> None:
    assert call_id("toolu_01-a") == "toolu_01-a"
    assert call_id("functions.f:0") == call_id("functions.f:0") != call_id("functions.f:1")
    assert call_id("") == call_id("")
    assert all(call_id(given).startswith("tt_") for given in ("", "a.b", "é"))


def test_arguments_that_are_no_object_are_the_callers_fault() -> None:
    call = {**CALL, "function": {"name": "f", "arguments": '{"a":'}}

    with pytest.raises(InvalidRequest) as raised:
        lost(TO_ANTHROPIC, messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}])

    assert raised.value.param == "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize(
    ("part", "block"),
    [
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
            {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}},
            id="a link",
        ),
        pytest.param(
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
            },
            id="an image",
        ),
        pytest.param(
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
            },
            id="a document",
        ),
    ],
)
def test_images_and_documents_are_carried_over(part: dict[str, Any], block: dict[str, Any]) -> None:
    [message] = asked(messages=[{"role": "user", "content": [part]}])["messages"]

    assert message["content"] == [block]


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"type": "input_audio", "input_audio": {}}, "input_audio"),
        ({"type": "image_url", "image_url": {"url": "ftp://h/a"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}, "image_url.url"),
        ({"type": "file", "file": {"file_id": "f"}}, "file.file_id"),
        (
            {"type": "file", "file": {"file_data": "data:text/csv;base64,AA"}},
            "file.file_data",
        ),
    ],
)
def test_what_the_model_cannot_be_shown_is_lost(part: dict[str, Any], name: str) -> None:
    losses = lost(TO_ANTHROPIC, messages=[{"role": "user", "content": [part]}])

    assert losses[0] == Loss(f"messages[0].content[0].{name}", hint=False)


@pytest.mark.parametrize(
    ("said", "members"),
    [
        ({}, {"max_tokens": MAX_TOKENS}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"max_tokens": 6}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}),
        ({"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}},
                }
            },
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        ),
        ({"response_format": {"type": "text"}}, {}),
        ({"n": 1, "stream": False, "stream_options": None, "trimtab": {}}, {}),
    ],
)
def test_members_have_their_equals(said: dict[str, Any], members: dict[str, Any]) -> None:
    body = asked(**said)

    assert lost(TO_ANTHROPIC, **said) == ()
    assert body.pop("messages")
    assert body == {"max_tokens": MAX_TOKENS, **members}


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"type": "tool", "name": "f"},
        ),
        (
            {"parallel_tool_calls": False},
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_a_choice_of_tools_has_its_equal(
    said: dict[str, Any], choice: dict[str, Any] | None
) -> None:
    assert asked(tools=[FUNCTION], **said).get("tool_choice") == choice


def test_a_tool_keeps_its_schema_and_has_one_in_any_case() -> None:
    full = {"name": "g", "description": "d", "parameters": {"type": "object"}, "strict": True}

    body = asked(tools=[FUNCTION, {"type": "function", "function": full}])

    assert body["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        {"name": "g", "description": "d", "input_schema": {"type": "object"}, "strict": True},
    ]


LOST: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"seed": 1}, "seed"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"logit_bias": {"1": 1}}, "logit_bias"),
    ({"presence_penalty": 0.1}, "presence_penalty"),
    ({"frequency_penalty": 0.1}, "frequency_penalty"),
    ({"prediction": {}}, "prediction"),
    ({"temperature": 1.1}, "temperature"),
    ({"reasoning_effort": "minimal"}, "reasoning_effort"),
    ({"response_format": {"type": "json_object"}}, "response_format.json_object"),
    ({"service_tier": "flex"}, "service_tier"),
    ({"functions": []}, "functions"),
    ({"something_new": 1}, "something_new"),
    ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0]"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
    ({"tool_choice": "sometimes"}, "tool_choice"),
    ({"messages": [{"role": "function", "content": "x"}, *HELLO]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": "x", "name": "n"}]}, "messages[0].name"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "So"}]}, "messages[1]"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}, *HELLO]},
        "messages[0].tool_calls[0]",
    ),
]


@pytest.mark.parametrize(("said", "name"), LOST)
def test_what_has_no_equal_is_lost_by_name(said: dict[str, Any], name: str) -> None:
    assert lost(TO_ANTHROPIC, **said) == (Loss(name, hint=False),)
    assert "something_new" not in asked(**said)


def test_of_two_names_of_the_user_the_newer_is_carried_over_and_the_other_told() -> None:
    said = {"user": "u", "safety_identifier": "s"}

    assert asked(**said)["metadata"] == {"user_id": "s"}
    assert lost(TO_ANTHROPIC, **said) == (Loss("user", hint=True),)


def test_a_stream_says_so() -> None:
    assert sent(TO_ANTHROPIC, {}, stream=True)["stream"] is True
    assert "stream" not in sent(TO_ANTHROPIC, {})
