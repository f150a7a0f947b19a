import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

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
from trimtab.domain.model import Provider, ProviderWire
from trimtab.providers.openai import OpenAIChat

CHAT = OpenAIChat()
MEMBERS = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name not in {"model", "trimtab", "stream_options"}),
    st.sampled_from([b"1.50", b'{"b": 1,  "a":2 }', b"[ ]", b'"\\u0041"', b"null", b"1e400"]).map(
        Raw
    ),
    max_size=6,
)


def read(*values: bytes, hide_usage: bool = False) -> tuple[list[Event], bytes]:
    reader = CHAT.reader(hide_usage=hide_usage)
    chunks = [chunk for value in values for chunk in reader.feed(b"data: " + value + b"\n\n")]
    events = [event for chunk in chunks for event in chunk.events]
    return events, b"".join(chunk.raw for chunk in chunks)


def delta(**members: object) -> bytes:
    return msgspec.json.encode({"choices": [{"delta": members}]})


def account(url: str, wire: ProviderWire = ProviderWire.OPENAI) -> Provider:
    return Provider(name="p", wire=wire, url=url)


@given(members=MEMBERS)
def test_a_body_keeps_the_order_and_the_bytes_of_every_member(members: dict[str, Raw]) -> None:
    sent = {"model": Raw(b'"chat"'), **members, "trimtab": Raw(b"{}")}

    body = msgspec.json.decode(CHAT.body(sent, "gpt-5", stream=False), type=dict[str, Raw])

    assert list(body) == ["model", *members]
    assert bytes(body.pop("model")) == b'"gpt-5"'
    assert {name: bytes(value) for name, value in body.items()} == {
        name: bytes(value) for name, value in members.items()
    }


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        pytest.param(None, b'{"include_usage":true}', id="none"),
        pytest.param(b"null", b'{"include_usage":true}', id="null"),
        pytest.param(b"{}", b'{"include_usage":true}', id="empty"),
        pytest.param(b'{"include_usage":false}', b'{"include_usage":true}', id="refused"),
        pytest.param(
            b'{"include_obfuscation":false}',
            b'{"include_obfuscation":false,"include_usage":true}',
            id="others stay",
        ),
    ],
)
def test_a_stream_always_asks_for_usage(options: bytes | None, sent: bytes) -> None:
    members = {"model": Raw(b'"m"')} | ({"stream_options": Raw(options)} if options else {})

    body = CHAT.body(members, "m", stream=True)

    assert body == b'{"model":"m","stream_options":' + sent + b"}"


def test_what_is_no_stream_keeps_its_options() -> None:
    members = {"model": Raw(b'"m"'), "stream_options": Raw(b"null")}

    assert CHAT.body(members, "m", stream=False) == b'{"model":"m","stream_options":null}'


@pytest.mark.parametrize(
    ("url", "wire", "path"),
    [
        ("https://api.openai.com/v1", ProviderWire.OPENAI, b"/v1/chat/completions"),
        ("https://api.openai.com/v1/", ProviderWire.OPENAI, b"/v1/chat/completions"),
        ("https://host/openai/v2", ProviderWire.OPENAI, b"/openai/v2/chat/completions"),
        ("http://127.0.0.1:9000", ProviderWire.CALLER, b"/v1/chat/completions"),
        ("http://127.0.0.1:9000/v1", ProviderWire.CALLER, b"/v1/chat/completions"),
    ],
)
def test_calls_the_url_as_its_sdk_would(url: str, wire: ProviderWire, path: bytes) -> None:
    head = CHAT.head(account(url, wire), "", ())

    assert head.startswith(b"POST " + path + b" HTTP/1.1\r\n")


def test_a_head_has_the_secret_and_the_headers_of_the_wire() -> None:
    head = CHAT.head(account("https://h:1/v1"), "sk-1", (("openai-beta", "x=1"),))

    assert head == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: h:1\r\ncontent-type: application/json\r\n"
        b"openai-beta: x=1\r\nauthorization: Bearer sk-1\r\n"
    )


@pytest.mark.parametrize(
    ("said", "event"),
    [
        (delta(content="x"), Text((0, 0), "x")),
        (delta(refusal="no"), Refusal((0, 0), "no")),
        (delta(reasoning_content="hm"), Reasoning((0, 0), "hm")),
        (
            delta(tool_calls=[{"index": 2, "id": "c", "function": {"name": "f"}}]),
            ToolStart((0, 3), "c", "f"),
        ),
        (
            delta(tool_calls=[{"index": 2, "function": {"arguments": "{"}}]),
            ToolArgs((0, 3), "{"),
        ),
        (b'{"choices":[{"index":4,"delta":{"content":"x"}}]}', Text((4, 0), "x")),
        (b'{"usage":{"prompt_tokens":1}}', UsageReport(b'{"prompt_tokens":1}', final=True)),
        (b'{"error":{"message":"m","type":"t"}}', Failed("m", "t")),
        (b'{"error":{"message":"m","code":429}}', Failed("m", "429")),
        (b'{"error":"no object"}', Failed("", "unknown")),
    ],
)
def test_reads_what_a_chunk_says(said: bytes, event: Event) -> None:
    assert read(said)[0] == [Start(None, None), event]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", StopReason.STOP),
        ("length", StopReason.LENGTH),
        ("tool_calls", StopReason.TOOL_CALLS),
        ("function_call", StopReason.TOOL_CALLS),
        ("content_filter", StopReason.CONTENT_FILTER),
        ("new_reason", StopReason.OTHER),
        ("", StopReason.OTHER),
    ],
)
def test_names_why_a_model_stopped(raw: str, reason: StopReason) -> None:
    said = msgspec.json.encode({"choices": [{"finish_reason": raw}]})

    assert read(said)[0][-1] == Stop(reason, raw)


