import json

import msgspec
import pytest

from trimtab.telemetry.messages import (
    MAX_PART,
    Message,
    Part,
    cut,
    fitting,
    read_answer,
    read_asked,
)

CHAT = {
    "messages": [
        {"role": "developer", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": "data:secret"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
}
MESSAGES = {
    "system": [{"type": "text", "text": "be brief"}],
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": "42"}],
                }
            ],
        },
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
}
RESPONSES = {
    "instructions": "be brief",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
}
TEXT = {"type": "text", "content": "hi"}
CALL = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}}
RESPONSE = {"type": "tool_call_response", "id": "c1", "response": "42"}
SYSTEM = [{"type": "text", "content": "be brief"}]


def asked(body: object) -> dict[str, list[dict[str, object]]]:
    return json.loads(msgspec.json.encode(read_asked(json.dumps(body).encode())))


def test_a_chat_completion_becomes_messages() -> None:
    said = asked(CHAT)

    assert said["input"] == [
        {"role": "developer", "parts": SYSTEM},
        {"role": "user", "parts": [TEXT, {"type": "image_url"}]},
        {"role": "assistant", "parts": [CALL]},
        {"role": "tool", "parts": [RESPONSE]},
    ]
    assert said["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    assert said["system"] == []


def test_a_message_request_becomes_messages_with_its_system_apart() -> None:
    said = asked(MESSAGES)

    assert said["system"] == SYSTEM
    assert said["input"] == [
        {"role": "user", "parts": [TEXT]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, CALL]},
        {"role": "user", "parts": [RESPONSE]},
    ]
    assert said["tools"][0]["parameters"] == {"type": "object"}
    assert said["tools"][0]["description"] == "d"


def test_a_response_becomes_messages_with_its_instructions_apart() -> None:
    said = asked(RESPONSES)

    assert said["system"] == SYSTEM
    assert said["input"] == [
        {"role": "user", "parts": [TEXT | {"content": "hi"}]},
        {"role": "assistant", "parts": [CALL]},
        {"role": "tool", "parts": [RESPONSE]},
    ]


@pytest.mark.parametrize("given", ["hi", ["hi"]])
def test_texts_to_embed_are_what_a_user_says(given: object) -> None:
    assert asked({"input": given})["input"] == [{"role": "user", "parts": [TEXT]}]


def test_calls_in_an_answer_are_json_if_they_can_be() -> None:
    parts = [TEXT, {**CALL, "arguments": '{"a": 1}'}, {**CALL, "arguments": "{broken"}]

    answer = read_answer(json.dumps({"role": "assistant", "parts": parts}).encode())

    assert json.loads(msgspec.json.encode(answer)) == {
        "role": "assistant",
        "parts": [TEXT, CALL, {**CALL, "arguments": "{broken"}],
    }


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"messages": 1}', b'"\\ud800"'])
def test_a_body_that_cannot_be_read_tells_nothing(body: bytes) -> None:
    assert read_asked(body) is None
    assert read_answer(body) is None


def test_long_texts_are_cut_and_others_stay() -> None:
    parts = (
        Part(type="text", content="x" * 100_000),
        Part(type="tool_call_response", response="y" * 100_000),
        Part(type="image"),
    )

    assert cut(Message(role="user", parts=parts)).parts == (
        Part(type="text", content="x" * MAX_PART),
        Part(type="tool_call_response", response="y" * MAX_PART),
        Part(type="image"),
    )


def test_of_a_long_conversation_the_first_and_the_last_messages_stay() -> None:
    messages = [
        Message(role=f"r{n}", parts=(Part(type="text", content="x" * 30_000),)) for n in range(10)
    ]

    kept, left_out = fitting(messages)

    assert [it.role for it in kept] == ["r0", "r7", "r8", "r9"]
    assert left_out == 6
    assert fitting(messages[:2]) == (tuple(messages[:2]), 0)
    assert fitting([]) == ((), 0)
