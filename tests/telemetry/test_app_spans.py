from collections.abc import AsyncIterator
from gzip import decompress
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status
from tests.telemetry import told
from tests.telemetry.spooled import Spooled

from trimtab.domain.app_span import AppSpan
from trimtab.store.base.recording import Batch
from trimtab.store.memory.records import MemoryRecords
from trimtab.telemetry import ingest
from trimtab.telemetry.app_spans import PIECE, Released, render_app, stored_spans
from trimtab.telemetry.batch import Entry, gather, of_app
from trimtab.telemetry.deciding import Decision
from trimtab.telemetry.export import with_words
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.otlp import Cuts
from trimtab.telemetry.preset import Content, Signal
from trimtab.telemetry.view import View, encode
from trimtab.telemetry.words import Words

KEPT = Decision(is_kept=True, rule="rest", th=0)
TOLD = {
    "gen_ai.operation.name": "chat",
    "app.flag": True,
    "app.step": 3,
    "app.share": 0.25,
    "app.list": ["a", 1],
    "app.map": {"a": {"b": 2}},
    "app.nothing": [],
}
SECRET = {"gen_ai.input.messages": "planted", "db.query.text": "planted"}


def full() -> Span:
    span = told.span(
        1,
        5,
        kind=Span.SPAN_KIND_SERVER,
        attributes={**TOLD, **SECRET},
        events=[("tick", {"n": 1}), ("exception", {"exception.message": "planted", "n": 2})],
    )
    span.status.code, span.status.message = Status.STATUS_CODE_ERROR, "planted"
    return span


def taken(*spans: Span, **resource: str) -> list[tuple[AppSpan, bytes | None]]:
    data = told.request(*spans, **resource).SerializeToString()
    found = ingest.spans(data, Cuts(), told.START_US, is_json=False)
    return [
        (replace(it.span, tenant_id="acme", content_ref=it.content and b"ref"), it.content)
        for it in found
        if it.span is not None
    ]


def without_ours(span: Span) -> Span:
    bare = Span()
    bare.CopyFrom(span)
    kept = [it for it in span.attributes if "sampling" not in it.key and "tenant" not in it.key]
    del bare.attributes[:]
    bare.attributes.extend(sorted(kept, key=lambda it: it.key))
    bare.trace_state = ""
    return bare


def expected(span: Span, *, content: bool) -> Span:
    span.flags = 1
    if not content:
        plain = [it for it in span.attributes if it.key not in SECRET]
        del span.attributes[:]
        span.attributes.extend(plain)
        del span.events[1].attributes[0]
        span.status.message = ""
    return without_ours(span)


def entries(*spans: Span, **resource: str) -> list[Entry]:
    released = Released(KEPT, tuple(it for it, _ in taken(*spans, **resource)))
    return of_app(released, "w1", View())


def sent(found: list[Entry], view: View) -> list[ResourceSpans]:
    body = encode([(it.source, it.span) for it in found], view)
    return list(ExportTraceServiceRequest.FromString(decompress(body)).resource_spans)


def resource_of(it: ResourceSpans) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in it.resource.attributes}


def test_a_span_goes_out_as_it_was_told_but_for_its_content() -> None:
    ((span, content),) = taken(full())

    _, rendered = render_app(span, KEPT)

    assert content is not None
    assert b"planted" in content
    assert b"planted" not in rendered.SerializeToString()
    assert without_ours(rendered) == expected(full(), content=False)


@pytest.mark.parametrize("content", [Content.SPAN, Content.EVENT, Content.SPAN_AND_EVENT])
async def test_where_a_receiver_may_have_content_it_is_back_where_it_was(content: Content) -> None:
    asked: list[tuple[str, int, bytes]] = []

    async def read(tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        asked.append((tenant_id, ts_us, ref))
        return taken(full())[0][1]

    words = Words(content=content, read=read, recorded=dict)

    (entry,) = await with_words(entries(full()), words, View())

    assert asked == [("acme", told.START_US, b"ref")]
    restored = without_ours(entry.span)
    restored.events[1].attributes.sort(key=lambda it: it.key)
    assert restored == expected(full(), content=True)
    assert entry.bare is not None
    assert b"planted" not in entry.bare.SerializeToString()


@pytest.mark.parametrize("content", [Content.NONE, Content.REFERENCE, Content.SPAN])
async def test_where_it_may_not_or_the_tenant_s_policy_forbids_it_nothing_is_added(
    content: Content,
) -> None:
    async def read(_tenant: str, _ts_us: int, _ref: bytes) -> bytes | None:
        assert content is Content.SPAN
        return None

    found = entries(full())
    words = Words(content=content, read=read, recorded=dict)

    assert await with_words(found, words, View()) == found


def test_each_application_keeps_its_resource_and_gets_what_the_receiver_asks_for() -> None:
    ours = {"service.version": "9", "service.name": "ml-app", "openinference.project.name": "p"}
    found = [
        *entries(told.span(1), told.span(2)),
        *entries(told.span(3), service__name="other", service__version="1"),
    ]

    one, other = sent(found, View(resource=ours))

    project = {"openinference.project.name": "p"}
    assert resource_of(one) == {"service.name": "rag-api", **project}
    assert resource_of(other) == {"service.name": "other", "service.version": "1", **project}
    assert [len(it.scope_spans[0].spans) for it in (one, other)] == [2, 1]


def test_names_that_a_receiver_takes_for_something_else_are_left_out() -> None:
    ((span, _),) = taken(full())

    _, rendered = render_app(span, KEPT, frozenset({"app.step"}))

    names = {it.key for it in rendered.attributes}
    assert "app.share" in names
    assert "app.step" not in names


def released(home: Path, *decisions: Decision) -> Path:
    worker = Spooled(home)
    for decision in decisions:
        made = Released(decision, tuple(it for it, _ in taken(told.span(1), told.span(2))))
        worker.raw(worker.frame(Kind.RELEASED, msgspec.msgpack.encode(made)))
    return home / "spool"


def test_they_are_no_log_records_and_what_is_dropped_is_for_collectors_only(
    tmp_path: Path,
) -> None:
    spool = released(tmp_path, KEPT, KEPT._replace(is_kept=False))

    assert gather(spool, {}, View(signal=Signal.LOGS)).entries == []
    first, second = gather(spool, {}, View()).entries
    assert first.passed is None
    assert second.passed is not None
    assert len(gather(spool, {}, View(everything=True)).entries) == 4


def test_what_was_kept_for_a_reason_is_not_given_up_with_the_rest(tmp_path: Path) -> None:
    spool = released(tmp_path, KEPT, KEPT._replace(rule="error"))

    batch = gather(spool, {}, View(), spare=lambda rule: rule == "rest")

    assert (len(batch.entries), batch.spared) == (2, 1)


async def test_stored_spans_of_a_trace_are_read_a_piece_at_a_time() -> None:
    records = MemoryRecords(lambda _tenant: b"key")
    spans = taken(*(told.span(n, ts_us=n) for n in range(1, PIECE + 3)))
    await records.commit(Batch(spans=tuple(it for it, _ in spans)))

    async def sizes(found: AsyncIterator[tuple[AppSpan, ...]]) -> list[int]:
        return [len(it) async for it in found]

    assert await sizes(stored_spans(records, "acme", told.TRACE)) == [PIECE, 2]
    assert await sizes(stored_spans(records, "globex", told.TRACE)) == []