def test_each_choice_stops_once_however_often_it_is_said() -> None:
    said = [b'{"choices":[{"index":%d,"finish_reason":"stop"}]}' % choice for choice in (0, 1, 0)]

    assert read(*said)[0][1:] == [Stop(StopReason.STOP, "stop")] * 2


def test_the_first_delta_of_a_tool_call_may_hold_its_arguments() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}

    assert read(delta(tool_calls=[call]))[0][1:] == [
        ToolStart((0, 1), "c", "f"),
        ToolArgs((0, 1), "{}"),
    ]


def test_calls_without_an_index_stay_apart() -> None:
    calls = [{"id": name, "function": {"name": name}} for name in "ab"]

    assert read(delta(tool_calls=calls))[0][1:] == [
        ToolStart((0, 1), "a", "a"),
        ToolStart((0, 2), "b", "b"),
    ]


@pytest.mark.parametrize(
    "null",
    [b',"usage":null', b', "usage": null', b',\t"usage" :null', b',"usage" : null '],
)
def test_takes_out_usage_that_is_there_only_because_we_asked(null: bytes) -> None:
    before, after = b'{"id":"1","choices":[{"delta":{"content":"x"}}]', b',"z":1}'

    _, raw = read(before + null + after, hide_usage=True)

    assert b"usage" not in raw
    assert msgspec.json.decode(raw.removeprefix(b"data: ")) == msgspec.json.decode(before + after)


def test_takes_out_usage_that_comes_first() -> None:
    _, raw = read(b'{"usage": null , "choices":[]}', hide_usage=True)

    assert raw == b'data: {"choices":[]}\n\n'


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b'{"choices":[{"delta":{"content":",\\"usage\\":null"}}]}', id="in a text"),
        pytest.param(b'{"choices":[{"delta":{}}],"other":{"a":1,"usage":null}}', id="of another"),
        pytest.param(b'{"choices":[],"x":{"a":1,"usage":null},"usage":null}', id="of both"),
        pytest.param(
            b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}', id="with an answer"
        ),
        pytest.param(b'{"choices":[],"prompt_filter_results":[]}', id="none"),
        pytest.param(
            b'{"choices":[],"usage":{"prompt_tokens":1},"error":{"type":"t"}}', id="with an error"
        ),
    ],
)
def test_never_takes_out_what_may_be_something_else(said: bytes) -> None:
    assert read(said, hide_usage=True)[1] == b"data: " + said + b"\n\n"


def test_hides_the_chunk_that_only_tells_usage_and_reads_it() -> None:
    events, raw = read(b'{"choices":[],"usage":{"prompt_tokens":1}}', hide_usage=True)

    assert raw == b""
    assert events[-1] == UsageReport(b'{"prompt_tokens":1}', final=True)


def test_the_terminal_is_no_json() -> None:
    events, raw = read(b"[DONE]")

    assert (events, raw) == ([End()], b"data: [DONE]\n\n")


def test_reads_a_whole_answer_into_the_same_events() -> None:
    message = {
        "content": "x",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
    }
    answer = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1},
    }

    assert CHAT.read_body(msgspec.json.encode(answer)) == (
        Start("1", "m"),
        Reasoning((0, 0), "hm"),
        Text((0, 0), "x"),
        ToolStart((0, 1), "c", "f"),
        ToolArgs((0, 1), "{}"),
        Stop(StopReason.STOP, "stop"),
        UsageReport(b'{"prompt_tokens":1}', final=True),
        End(),
    )


@pytest.mark.parametrize("usage", [b"", b',"usage":null'])
def test_an_answer_without_usage_tells_none(usage: bytes) -> None:
    assert CHAT.read_body(b'{"choices":[]' + usage + b"}") == (Start(None, None), End())


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c"}}', ("t", "m")),
        (b'{"error":{"message":"m","code":"c"}}', ("c", "m")),
        (b'{"error":{"message":"m","code":42}}', ("42", "m")),
        (b'{"error":"plain text"}', ("unknown", "plain text")),
        (b'{"detail":"x"}', ("unknown", "")),
        (b"<html>", ("unknown", "")),
        (b'{"error":"\xff"}', ("unknown", "")),
    ],
)
def test_reads_what_went_wrong(body: bytes, fault: tuple[str, str]) -> None:
    assert CHAT.fault(body)[:2] == fault
