"""What was said, as text."""

import json

from hypothesis import given
from hypothesis import strategies as st
from tests.console.conftest import ANSWER, ASKED

from trimtab.console.messages import (
    MAX_MESSAGES,
    MAX_TEXT_CHARS,
    Block,
    read_answer,
    read_input,
)


def test_a_chat_completion_reads_as_who_said_what() -> None:
    talk = read_input(ASKED)

    assert [message.role for message in talk.messages] == ["system", "user", "assistant", "tool"]
    assert talk.messages[2].blocks == (Block("tool call", "find_order", '{"customer": 4711}'),)
    assert talk.messages[3].blocks[0].kind == "tool result"
    assert talk.tools == ("find_order",)


def test_a_message_request_reads_as_who_said_what() -> None:
    body = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Hello"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Look it up."},
                    {"type": "tool_use", "id": "t1", "name": "find", "input": {"id": 7}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}],
            },
        ],
        "tools": [{"name": "find"}],
    }

    talk = read_input(json.dumps(body).encode())

    blocks = [(m.role, b.kind, b.title, b.text) for m in talk.messages for b in m.blocks]
    assert blocks == [
        ("system", "text", "", "Be brief."),
        ("user", "text", "", "Hello"),
        ("assistant", "reasoning", "", "Look it up."),
        ("assistant", "tool call", "find", '{"id": 7}'),
        ("user", "tool result", "", "found"),
    ]
    assert talk.tools == ("find",)


def test_an_image_is_named_and_not_shown() -> None:
    part = b'{"type": "image_url", "image_url": {"url": "https://images.test/1"}}'

    talk = read_input(b'{"messages": [{"role": "user", "content": [' + part + b"]}]}")

    assert talk.messages[0].blocks == (Block("image_url", "", ""),)


def test_an_answer_reads_in_parts() -> None:
    answer = read_answer(ANSWER)

    assert [block.kind for block in answer.blocks] == ["reasoning", "text"]


def test_long_texts_and_long_conversations_are_cut_and_say_so() -> None:
    messages = [{"role": "user", "content": "x" * (MAX_TEXT_CHARS + 7)}] * (MAX_MESSAGES + 5)

    talk = read_input(json.dumps({"messages": messages}).encode())

    assert len(talk.messages) == MAX_MESSAGES
    assert talk.skipped == 5
    assert talk.messages[0].blocks[0].left_out == 7


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(body: bytes) -> None:
    assert read_input(body).messages is not None
    assert read_answer(body).role


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_messages_can_be_read(messages: object) -> None:
    assert read_input(json.dumps({"messages": messages}).encode()).messages is not None
