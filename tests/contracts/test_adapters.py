"""What every `providers.base.Adapter` must do with a stream, judged on golden corpora."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from trimtab.domain.chat import End, Event, Failed, Start, Stop, ToolArgs, UsageReport
from trimtab.domain.model import Wire
from trimtab.pipeline.transcript import Transcript
from trimtab.providers.base import Adapter, BadBody, BadStream, StreamReader
from trimtab.testing import FrozenClock
from trimtab.wiring.gateway import SPOKEN, adapters

CORPORA = {
    path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "wire").iterdir())
}
WIRES = {
    "openai": Wire.OPENAI_CHAT,
    "responses": Wire.OPENAI_RESPONSES,
    "anthropic": Wire.ANTHROPIC_MESSAGES,
}
STREAMED = list(WIRES.values())
WHOLE = [wire for wire in SPOKEN if wire not in STREAMED]
ALL = {
    f"{caller} to {provider}": adapter
    for (caller, provider), adapter in adapters(FrozenClock()).items()
    if caller in STREAMED
}
each = pytest.mark.parametrize("adapter", ALL.values(), ids=ALL)
BAD = b"data: {oops\n\n"
GOOD = {
    Wire.OPENAI_CHAT: b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n',
    Wire.OPENAI_RESPONSES: b'data: {"type":"response.queued"}\n\n',
    Wire.ANTHROPIC_MESSAGES: b'data: {"type":"ping"}\n\n',
}


def reader(name: str, *, hide_usage: bool = False) -> StreamReader:
    return SPOKEN[WIRES[name.partition("_")[0]]].reader(hide_usage=hide_usage)


def read(
    name: str, blocks: Sequence[bytes], *, hide_usage: bool = False
) -> tuple[list[Event], bytes]:
    judged = reader(name, hide_usage=hide_usage)
    chunks = [chunk for block in blocks for chunk in judged.feed(block)]
    return [event for chunk in chunks for event in chunk.events], b"".join(
        chunk.raw for chunk in chunks
    )


def said(events: Sequence[Event]) -> bytes | None:
    transcript = Transcript()
    for event in events:
        transcript.absorb(event)
    return transcript.message()


@pytest.mark.parametrize("name", CORPORA)
def test_every_byte_passes_in_order(name: str) -> None:
    assert read(name, [CORPORA[name]])[1] == CORPORA[name]


@pytest.mark.parametrize("name", CORPORA)
def test_cut_at_any_one_place_a_stream_says_the_same(name: str) -> None:
    data = CORPORA[name]
    whole = read(name, [data])

    assert all(read(name, [data[:cut], data[cut:]]) == whole for cut in range(0, len(data), 3))


@pytest.mark.parametrize("hide_usage", [True, False])
@pytest.mark.parametrize("name", CORPORA)
@settings(max_examples=25)
@given(draw=st.data())
def test_cut_anywhere_a_stream_says_the_same(
    *, name: str, hide_usage: bool, draw: st.DataObject
) -> None:
    data = CORPORA[name]
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=40))
    blocks = [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]

    assert read(name, blocks, hide_usage=hide_usage) == read(name, [data], hide_usage=hide_usage)


@pytest.mark.parametrize("name", CORPORA)
def test_byte_by_byte_a_stream_says_the_same(name: str) -> None:
    data = CORPORA[name]

    assert read(name, [data[at : at + 1] for at in range(len(data))]) == read(name, [data])


@pytest.mark.parametrize("name", CORPORA)
def test_a_stream_has_one_start_one_stop_one_end_and_final_usage(name: str) -> None:
    events, _ = read(name, [CORPORA[name]])

    assert [type(event) for event in events if isinstance(event, Start | End)] == [Start, End]
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    assert sum(isinstance(event, Stop) for event in events) == 1
    reports = [event for event in events if isinstance(event, UsageReport)]
    assert reports[-1].final
    assert not any(isinstance(event, Failed) for event in events)


@pytest.mark.parametrize("name", CORPORA)
def test_hiding_usage_hides_nothing_that_was_said(name: str) -> None:
    shown, _ = read(name, [CORPORA[name]])
    hidden, raw = read(name, [CORPORA[name]], hide_usage=True)

    assert hidden == shown
    again, _ = read(name, [raw])
    assert said(again) == said(shown)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("openai_tools.sse", {1: '{"city":"Rome"} ', 2: '{"tz":"CET"}'}),
        ("responses_tools.sse", {1: '{"city":"Rome"}', 2: '{"tz":"CET"}'}),
        ("anthropic_tools.sse", {1: '{"city": "Rome"}', 2: '{"tz": "CET"}'}),
    ],
)
def test_arguments_of_interleaved_calls_stay_apart(name: str, arguments: dict[int, str]) -> None:
    events, _ = read(name, [CORPORA[name]])

    found = dict.fromkeys(arguments, "")
    for event in events:
        if isinstance(event, ToolArgs):
            found[event.channel[1]] += event.fragment
    assert found == arguments


@pytest.mark.parametrize("wire", STREAMED)
def test_three_malformed_events_in_a_row_end_a_stream_and_two_do_not(wire: Wire) -> None:
    judged = SPOKEN[wire].reader(hide_usage=False)

    passed = judged.feed(BAD + BAD + GOOD[wire] + BAD + BAD)

    assert b"".join(chunk.raw for chunk in passed) == BAD + BAD + GOOD[wire] + BAD + BAD
    with pytest.raises(BadStream):
        judged.feed(BAD)


@pytest.mark.parametrize("wire", STREAMED)
def test_comments_and_empty_events_are_not_malformed(wire: Wire) -> None:
    judged = SPOKEN[wire].reader(hide_usage=False)
    quiet = b": keepalive\n\nevent: ping\n\nid: 1\n\n\n\n"

    chunks = [chunk for _ in range(5) for chunk in judged.feed(quiet)]

    assert b"".join(chunk.raw for chunk in chunks) == quiet * 5
    assert all(chunk.events == () for chunk in chunks)


@each
def test_an_event_without_end_ends_the_stream(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.providers.sse.MAX_EVENT_BYTES", 1000)
    judged = adapter.reader(hide_usage=False)

    judged.feed(b"data: " + b"x" * 900)
    with pytest.raises(BadStream):
        judged.feed(b"x" * 900)


@each
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="nothing said"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(b'{"id":"\xff","choices":[],"content":[]}', id="invalid UTF-8"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
        pytest.param(b"<html>Bad Gateway</html>", id="a page"),
    ],
)
def test_a_body_of_another_shape_is_bad(adapter: Adapter, body: bytes) -> None:
    with pytest.raises(BadBody):
        adapter.read_body(body)


@each
@given(body=st.binary(max_size=200))
def test_reading_an_error_never_fails(adapter: Adapter, body: bytes) -> None:
    fault = adapter.fault(body)

    assert isinstance(fault.type, str)
    assert fault.type


@each
@settings(max_examples=200)
@given(blocks=st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_of_a_provider_are_a_bug_of_ours(adapter: Adapter, blocks: list[bytes]) -> None:
    judged = adapter.reader(hide_usage=True)

    try:
        for block in blocks:
            judged.feed(b"data: " + block + b"\n\n")
    except BadStream:
        pass


@pytest.mark.parametrize("wire", WHOLE)
def test_a_wire_without_streams_reads_none(wire: Wire) -> None:
    with pytest.raises(BadStream):
        SPOKEN[wire].reader(hide_usage=False).feed(b"data: {}\n\n")


@each
@given(body=st.binary(max_size=200))
def test_telling_an_error_never_fails(adapter: Adapter, body: bytes) -> None:
    assert isinstance(adapter.refusal(body), bytes)


@pytest.mark.parametrize("wire", SPOKEN)
def test_an_adapter_knows_its_wire(wire: Wire) -> None:
    assert SPOKEN[wire].wire is wire


@pytest.mark.parametrize("wire", SPOKEN)
def test_on_the_same_wire_nothing_is_lost_and_every_byte_is_told_as_it_came(wire: Wire) -> None:
    adapter, odd = SPOKEN[wire], b'{"a": 1.50,  "error":{} }'

    assert adapter.losses({"new": Raw(odd)}) == ()
    assert adapter.answer(odd, ()) is odd
    assert adapter.refusal(odd) is odd
