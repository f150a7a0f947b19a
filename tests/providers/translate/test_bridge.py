"""Whole answers, streams and errors, as callers of the other wire get them."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.providers.translate.conftest import HELLO, TO_ANTHROPIC, TO_OPENAI, members

from trimtab.domain.chat import Event, Text, ToolArgs
from trimtab.domain.model import Provider, ProviderWire, Wire
from trimtab.providers.base import BadBody, Chunk
from trimtab.providers.translate.anthropic_writer import call_id
from trimtab.providers.translate.bridge import Bridge

CORPORA = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parents[2] / "contracts" / "wire").iterdir())
}
CREATED_S = 1_767_225_600


def bridge_for(name: str) -> Bridge:
    return TO_OPENAI if name.startswith("openai") else TO_ANTHROPIC


def fed(bridge: Bridge, blocks: Sequence[bytes], *, hide_usage: bool = False) -> list[Chunk]:
    reader = bridge.reader(hide_usage=hide_usage)
    return [chunk for block in blocks for chunk in reader.feed(block)]


def told(chunks: Sequence[Chunk]) -> bytes:
    return b"".join(chunk.raw for chunk in chunks)


def datas(raw: bytes) -> list[Any]:
    lines = [line for line in raw.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def completion_chunks(*deltas: dict[str, Any], finish: str | None = None) -> bytes:
    """Make OpenAI's stream, up to its finish."""
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    if finish is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    return b"".join(
        b"data: " + msgspec.json.encode({"id": "c", "model": "m", "choices": [choice]}) + b"\n\n"
        for choice in choices
    )


def tool(index: int, arguments: str = "", **named: str) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": named["name"]} if "name" in named else {})}
    call = {"index": index, "function": function}
    return {"tool_calls": [{**call, "id": named["id"]} if "id" in named else call]}


def events_of(raw: bytes) -> list[tuple[str, int | None]]:
    return [(data["type"], data.get("index")) for data in datas(raw)]


def blocks_of(raw: bytes) -> list[tuple[str, str]]:
    """Gather the blocks of a messages stream: what they are, and what they say."""
    found: list[tuple[str, str]] = []
    for data in datas(raw):
        if data["type"] == "content_block_start":
            block = data["content_block"]
            found.append((block.get("name") or block["type"], ""))
        elif data["type"] == "content_block_delta":
            place: int = data["index"]
            delta: dict[str, str] = data["delta"]
            kind, text = found[place]
            found[place] = (kind, text + (delta.get("text") or delta["partial_json"]))
    return found


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


