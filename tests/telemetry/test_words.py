import asyncio

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.telemetry.shapes import ANSWERED, SAID, answered, content_of, spoken, with_content

from trimtab.telemetry.evaluations import evaluation
from trimtab.telemetry.preset import Content, preset
from trimtab.telemetry.semconv import DEFAULT, VERSIONS, Semconv
from trimtab.telemetry.spans import render
from trimtab.telemetry.words import DETAILS, Words

NAMES = set(DEFAULT.content.values()) - {"gen_ai.system_instructions"}


def names(of: Span | Span.Event) -> set[str]:
    return {it.key for it in of.attributes} & NAMES


@pytest.mark.parametrize(
    ("content", "on_span", "on_event"),
    [
        (Content.NONE, set[str](), None),
        (Content.REFERENCE, set[str](), None),
        (Content.SPAN, NAMES, None),
        (Content.EVENT, set[str](), NAMES),
        (Content.SPAN_AND_EVENT, NAMES, NAMES),
    ],
)
def test_words_stand_where_they_are_to(
    content: Content, on_span: set[str], on_event: set[str] | None
) -> None:
    last = with_content(content, DEFAULT)[-1]

    events = {it.name: names(it) for it in last.events if it.name != "first_chunk"}
    assert names(last) == on_span
    assert events == ({} if on_event is None else {DETAILS: on_event})


def test_a_reference_leads_to_the_console_and_only_where_there_is_content() -> None:
    (url,) = [
        it.value.string_value
        for it in with_content(Content.REFERENCE, DEFAULT)[-1].attributes
        if it.key == "trimtab.content.url"
    ]

    assert url == f"https://t/requests/{spoken().record.request_id}"


def test_words_are_on_the_last_attempt_alone() -> None:
    *others, _ = with_content(Content.SPAN_AND_EVENT, DEFAULT)

    assert not any(b"30 days" in it.SerializeToString() for it in others)


def test_without_content_in_the_store_nothing_is_added() -> None:
    finish = answered(input_ref=b"gone", output_ref=None)

    assert with_content(Content.SPAN, DEFAULT, finish) == with_content(
        Content.NONE, DEFAULT, finish
    )


def test_1_36_makes_each_message_an_event() -> None:
    last = with_content(Content.SPAN, VERSIONS[Semconv.V1_36])[-1]

    assert [it.name for it in last.events] == [
        "first_chunk",
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.choice",
    ]


def test_what_was_left_out_is_told() -> None:
    long = {"messages": [{"role": "user", "content": "x" * 30_000}] * 10}

    async def read(_tenant: str, _ts_us: int, _ref: bytes) -> bytes:
        return msgspec.json.encode(long)

    words = Words(content=Content.SPAN, read=read, recorded=dict)
    span = asyncio.run(words.added(Span(), answered(input_ref=b"r").record, DEFAULT))

    assert span is not None
    assert {it.key: it.value.int_value for it in span.attributes if it.value.int_value} == {
        "trimtab.content.left_out": 6
    }


@pytest.mark.parametrize(("content", "sent"), [(Content.SPAN, True), (Content.NONE, False)])
def test_why_a_judge_said_so_goes_with_content_alone(content: Content, *, sent: bool) -> None:
    async def read(_tenant: str, _ts_us: int, ref: bytes) -> bytes | None:
        return b"because" if ref == b"why" else None

    annotation = msgspec.structs.replace(SAID.annotation, text_ref=b"why")
    said = msgspec.structs.replace(SAID, annotation=annotation)
    span = evaluation(said, DEFAULT)
    assert span is not None
    words = Words(content=content, read=read, recorded=dict)

    told = asyncio.run(words.added(span, said, DEFAULT))

    assert (told is not None) == sent
    assert (b"because" in (told or span).SerializeToString()) == sent


def test_the_answer_is_what_the_record_keeps() -> None:
    last = with_content(Content.SPAN, DEFAULT)[-1]
    (text,) = [
        it.value.string_value for it in last.attributes if it.key == "gen_ai.output.messages"
    ]

    assert msgspec.json.decode(text) == [{**ANSWERED, "finish_reason": "stop"}]


@pytest.mark.parametrize(("content", "sent"), [(Content.SPAN, True), (Content.EVENT, False)])
def test_a_receivers_own_names_are_on_root_and_call_where_content_is(
    content: Content, *, sent: bool
) -> None:
    extras = preset("phoenix").extras
    words = Words(content=content, read=content_of, recorded=dict)
    root, *_, call = render(spoken(), DEFAULT)

    told = [asyncio.run(words.added(it, spoken().record, DEFAULT, extras)) for it in (root, call)]

    said = [{one.key: one.value.string_value for one in (it or Span()).attributes} for it in told]
    assert [it.get("output.value") for it in said] == ["Yes, for 30 days." if sent else None] * 2
    assert [bool(it.get("input.value")) for it in said] == [sent, sent]
    assert "gen_ai.input.messages" not in said[0]
