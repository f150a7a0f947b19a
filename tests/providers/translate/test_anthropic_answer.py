"""Answers of a provider of OpenAI's wire, as Anthropic's tells them."""

from typing import Any

import msgspec
import pytest
from anthropic.types import Message
from tests.providers.translate.conftest import (
    CORPORA,
    TO_OPENAI,
    datas,
    fed,
    told,
    whole,
)

from trimtab.providers.base import BadBody
from trimtab.providers.translate.anthropic_writer import call_id


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


def test_a_message_that_begins_with_a_call_still_begins() -> None:
    said = completion_chunks(tool(0, "{}", id="x", name="f"))

    assert events_of(told(fed(TO_OPENAI, [said])))[0] == ("message_start", None)


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
