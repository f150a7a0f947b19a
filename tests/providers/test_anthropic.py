import msgspec
import pytest
from msgspec import Raw

from trimtab.domain.chat import (
    End,
    Event,
    Failed,
    Reasoning,
    Start,
    Stop,
    StopReason,
    Text,
    ToolArgs,
    ToolStart,
    UsageReport,
)
from trimtab.domain.model import Provider, ProviderWire
from trimtab.providers.anthropic import AnthropicMessages

MESSAGES = AnthropicMessages()


def read(*values: object) -> list[Event]:
    reader = MESSAGES.reader(hide_usage=True)
    data = b"".join(b"data: " + msgspec.json.encode(value) + b"\n\n" for value in values)
    return [event for chunk in reader.feed(data) for event in chunk.events]


def account(url: str) -> Provider:
    return Provider(name="p", wire=ProviderWire.ANTHROPIC, url=url)


def test_a_body_keeps_the_order_and_the_bytes_of_every_member() -> None:
    members = {
        "max_tokens": Raw(b"1e2"),
        "model": Raw(b'"chat"'),
        "trimtab": Raw(b"{}"),
        "new": Raw(b'{"b": 1,  "a":2}'),
    }

    body = MESSAGES.body(members, "claude-sonnet-4-6", stream=True)

    assert body == b'{"max_tokens":1e2,"model":"claude-sonnet-4-6","new":{"b": 1,  "a":2}}'


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.anthropic.com", b"/v1/messages"),
        ("https://api.anthropic.com/", b"/v1/messages"),
        ("http://127.0.0.1:9000/v1", b"/v1/messages"),
        ("https://host/proxy", b"/proxy/v1/messages"),
    ],
)
def test_calls_the_url_as_its_sdk_would(url: str, path: bytes) -> None:
    assert MESSAGES.head(account(url), "", ()).startswith(b"POST " + path + b" HTTP/1.1\r\n")


def test_a_head_has_the_secret_and_a_version() -> None:
    head = MESSAGES.head(account("https://h"), "sk-ant", ())

    assert head == (
        b"POST /v1/messages HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
        b"anthropic-version: 2023-06-01\r\nx-api-key: sk-ant\r\n"
    )


def test_the_callers_version_wins() -> None:
    head = MESSAGES.head(account("https://h"), "", (("anthropic-version", "2027-01-01"),))

    assert head.count(b"anthropic-version") == 1
    assert b"anthropic-version: 2027-01-01\r\n" in head


@pytest.mark.parametrize(
    ("said", "event"),
    [
        ({"type": "content_block_delta", "index": 1, "delta": {"text": "x"}}, Text((0, 1), "x")),
        (
            {"type": "content_block_delta", "delta": {"thinking": "hm"}},
            Reasoning((0, 0), "hm"),
        ),
        (
            {"type": "content_block_delta", "index": 2, "delta": {"partial_json": "{"}},
            ToolArgs((0, 2), "{"),
        ),
        (
            {
                "type": "content_block_start",
                "index": 2,
                "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            },
            ToolStart((0, 2), "t", "f"),
        ),
        (
            {"type": "content_block_start", "content_block": {"type": "text", "text": "x"}},
            Text((0, 0), "x"),
        ),
        ({"type": "message_stop"}, End()),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            Failed("m", "overloaded_error"),
        ),
        ({"type": "error"}, Failed("", "unknown")),
        (
            {"type": "message_delta", "usage": {"output_tokens": 3}},
            UsageReport(b'{"output_tokens":3}', final=True),
        ),
    ],
)
def test_reads_what_an_event_says(said: object, event: Event) -> None:
    assert read(said) == [event]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"type": "ping"}, id="ping"),
        pytest.param({"type": "content_block_stop", "index": 0}, id="the end of a block"),
        pytest.param({"type": "brand_new", "delta": {"text": "x"}}, id="unknown event"),
        pytest.param({"text": "x"}, id="no type"),
        pytest.param(
            {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "x"}},
            id="unknown delta",
        ),
        pytest.param({"type": "content_block_delta", "delta": {"text": ""}}, id="empty text"),
    ],
)
def test_what_says_nothing_is_no_event(said: object) -> None:
    assert read(said) == []


def test_the_usage_of_the_start_is_not_final() -> None:
    message = {"id": "1", "model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}}

    assert read({"type": "message_start", "message": message}) == [
        Start("1", "m"),
        UsageReport(b'{"input_tokens":9,"output_tokens":1}', final=False),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", StopReason.STOP),
        ("stop_sequence", StopReason.STOP),
        ("pause_turn", StopReason.STOP),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("tool_use", StopReason.TOOL_CALLS),
        ("refusal", StopReason.CONTENT_FILTER),
        ("new_reason", StopReason.OTHER),
    ],
)
def test_names_why_a_model_stopped(raw: str, reason: StopReason) -> None:
    assert read({"type": "message_delta", "delta": {"stop_reason": raw}}) == [Stop(reason, raw)]


def test_a_model_stops_once_however_often_it_is_said() -> None:
    said = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 3},
    }
    report = UsageReport(b'{"output_tokens":3}', final=True)

    assert read(said, said) == [Stop(StopReason.STOP, "end_turn"), report, report]


def test_the_start_of_a_call_may_hold_its_arguments() -> None:
    def began(given: object) -> object:
        block = {"type": "tool_use", "id": "t", "name": "f", "input": given}
        return {"type": "content_block_start", "index": 1, "content_block": block}

    start = ToolStart((0, 1), "t", "f")
    assert read(began({"a": 1})) == [start, ToolArgs((0, 1), '{"a":1}')]
    assert read(began({}), began(None)) == [start, start]


def test_reads_a_whole_answer_into_the_same_events() -> None:
    answer: dict[str, object] = {
        "id": "1",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "x"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "u", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }

    assert MESSAGES.read_body(msgspec.json.encode(answer)) == (
        Start("1", "m"),
        Reasoning((0, 0), "hm"),
        Text((0, 1), "x"),
        ToolStart((0, 2), "t", "f"),
        ToolArgs((0, 2), '{"a":1}'),
        ToolStart((0, 3), "u", "g"),
        Stop(StopReason.TOOL_CALLS, "tool_use"),
        UsageReport(b'{"input_tokens":1,"output_tokens":2}', final=True),
        End(),
    )


def test_arguments_that_are_no_text_are_no_bug_of_ours() -> None:
    body = b'{"content":[{"type":"tool_use","id":"t","name":"f","input":{"a":"\xff"}}]}'

    assert ToolArgs((0, 0), '{"a":"\ufffd"}') in MESSAGES.read_body(body)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"type":"error","error":{"type":"t","message":"m"}}', ("t", "m")),
        (b'{"error":{}}', ("unknown", "")),
        (b'{"error":"text"}', ("unknown", "")),
        (b"<html>", ("unknown", "")),
        (b'{"error":{"type":"\xff"}}', ("unknown", "")),
    ],
)
def test_reads_what_went_wrong(body: bytes, fault: tuple[str, str]) -> None:
    assert MESSAGES.fault(body)[:2] == fault