@pytest.mark.parametrize("name", [name for name in CORPORA if name.startswith("openai")])
def test_a_messages_stream_has_its_events_in_their_order(name: str) -> None:
    events = events_of(told(fed(TO_OPENAI, [CORPORA[name]])))

    assert [kind for kind, _ in events[:1] + events[-2:]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    indexes = [index for kind, index in events if kind == "content_block_start"]
    assert indexes == list(range(len(indexes)))
    open_block = None
    for kind, index in events[1:-2]:
        if kind == "content_block_start":
            assert open_block is None
            open_block = index
        assert index == open_block
        if kind == "content_block_stop":
            open_block = None
    assert open_block is None


@pytest.mark.parametrize("name", [name for name in CORPORA if name.startswith("anthropic")])
def test_a_completion_stream_has_one_role_one_finish_and_usage_last(name: str) -> None:
    chunks = [ChatCompletionChunk.model_validate(data) for data in datas(_told(name))]

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


def test_usage_of_a_messages_stream_is_told_at_its_end() -> None:
    data = datas(told(fed(TO_OPENAI, [CORPORA["openai_text.sse"]])))

    assert data[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert data[-2]["usage"] == {
        "input_tokens": 323,
        "cache_read_input_tokens": 3800,
        "output_tokens": 487,
        "output_tokens_details": {"thinking_tokens": 320},
    }


def test_reasoning_stays_in_the_events() -> None:
    chunks = fed(TO_OPENAI, [CORPORA["openai_compatible.sse"]])

    assert b"warm" not in told(chunks)
    assert "warm." in str([chunk.events for chunk in chunks])


def test_interleaved_calls_become_blocks_one_after_another() -> None:
    said = completion_chunks(
        {"content": "Two "},
        {"content": "calls."},
        tool(0, '{"a"', id="x", name="f"),
        tool(1, '{"b"', id="y", name="g"),
        tool(0, ":1}"),
        tool(1, ":2}"),
        finish="tool_calls",
    )

    assert blocks_of(told(fed(TO_OPENAI, [said]))) == [
        ("text", "Two calls."),
        ("f", '{"a":1}'),
        ("g", '{"b":2}'),
    ]


def test_a_call_is_told_as_it_comes_and_a_later_one_waits() -> None:
    reader = TO_OPENAI.reader(hide_usage=False)
    first = told(reader.feed(completion_chunks(tool(0, "{", id="x", name="f"))))
    second = told(reader.feed(completion_chunks(tool(1, "{}", id="y", name="g"))))
    third = told(reader.feed(completion_chunks(tool(0, "}"))))
    rest = told(reader.feed(completion_chunks(finish="tool_calls")))

    assert events_of(first)[1:] == [("content_block_start", 0), ("content_block_delta", 0)]
    assert second == b""
    assert events_of(third) == [("content_block_delta", 0)]
    assert events_of(rest) == [
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
    ]


def test_text_after_a_call_comes_after_it() -> None:
    said = completion_chunks(
        tool(0, "{}", id="x", name="f"), {"content": "Done"}, {"content": "."}, finish="stop"
    )

    assert blocks_of(told(fed(TO_OPENAI, [said]))) == [("f", "{}"), ("text", "Done.")]


def test_a_call_that_is_named_with_every_piece_is_one_call() -> None:
    said = completion_chunks(
        tool(0, '{"a"', id="x", name="f"), tool(0, ":1}", id="x", name="f"), finish="tool_calls"
    )

    assert blocks_of(told(fed(TO_OPENAI, [said]))) == [("f", '{"a":1}')]


@pytest.mark.parametrize(
    ("delta", "finish", "reason"),
    [
        ({"content": "x"}, "stop", "end_turn"),
        ({"content": "x"}, "length", "max_tokens"),
        ({"content": "x"}, "content_filter", "refusal"),
        ({"content": "x"}, "new_reason", "end_turn"),
        ({"refusal": "No."}, "stop", "refusal"),
        (tool(0, "{}", id="x", name="f"), "tool_calls", "tool_use"),
        # A forced call ends with `stop` on OpenAI's wire.
        (tool(0, "{}", id="x", name="f"), "stop", "tool_use"),
        (tool(0, "{", id="x", name="f"), "length", "max_tokens"),
    ],
)
def test_stop_reasons_in_anthropics_words(delta: dict[str, Any], finish: str, reason: str) -> None:
    stream = completion_chunks(delta, finish=finish) + b"data: [DONE]\n\n"

    assert datas(told(fed(TO_OPENAI, [stream])))[-2]["delta"]["stop_reason"] == reason


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


def whole(bridge: Bridge, body: dict[str, Any]) -> dict[str, Any]:
    data = msgspec.json.encode(body)
    answer: dict[str, Any] = json.loads(bridge.answer(data, bridge.read_body(data)))
    return answer


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


def test_a_whole_completion_becomes_a_message() -> None:
    call = {"id": "a.b", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    answer = whole(
        TO_OPENAI,
        {
            "id": "c",
            "model": "gpt",
            "choices": [
                {
                    "index": 0,
                    "message": {"content": "Hi", "tool_calls": [call]},
                    "finish_reason": "stop",
                }
            ],
        },
    )

    assert Message.model_validate({**answer, "usage": {"input_tokens": 1, "output_tokens": 1}})
    assert answer["content"] == [
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": call_id("a.b"), "name": "f", "input": {"a": 1}},
    ]
    assert answer["stop_reason"] == "tool_use"
    assert answer["usage"] == {}


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_a_whole_call_without_arguments_has_an_empty_object_of_them(arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    message = {"content": None, "tool_calls": [call]}

    [block] = whole(TO_OPENAI, {"choices": [{"message": message}]})["content"]

    assert block["input"] == {}


@pytest.mark.parametrize("arguments", ['{"a":', "[]", "7", "not json"])
def test_a_whole_call_with_arguments_that_are_no_object_is_a_bad_answer(arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}

    with pytest.raises(BadBody):
        whole(TO_OPENAI, {"choices": [{"message": {"tool_calls": [call]}}]})


def test_a_whole_answer_that_says_nothing_is_an_empty_text() -> None:
    assert whole(TO_ANTHROPIC, {"content": []})["choices"][0]["message"]["content"] == ""


def test_an_error_in_the_stream_is_told_in_the_callers_words() -> None:
    openai_error = b'data: {"error":{"message":"m","type":"server_error"}}\n\n'
    anthropic_error = (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}'
        b"\n\n"
    )
    reader = TO_OPENAI.reader(hide_usage=False)
    reader.feed(completion_chunks({"content": "x"}))

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


def test_a_message_that_begins_with_a_call_still_begins() -> None:
    said = completion_chunks(tool(0, "{}", id="x", name="f"))

    assert events_of(told(fed(TO_OPENAI, [said])))[0] == ("message_start", None)


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


def _told(name: str) -> bytes:
    return told(fed(bridge_for(name), [CORPORA[name]]))


def _spoken(chunks: Sequence[Chunk]) -> dict[str, Any]:
    """What was said: text, and arguments in the order of their calls."""
    events: list[Event] = [event for chunk in chunks for event in chunk.events]
    arguments: dict[tuple[int, int], str] = {}
    for event in events:
        if isinstance(event, ToolArgs):
            arguments[event.channel] = arguments.get(event.channel, "") + event.fragment
    text = "".join(event.text for event in events if isinstance(event, Text))
    return {"text": text, "arguments": [arguments[channel] for channel in sorted(arguments)]}
