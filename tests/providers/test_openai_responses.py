from typing import Any

import msgspec
import pytest

from trimtab.domain.chat import (
    End,
    Event,
    Failed,
    Reasoning,
    Refusal,
    Start,
    Stop,
    StopReason,
    Text,
    ToolArgs,
    ToolStart,
    UsageReport,
)
from trimtab.providers.base import Chunk
from trimtab.providers.openai_responses import OpenAIResponses

RESPONSES = OpenAIResponses()
USAGE = {"input_tokens": 1, "output_tokens": 2}
CALL = {"type": "function_call", "call_id": "call_1", "name": "lookup", "arguments": ""}


def read(*events: dict[str, Any]) -> list[Event]:
    return [event for chunk in chunks(*events) for event in chunk.events]


def chunks(*events: dict[str, Any]) -> list[Chunk]:
    raw = b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))
        for event in events
    )
    return RESPONSES.reader(hide_usage=False).feed(raw)


def body(**members: object) -> tuple[Event, ...]:
    said: dict[str, object] = {
        "id": "resp_1",
        "model": "gpt-5",
        "status": "completed",
        "output": [],
        **members,
    }
    return RESPONSES.read_body(msgspec.json.encode(said))


def ended(**members: object) -> list[Event]:
    status = members.get("status", "completed")
    return read({"type": f"response.{status}", "response": {"status": status, **members}})


def test_the_preamble_is_told_once() -> None:
    response = {"id": "resp_1", "model": "gpt-5-2025-08-07"}

    events = read(
        {"type": "response.queued", "response": response},
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
    )

    assert events == [Start("resp_1", "gpt-5-2025-08-07")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("output_text", Text),
        ("refusal", Refusal),
        ("reasoning_text", Reasoning),
        ("reasoning_summary_text", Reasoning),
    ],
)
def test_text_is_told_by_the_place_of_its_item(name: str, kind: type[Text]) -> None:
    said = {"type": f"response.{name}.delta", "output_index": 3, "delta": "Hi"}

    assert read(said) == [kind((0, 3), "Hi")]


def test_arguments_that_come_in_pieces_are_not_told_again_at_the_end() -> None:
    name = "response.function_call_arguments"

    events = read(
        {"type": "response.output_item.added", "output_index": 1, "item": CALL},
        {"type": f"{name}.delta", "output_index": 1, "delta": '{"q":'},
        {"type": f"{name}.delta", "output_index": 1, "delta": "1}"},
        {"type": f"{name}.done", "output_index": 1, "arguments": '{"q":1}'},
    )

    assert events == [
        ToolStart((0, 1), "call_1", "lookup"),
        ToolArgs((0, 1), '{"q":'),
        ToolArgs((0, 1), "1}"),
    ]


@pytest.mark.parametrize("first", [True, False])
def test_arguments_that_come_in_one_piece_are_told_once(*, first: bool) -> None:
    item = {**CALL, "arguments": '{"q":1}'} if first else CALL

    events = read(
        {"type": "response.output_item.added", "output_index": 1, "item": item},
        {
            "type": "response.function_call_arguments.done",
            "output_index": 1,
            "arguments": '{"q":1}',
        },
    )

    assert events == [ToolStart((0, 1), "call_1", "lookup"), ToolArgs((0, 1), '{"q":1}')]


def test_tools_with_free_input_are_read_alike() -> None:
    item = {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": ""}

    events = read(
        {"type": "response.output_item.added", "item": item},
        {"type": "response.custom_tool_call_input.delta", "delta": "ls"},
        {"type": "response.custom_tool_call_input.done", "input": "ls"},
    )

    assert events == [ToolStart((0, 0), "call_1", "run"), ToolArgs((0, 0), "ls")]


@pytest.mark.parametrize(
    ("members", "stop"),
    [
        ({}, Stop(StopReason.STOP, "completed")),
        ({"output": [CALL]}, Stop(StopReason.TOOL_CALLS, "completed")),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            Stop(StopReason.LENGTH, "max_output_tokens"),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Stop(StopReason.CONTENT_FILTER, "content_filter"),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "steered"}},
            Stop(StopReason.OTHER, "steered"),
        ),
    ],
)
def test_the_terminal_tells_why_and_what_was_used(members: dict[str, Any], stop: Stop) -> None:
    events = ended(usage=USAGE, service_tier="flex", **members)

    [report, *rest] = events
    assert report == UsageReport(msgspec.json.encode(USAGE), final=True, service_tier="flex")
    assert rest == [stop, End()]


def test_a_response_that_failed_has_no_end_but_may_have_usage() -> None:
    error = {"code": "server_error", "message": "oh"}

    assert ended(status="failed", error=error, usage=USAGE)[1:] == [Failed("oh", "server_error")]
    assert ended(status="failed", error=error, usage=None) == [Failed("oh", "server_error")]
    assert body(status="failed", error=error)[-1] == Failed("oh", "server_error")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "oh"},
        {"type": "error", "error": {"type": "server_error", "message": "oh"}},
    ],
)
def test_an_error_is_read_however_it_is_told(event: dict[str, Any]) -> None:
    assert read(event) == [Failed("oh", "server_error")]


def test_events_of_other_kinds_pass_and_say_nothing() -> None:
    passed = chunks(
        {"type": "response.output_text.annotation.added", "annotation": {}},
        {"type": "response.web_search_call.searching", "delta": {"a": 1}, "input": [1]},
        {
            "type": "response.output_item.added",
            "item": {"type": "x", "arguments": {}, "content": ""},
        },
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.created"},
    )

    assert [chunk.events for chunk in passed] == [()] * 5
    assert b"annotation" in passed[0].raw


def test_a_whole_response_says_what_its_stream_says() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {
            "type": "message",
            "content": [
                {"type": "output_text", "text": "Hi"},
                {"type": "refusal", "refusal": "No"},
            ],
        },
        {**CALL, "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "ls"},
        {"type": "web_search_call", "arguments": {"a": 1}, "content": "x"},
    ]

    assert body(output=output, usage=USAGE) == (
        Start("resp_1", "gpt-5"),
        Reasoning((0, 0), "Hm"),
        Text((0, 1), "Hi"),
        Refusal((0, 1), "No"),
        ToolStart((0, 2), "call_1", "lookup"),
        ToolArgs((0, 2), "{}"),
        ToolStart((0, 3), "call_2", "run"),
        ToolArgs((0, 3), "ls"),
        UsageReport(msgspec.json.encode(USAGE), final=True),
        Stop(StopReason.TOOL_CALLS, "completed"),
        End(),
    )
