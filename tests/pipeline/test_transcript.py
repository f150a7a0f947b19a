import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from trimtab.pipeline.transcript import MAX_NAME_CHARS, MAX_STOPS, Transcript, bounded


def gathered(*events: Event) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.absorb(event)
    return transcript


def test_an_answer_is_a_message_with_parts_in_the_order_they_began() -> None:
    transcript = gathered(
        Start("r1", "m"),
        Reasoning((0, 0), "hm"),
        Text((0, 1), "It is "),
        ToolStart((0, 2), "call_1", "look"),
        Text((0, 1), "warm"),
        ToolArgs((0, 2), '{"a":'),
        ToolStart((0, 3), "call_2", "ask"),
        ToolArgs((0, 2), "1}"),
        Stop(StopReason.TOOL_CALLS, "tool_calls"),
        End(),
    )

    message = transcript.message()

    assert message is not None
    assert msgspec.json.decode(message) == {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "text", "content": "It is warm"},
            {"type": "tool_call", "id": "call_1", "name": "look", "arguments": '{"a":1}'},
            {"type": "tool_call", "id": "call_2", "name": "ask"},
        ],
    }
    assert (transcript.tool_calls, transcript.output_chars) == (2, 19)
    assert (transcript.response_id, transcript.model) == ("r1", "m")


def test_arguments_before_their_call_are_not_lost() -> None:
    message = gathered(ToolArgs((0, 1), "{}")).message()

    assert message is not None
    assert msgspec.json.decode(message)["parts"][0]["arguments"] == "{}"


def test_nothing_said_is_no_message() -> None:
    assert gathered(Start(None, None), Stop(StopReason.STOP, "stop"), End()).message() is None


@pytest.mark.parametrize(
    ("reason", "refused"), [(StopReason.STOP, False), (StopReason.CONTENT_FILTER, True)]
)
def test_says_whether_the_model_refused(*, reason: StopReason, refused: bool) -> None:
    transcript = gathered(Stop(StopReason.LENGTH, "length"), Stop(reason, "x"))

    assert transcript.refused == refused
    assert transcript.finish_reasons == f"length,{reason.value}"


def test_a_refusal_is_told_although_the_model_stopped_as_usual() -> None:
    transcript = gathered(Refusal((0, 0), "no"), Stop(StopReason.STOP, "stop"))

    assert transcript.refused
    assert transcript.finish_reasons == "stop"
    assert transcript.message() == b'{"role":"assistant","parts":[{"type":"text","content":"no"}]}'


def test_keeps_usage_reports_in_order() -> None:
    first, second = UsageReport(b"{}", final=False), UsageReport(b"{}", final=True)

    assert gathered(first, second).usage_reports == [first, second]


def test_an_error_after_the_terminal_is_no_error() -> None:
    assert gathered(Failed("m", "t")).failed == Failed("m", "t")
    assert gathered(End(), Failed("m", "t")).failed is None


def test_a_provider_cannot_fill_a_record() -> None:
    transcript = gathered(
        Start("i" * 10_000, "m\x00" * 10_000), *[Stop(StopReason.STOP, "stop")] * 10_000
    )

    assert len(transcript.response_id or "") == MAX_NAME_CHARS
    assert len(transcript.model or "") == MAX_NAME_CHARS
    assert len(transcript.stops) == MAX_STOPS


@given(st.text())
def test_a_bounded_name_is_short_and_printable(text: str) -> None:
    name = bounded(text)

    assert name is not None
    assert name.isprintable()
    assert len(name) == min(len(text), MAX_NAME_CHARS)
    assert bounded(name) is name


def test_no_name_stays_none() -> None:
    assert bounded(None) is None
