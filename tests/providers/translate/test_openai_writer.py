"""Requests of Anthropic's wire, as a provider of OpenAI's is asked."""

from typing import Any

import pytest
from tests.providers.translate.conftest import HELLO, TO_OPENAI, lost, sent

from trimtab.providers.base import Loss

USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}


def asked(**said: object) -> dict[str, Any]:
    body = sent(TO_OPENAI, said)
    assert body.pop("model") == "target"
    return body


def result(content: object, **said: object) -> list[dict[str, Any]]:
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **said}
    return [
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [block, {"type": "text", "text": "go on"}]},
    ]


@pytest.mark.parametrize(
    ("system", "content"),
    [
        ("Be brief.", "Be brief."),
        ([{"type": "text", "text": "Be brief."}], "Be brief."),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
    ],
)
def test_the_system_comes_first(system: object, content: object) -> None:
    assert asked(system=system)["messages"] == [{"role": "system", "content": content}, *HELLO]


def test_calls_and_results_become_messages_of_their_own() -> None:
    assert asked(messages=result("found"))["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "toolu_1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a":1}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "found"},
        {"role": "user", "content": "go on"},
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("broken", "[tool error] broken"),
        (None, "[tool error] "),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            [{"type": "text", "text": "[tool error] a"}, {"type": "text", "text": "b"}],
        ),
    ],
)
def test_a_failed_call_says_so_in_its_text(content: object, told: object) -> None:
    assert asked(messages=result(content, is_error=True))["messages"][1]["content"] == told


def test_an_empty_result_is_an_empty_text() -> None:
    assert asked(messages=result([]))["messages"][1]["content"] == ""


def test_images_and_documents_are_carried_over() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    content = [IMAGE, {"type": "document", "source": source, "title": "a.pdf"}]

    [message] = asked(messages=[{"role": "user", "content": content}])["messages"]

    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        },
    ]


@pytest.mark.parametrize(
    ("said", "members"),
    [
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"stop_sequences": ["x"]}, {"stop": ["x"]}),
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
        ({"metadata": {"user_id": "u"}}, {"safety_identifier": "u"}),
        ({"output_config": {"effort": "xhigh"}}, {"reasoning_effort": "xhigh"}),
        ({"thinking": {"type": "adaptive"}}, {}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 4095}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 16384}}, {"reasoning_effort": "high"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "answer",
                        "strict": True,
                        "schema": {"type": "object"},
                    },
                }
            },
        ),
        (
            {"tools": [TOOL]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"type": "object"}},
                    }
                ]
            },
        ),
    ],
)
def test_members_have_their_equals(said: dict[str, Any], members: dict[str, Any]) -> None:
    assert lost(TO_OPENAI, **said) == ()
    assert asked(**said) == {"messages": HELLO, **members}


@pytest.mark.parametrize(
    ("choice", "members"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        (
            {"type": "tool", "name": "f"},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_a_choice_of_tools_has_its_equal(choice: dict[str, Any], members: dict[str, Any]) -> None:
    body = asked(tools=[TOOL], tool_choice=choice)

    del body["messages"], body["tools"]
    assert body == members


LOST: list[tuple[dict[str, Any], str]] = [
    ({"top_k": 4}, "top_k"),
    ({"container": "c"}, "container"),
    ({"mcp_servers": [{}]}, "mcp_servers"),
    ({"stop_sequences": list("abcde")}, "stop_sequences"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
    ({"tool_choice": {"type": "other"}}, "tool_choice.type"),
    ({"output_config": {"format": {"type": "other"}}}, "output_config.format"),
    ({"thinking": {"type": "other"}}, "thinking.type"),
    (
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
        "output_config.effort",
    ),
    ({"messages": [{"role": "system", "content": "x"}, *HELLO]}, "messages[0].role"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "So"}]}, "messages[1]"),
    (
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "", "signature": ""}],
                },
                *HELLO,
            ]
        },
        "messages[0].content[0].thinking",
    ),
    ({"messages": result([IMAGE])}, "messages[1].content[0].content[0]"),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {"type": "url", "url": "https://h/a.pdf"},
                        }
                    ],
                }
            ]
        },
        "messages[0].content[0]",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "file", "file_id": "f"}},
                        {"type": "text", "text": "x"},
                    ],
                }
            ]
        },
        "messages[0].content[0].source",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {
                                "type": "base64",
                                "media_type": "application/pdf",
                                "data": "AA",
                            },
                            "citations": {"enabled": True},
                        }
                    ],
                }
            ]
        },
        "messages[0].content[0].citations",
    ),
]


@pytest.mark.parametrize(("said", "name"), LOST)
def test_what_has_no_equal_is_lost_by_name(said: dict[str, Any], name: str) -> None:
    assert lost(TO_OPENAI, **said) == (Loss(name, hint=False),)
    assert asked(**said)["messages"]


def test_cache_marks_are_hints() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    losses = lost(
        TO_OPENAI,
        system=[{"type": "text", "text": "a", **mark}],
        tools=[{**TOOL, **mark}],
        service_tier="auto",
        **mark,
    )

    assert {loss.name for loss in losses if loss.hint} == {
        "cache_control",
        "service_tier",
        "system[0].cache_control",
        "tools[0].cache_control",
    }
    assert all(loss.hint for loss in losses)


def test_a_stream_asks_for_usage() -> None:
    body = sent(TO_OPENAI, {}, stream=True)

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
