"""Answers of a provider of Anthropic's wire, as OpenAI's tells them."""

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.providers.translate.conftest import (
    CORPORA,
    CREATED_S,
    TO_ANTHROPIC,
    datas,
    fed,
    told,
    whole,
)


@pytest.mark.parametrize("name", [name for name in CORPORA if name.startswith("anthropic")])
def test_a_completion_stream_has_one_role_one_finish_and_usage_last(name: str) -> None:
    chunks = [
        ChatCompletionChunk.model_validate(data)
        for data in datas(told(fed(TO_ANTHROPIC, [CORPORA[name]])))
    ]

    assert chunks[0].choices[0].delta.role == "assistant"
    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert [chunk.choices[0].finish_reason is None for chunk in chunks[:-1]] == (
        [True] * (len(chunks) - 2) + [False]
    )
    assert chunks[-1].usage is not None
    assert {(chunk.id, chunk.created, chunk.object) for chunk in chunks} == {
        ("msg_01XF", CREATED_S, "chat.completion.chunk")
    }


def test_usage_that_nobody_asked_for_is_not_told() -> None:
    chunks = datas(told(fed(TO_ANTHROPIC, [CORPORA["anthropic_text.sse"]], hide_usage=True)))

    assert all(chunk["choices"] for chunk in chunks)
    assert not any("usage" in chunk for chunk in chunks)


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("new_reason", "stop"),
    ],
)
def test_stop_reasons_in_openais_words(raw: str, finish: str) -> None:
    body = {"id": "m", "content": [{"type": "text", "text": "x"}], "stop_reason": raw}

    assert whole(TO_ANTHROPIC, body)["choices"][0]["finish_reason"] == finish


def test_a_whole_message_becomes_a_completion() -> None:
    answer = whole(
        TO_ANTHROPIC,
        {
            "id": "msg_1",
            "model": "claude",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "text", "text": "Two "},
                {"type": "text", "text": "calls."},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5},
        },
    )

    message = ChatCompletion.model_validate(answer).choices[0].message
    assert message.content == "Two calls."
    assert [call.model_dump() for call in message.tool_calls or ()] == [
        {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "toolu_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert (answer["id"], answer["model"], answer["created"]) == ("msg_1", "claude", CREATED_S)
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_a_whole_answer_that_says_nothing_is_an_empty_text() -> None:
    assert whole(TO_ANTHROPIC, {"content": []})["choices"][0]["message"]["content"] == ""


def test_a_call_that_had_no_arguments_has_an_empty_object_of_them_before_the_finish() -> None:
    block: dict[str, object] = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {"id": "m", "model": "c"}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    stream = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)

    _, begun, arguments, finish = [
        chunk["choices"][0] for chunk in datas(told(fed(TO_ANTHROPIC, [stream])))
    ]

    assert begun["delta"]["tool_calls"][0]["function"] == {"name": "f", "arguments": ""}
    assert arguments["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
    assert finish["finish_reason"] == "tool_calls"
