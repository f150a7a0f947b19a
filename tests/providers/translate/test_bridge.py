"""What a bridge does with requests, streams and errors, whichever way it goes."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.translate.conftest import (
    CORPORA,
    HELLO,
    TO_ANTHROPIC,
    TO_OPENAI,
    bridge_for,
    datas,
    fed,
    members,
    told,
)

from trimtab.domain.chat import Event, Text, ToolArgs
from trimtab.domain.model import Provider, ProviderWire, Wire
from trimtab.providers.base import Chunk
from trimtab.providers.translate.bridge import Bridge


@pytest.mark.parametrize("hide_usage", [True, False])
@pytest.mark.parametrize("name", CORPORA)
@settings(max_examples=25)
@given(draw=st.data())
def test_cut_anywhere_a_stream_is_told_in_the_same_bytes(
    *, name: str, hide_usage: bool, draw: st.DataObject
) -> None:
    data, bridge = CORPORA[name], bridge_for(name)
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=40))
    blocks = [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]

    assert told(fed(bridge, blocks, hide_usage=hide_usage)) == told(
        fed(bridge, [data], hide_usage=hide_usage)
    )


@pytest.mark.parametrize("name", CORPORA)
def test_cut_at_any_one_place_a_stream_is_told_in_the_same_bytes(name: str) -> None:
    data, bridge = CORPORA[name], bridge_for(name)
    whole = told(fed(bridge, [data]))

    assert all(
        told(fed(bridge, [data[:cut], data[cut:]])) == whole for cut in range(0, len(data), 3)
    )


@pytest.mark.parametrize("name", CORPORA)
def test_t28_a_stream_there_and_back_keeps_text_and_arguments(name: str) -> None:
    here, there = bridge_for(name), TO_ANTHROPIC
    if here is TO_ANTHROPIC:
        there = TO_OPENAI
    straight = here.provider.reader(hide_usage=False).feed(CORPORA[name])

    back = fed(there, [told(fed(here, [CORPORA[name]]))])

    assert _spoken(back) == _spoken(straight)


@pytest.mark.parametrize("name", CORPORA)
def test_the_terminal_is_told_with_the_end_and_once(name: str) -> None:
    *before, last = [chunk for chunk in fed(bridge_for(name), [CORPORA[name]]) if chunk.raw]

    terminal = b"message_stop" if name.startswith("openai") else b"[DONE]"
    assert terminal in last.raw
    assert not any(terminal in chunk.raw for chunk in before)


def test_an_error_in_the_stream_is_told_in_the_callers_words() -> None:
    openai_error = b'data: {"error":{"message":"m","type":"server_error"}}\n\n'
    anthropic_error = (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}'
        b"\n\n"
    )
    reader = TO_OPENAI.reader(hide_usage=False)
    reader.feed(b'data: {"id":"c","choices":[{"delta":{"content":"x"}}]}\n\n')

    assert told(reader.feed(openai_error)) == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"m"}}\n\n'
    )
    assert datas(told(fed(TO_ANTHROPIC, [anthropic_error]))) == [
        {
            "error": {
                "message": "m",
                "type": "server_error",
                "param": None,
                "code": "overloaded_error",
            }
        }
    ]


def test_a_refusal_is_told_in_the_callers_words() -> None:
    openai_body = b'{"error":{"message":"no","type":"invalid_request_error","code":"c"}}'
    anthropic_body = b'{"type":"error","error":{"type":"not_found_error","message":"no"}}'

    assert json.loads(TO_OPENAI.refusal(openai_body)) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "no"},
    }
    assert json.loads(TO_ANTHROPIC.refusal(anthropic_body))["error"] == {
        "message": "no",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found_error",
    }


@pytest.mark.parametrize("bridge", [TO_OPENAI, TO_ANTHROPIC], ids=["openai", "anthropic"])
def test_a_bad_line_and_a_comment_reach_no_other_wire(bridge: Bridge) -> None:
    assert told(fed(bridge, [b"data: {oops\n\n: keepalive\n\n"])) == b""


def test_the_head_is_the_providers_and_has_no_header_of_the_callers_wire() -> None:
    account = Provider(name="a", wire=ProviderWire.ANTHROPIC, url="https://h")

    head = TO_ANTHROPIC.head(account, "sk", (("openai-beta", "x"),))

    assert head.startswith(b"POST /v1/messages ")
    assert b"x-api-key: sk" in head
    assert b"openai-beta" not in head


def test_the_wire_is_the_providers() -> None:
    assert TO_ANTHROPIC.wire is Wire.ANTHROPIC_MESSAGES
    assert TO_OPENAI.wire is Wire.OPENAI_CHAT


ROUND_TRIP = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See?"},
                {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1.50, "b": [ ]}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "g", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        {
            "role": "tool",
            "tool_call_id": "call_2",
            "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}],
        },
        *HELLO,
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "d",
                "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
                "strict": True,
            },
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "max_completion_tokens": 77,
    "stop": ["x", "y"],
    "temperature": 0.5,
    "top_p": 0.9,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
    },
    "reasoning_effort": "high",
    "safety_identifier": "u",
}


def test_a_request_there_and_back_is_the_same_request() -> None:
    asked = members(**ROUND_TRIP)
    assert TO_ANTHROPIC.losses(asked) == ()

    there = msgspec.json.decode(
        TO_ANTHROPIC.body(asked, "claude", stream=False), type=dict[str, msgspec.Raw]
    )
    assert TO_OPENAI.losses(there) == ()
    back = json.loads(TO_OPENAI.body(there, "gpt", stream=False))

    assert back.pop("model") == "gpt"
    assert back == ROUND_TRIP


@pytest.mark.parametrize("bridge", [TO_OPENAI, TO_ANTHROPIC], ids=["openai", "anthropic"])
@settings(max_examples=200)
@given(data=st.data())
def test_no_stream_of_a_provider_is_a_bug_of_ours(bridge: Bridge, data: st.DataObject) -> None:
    """Sound events of both wires in any order: what comes out is always events of the other."""
    corpus = CORPORA["openai_tools.sse" if bridge is TO_OPENAI else "anthropic_tools.sse"]
    pieces = [piece + b"\n\n" for piece in corpus.split(b"\n\n")]
    order = data.draw(st.lists(st.sampled_from(pieces), max_size=12))

    for event in datas(told(fed(bridge, order))):
        assert ("type" in event) == (bridge is TO_OPENAI)


def _spoken(chunks: Sequence[Chunk]) -> dict[str, Any]:
    """What was said: text, and arguments in the order of their calls."""
    events: list[Event] = [event for chunk in chunks for event in chunk.events]
    arguments: dict[tuple[int, int], str] = {}
    for event in events:
        if isinstance(event, ToolArgs):
            arguments[event.channel] = arguments.get(event.channel, "") + event.fragment
    text = "".join(event.text for event in events if isinstance(event, Text))
    return {"text": text, "arguments": [arguments[channel] for channel in sorted(arguments)]}
