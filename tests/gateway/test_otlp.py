"""What applications tell of their work, as the gateway takes it in."""

import asyncio
import base64
import gzip
import json
import tracemalloc
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from tests.gateway.conftest import AUTH, Answer, Caller, call, gateway, scope
from tests.pipeline.conftest import ACME, GRANT, OF_ACME, TIER, Rig
from tests.records import finish, tenant_key
from tests.telemetry.told import TRACE, event, logs, request, span

from trimtab.domain.annotation import Annotated
from trimtab.domain.app_span import AppSpan, SpanBatch
from trimtab.domain.ids import TenantId
from trimtab.domain.suspension import Suspension
from trimtab.domain.tenant import ContentPolicy, Durability, KeyRight, Tenant
from trimtab.gateway import otlp as module
from trimtab.gateway.otlp import MAX_BODY, OtlpIngest
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.memory.records import MemoryRecords
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.ingest import body_of
from trimtab.telemetry.otlp import MAX_ATTRIBUTES, MAX_ITEMS, MAX_VALUE, varint

TRACES, LOGS = "/v1/traces", "/v1/logs"
PROTOBUF = (b"content-type", b"application/x-protobuf")
JSON = (b"content-type", b"application/json")
GZIP = (b"content-encoding", b"gzip")
OTHER = Tenant(id=TenantId("other"), tier="free")
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "large"}


class Site:
    """A gateway that takes telemetry in, and what it wrote down of that."""

    def __init__(self, **granted: Any) -> None:  # noqa: ANN401 -- members of a grant
        self.rig = Rig(grant=replace(GRANT, **granted))
        self.rig.snapshot = replace(
            self.rig.snapshot, tenants={ACME.id: ACME, OTHER.id: OTHER}, tiers={TIER.name: TIER}
        )
        self.records = MemoryRecords(tenant_key)
        self.ingest = OtlpIngest(
            self.rig.pipeline.enrol,
            self.rig.spool,
            ContentCapture(tenant_key),
            self.records,
            self.rig.clock,
        )
        self.app = gateway(self.rig, self.ingest)

    async def post(
        self,
        body: bytes | ExportTraceServiceRequest,
        *headers: tuple[bytes, bytes],
        path: str = TRACES,
    ) -> Answer:
        data = body if isinstance(body, bytes) else body.SerializeToString()
        given = headers if any(it[0] == b"content-type" for it in headers) else (PROTOBUF, *headers)
        caller = Caller([data])
        await self.app(scope("POST", path, (AUTH, *given)), caller.receive, caller.send)
        return caller.answer

    async def logs(self, *records: Any) -> ExportLogsServiceResponse:  # noqa: ANN401
        answer = await self.post(logs(*records).SerializeToString(), path=LOGS)
        assert answer.status == 200, answer.body
        return ExportLogsServiceResponse.FromString(answer.body)

    @property
    def batches(self) -> list[SpanBatch]:
        return [
            msgspec.msgpack.decode(payload, type=SpanBatch)
            for kind, payload in self.rig.spool.frames
            if kind is Kind.SPANS
        ]

    @property
    def spans(self) -> list[AppSpan]:
        return [it for batch in self.batches for it in batch.spans]

    @property
    def annotated(self) -> list[Annotated]:
        return [
            msgspec.msgpack.decode(payload, type=Annotated)
            for kind, payload in self.rig.spool.frames
            if kind is Kind.ANNOTATION
        ]

    async def content(self, span: AppSpan) -> Any:  # noqa: ANN401 -- JSON
        blobs = [
            StoredBlob(it.tenant_id, it.received_us, blob)
            for it in self.batches
            for blob in it.content
        ]
        await self.records.commit(Batch(blobs=tuple(blobs)))
        assert span.content_ref is not None
        data = await self.records.content(span.tenant_id, span.received_us, span.content_ref)
        assert data is not None
        return json.loads(data)


def partial(answer: Answer) -> tuple[int, str]:
    assert answer.status == 200, answer.body
    told = ExportTraceServiceResponse.FromString(answer.body).partial_success
    return told.rejected_spans, told.error_message


def as_json(sent: ExportTraceServiceRequest) -> bytes:
    """Write OTLP/JSON, in which ids are hex."""
    document = MessageToDict(sent)
    for it in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in it:
                it[name] = base64.b64decode(it[name]).hex()
    return json.dumps(document).encode()


@pytest.mark.parametrize("encoding", ["protobuf", "json", "gzip", "json+gzip"])
async def test_spans_are_in_the_spool_when_the_answer_is_200(encoding: str) -> None:
    site, sent = Site(), request(span(2, 1, "chat large", attributes=CHAT))
    data = as_json(sent) if "json" in encoding else sent.SerializeToString()
    headers: list[tuple[bytes, bytes]] = [JSON if "json" in encoding else PROTOBUF]
    if "gzip" in encoding:
        data = gzip.compress(data)
        headers.append(GZIP)

    answer = await site.post(data, *headers)

    assert answer.status == 200
    assert answer.headers["content-type"].encode() == headers[0][1]
    assert answer.body == (b"{}" if "json" in encoding else b"")
    [told] = site.spans
    assert (told.tenant_id, told.trace_id, told.span_id) == ("acme", TRACE, f"{2:016x}")
    assert (told.parent_span_id, told.name, told.kind) == (f"{1:016x}", "chat large", "client")
    assert (told.service, told.view) == ("rag-api", "llm")
    assert told.end_us - told.ts_us == 1_000
    assert body_of(told).attributes == CHAT


async def test_a_full_spool_is_told_and_the_next_attempt_writes_all_of_it() -> None:
    site = Site()
    sent = request(span(attributes={"input.value": "What is a trim tab?" * 20}))
    site.rig.spool.full = True

    answer = await site.post(sent)

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert site.spans == []
    site.rig.spool.full = False
    assert (await site.post(sent)).status == 200
    assert (await site.content(site.spans[0]))["attributes"]["input.value"].startswith("What")


async def test_whoever_comes_when_too_many_wait_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_OF_TENANT", 1)
    site = Site()
    slow = Caller([b"\x0a"], ends=False)
    waiting = asyncio.create_task(
        site.app(scope("POST", TRACES, (AUTH, PROTOBUF)), slow.receive, slow.send)
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    answer = await site.post(request(span()))

    waiting.cancel()
    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await site.post(request(span()))).status == 200


async def test_a_worker_that_shuts_down_takes_nothing_in() -> None:
    site = Site()
    site.app.drain()

    assert (await site.post(request(span()))).status == 503


def _rpc(answer: Answer) -> tuple[int, str]:
    """Read `google.rpc.Status`: a code, and a message."""
    assert answer.body[:1] == b"\x08"
    assert answer.body[2:3] == b"\x12"
    text = answer.body[3:]
    size = len(text) - (1 if text[0] < 0x80 else 2)
    return answer.body[1], text[-size:].decode()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ((), 401, 16),
        (((b"authorization", b"Bearer tt-dev-none"),), 401, 16),
        ((AUTH, (b"x-trimtab-tenant", b"other")), 403, 7),
    ],
)
async def test_without_a_good_key_nothing_is_read(
    headers: Iterable[tuple[bytes, bytes]], status: int, code: int
) -> None:
    site, caller = Site(), Caller([b"x"])

    await site.app(scope("POST", TRACES, (*headers, PROTOBUF)), caller.receive, caller.send)

    assert caller.answer.status == status
    assert _rpc(caller.answer)[0] == code
    assert caller.unread == [b"x"]


async def test_errors_are_in_the_encoding_of_the_caller() -> None:
    site = Site()

    as_protobuf, in_json = await site.post(b"\xff"), await site.post(b"{", JSON)

    assert as_protobuf.status == in_json.status == 400
    assert _rpc(as_protobuf) == (3, in_json.json["message"])
    assert in_json.json["code"] == 3


async def test_a_suspended_tenant_tells_nothing() -> None:
    site = Site(suspensions={OF_ACME: Suspension(reason="loop")})

    answer = await site.post(request(span()))

    assert answer.status == 403
    assert site.spans == []


async def test_only_post_is_served_and_only_encodings_that_are_read() -> None:
    site = Site()

    assert (await call(site.app, "GET", TRACES)).status == 404
    assert (await site.post(b"", (b"content-encoding", b"br"))).status == 400
    assert (await site.post(b"", (b"content-type", b"text/plain"))).status == 400


async def test_a_tenant_who_waits_for_the_disk_waits_here_too() -> None:
    site = Site(durability=Durability.STRICT)

    await site.post(request(span()))

    assert site.rig.spool.waited == [1]


async def test_a_tenant_attribute_is_ignored_unless_the_key_may() -> None:
    plain = Site()
    trusted = Site(key=msgspec.structs.replace(GRANT.key, may=(KeyRight.INGEST_ANY,)))
    sent = request(span(1), tenant__id="other")
    several = request(
        span(1, attributes={"tenant.id": "other"}),
        span(2),
        span(3, attributes={"tenant.id": "nobody"}),
        span(4, attributes={"tenant.id": "acme"}),
        span(5, attributes={"tenant.id": "trimtab.evals"}),
    )

    await plain.post(sent)
    rejected, message = partial(await trusted.post(several))

    assert [it.tenant_id for it in plain.spans] == ["acme"]
    assert {it.span_id[-1]: it.tenant_id for it in trusted.spans} == {
        "1": "other",
        "2": "acme",
        "4": "acme",
    }
    assert rejected == 2
    assert "of a tenant that is there" in message


async def test_content_goes_to_the_content_store_and_the_span_keeps_its_ref() -> None:
    site = Site()
    said = "the kettle is on " * 30

    await site.post(
        request(
            span(
                attributes={**CHAT, "gen_ai.input.messages": said, "app.step": 3},
                events=[("gen_ai.user.message", {"content": said}), ("tick", {"n": 1})],
            )
        )
    )

    [told] = site.spans
    assert b"kettle" not in told.body
    assert body_of(told).attributes == {**CHAT, "app.step": 3}
    assert [name for _, name, _ in body_of(told).events] == ["gen_ai.user.message", "tick"]
    kept = await site.content(told)
    assert kept["attributes"] == {"gen_ai.input.messages": said}
    assert kept["events"][0][2] == {"content": said}


@pytest.mark.parametrize("policy", [ContentPolicy.NONE, ContentPolicy.REDACTED])
async def test_content_that_may_not_be_kept_is_in_no_frame(policy: ContentPolicy) -> None:
    site = Site(content=policy)
    hidden = {
        "gen_ai.prompt.0.content": "planted",
        "llm.input_messages.0.message.content": "planted",
        "gen_ai.retrieval.documents": '[{"id": "d1", "content": "planted"}]',
        "retrieval.documents.0.document.content": "planted",
        "exception.message": "planted",
        "output.value": "planted",
    }
    failed = span(attributes=hidden, events=[("gen_ai.choice", {"message": "planted"})])
    failed.status.message = "planted"
    failed.status.code = Status.STATUS_CODE_ERROR

    await site.post(request(failed))

    [told] = site.spans
    assert told.content_ref is None
    assert told.status == "error"
    assert body_of(told).facts.documents[0].doc_id == "d1"
    assert all(b"planted" not in payload for _, payload in site.rig.spool.frames)
    assert b"planted" not in msgspec.json.encode(body_of(told))


async def test_ingest_hostile_a_bomb_is_not_inflated_to_its_end() -> None:
    site = Site()
    bomb = gzip.compress(b"\0" * (128 << 20))
    tracemalloc.start()

    answer = await site.post(bomb, GZIP)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(bomb) < MAX_BODY
    assert answer.status == 413
    assert peak < 100 << 20


async def test_ingest_hostile_a_body_above_4_mib_is_not_read() -> None:
    assert (await Site().post(b" " * (MAX_BODY + 1))).status == 413


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b"\0" * 999, mtime=0)[:-9]])
async def test_ingest_hostile_what_is_no_gzip_is_refused(data: bytes) -> None:
    assert (await Site().post(data, GZIP)).status == 400


async def test_ingest_hostile_100_000_attributes_are_cut_and_counted() -> None:
    site = Site()
    many = request(span(attributes={f"a{n}": "v" for n in range(100_000)}))

    answer = await site.post(many)

    assert answer.status == 200
    [told] = site.spans
    assert len(body_of(told).attributes) == MAX_ATTRIBUTES
    assert body_of(told).cut == 100_000 - MAX_ATTRIBUTES
    assert f"{100_000 - MAX_ATTRIBUTES} values" in answer.body.decode(errors="replace")


async def test_ingest_hostile_long_values_are_cut_and_counted() -> None:
    site = Site()
    long = {
        "app.long": "ä" * MAX_VALUE,
        "app.list": ["x" * 1_000] * 200,
        "app.fine": "y" * MAX_VALUE,
        "k" * 300: 1,
    }

    rejected, message = partial(await site.post(request(span(attributes=long))))

    attributes = body_of(site.spans[0]).attributes
    assert rejected == 0
    assert message.startswith("3 values cut or left out: at most 128 attributes a span")
    assert attributes["app.long"] == "ä" * (MAX_VALUE // 2)
    assert not attributes["app.list"]
    assert len(attributes["app.fine"]) == MAX_VALUE


@pytest.mark.parametrize(
    ("wraps", "status"),
    [((1,), 413), ((2, 2, 1), 413), ((9, 2, 2, 1), 413), ((1, 5, 2, 9, 2, 2, 1), 200)],
    ids=["resources", "spans", "attributes", "values"],
)
async def test_ingest_hostile_a_million_nothings_are_not_made_into_objects(
    wraps: tuple[int, ...], status: int
) -> None:
    site, (tag, *around) = Site(), wraps
    data = (varint(tag << 3 | 2) + b"\0") * (1 << 20)
    for number in around:
        data = varint(number << 3 | 2) + varint(len(data)) + data

    answer = await site.post(gzip.compress(data), GZIP)

    assert answer.status == status
    assert site.spans == []


async def test_ingest_hostile_json_of_too_many_parts_is_refused() -> None:
    data = b'{"resourceSpans":[' + b"{}," * 2_000_000 + b"{}]}"

    assert (await Site().post(gzip.compress(data), JSON, GZIP)).status == 413


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"null",
        b'{"resourceSpans": 7}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId": "z"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name": "\\ud800"}]}]}]}',
        b'{"resourceSpans":' + b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_ingest_hostile_json_that_is_no_otlp_is_refused(data: bytes) -> None:
    assert (await Site().post(data, JSON)).status == 400


async def test_ingest_hostile_values_within_values_end() -> None:
    site, deep = Site(), "end"
    nested: Any = deep
    for _ in range(20):
        nested = [nested]

    answer = await site.post(request(span(attributes={"deep": nested})))

    assert answer.status == 200
    assert b"end" not in site.spans[0].body


async def test_ingest_hostile_more_spans_than_are_taken_are_counted() -> None:
    site = Site()
    many = request(*(span(n + 1) for n in range(MAX_ITEMS + 7)))

    rejected, message = partial(await site.post(gzip.compress(many.SerializeToString()), GZIP))

    assert rejected == 7
    assert f"at most {MAX_ITEMS} at once" in message
    assert len(site.spans) == MAX_ITEMS


async def test_ingest_hostile_bad_ids_are_not_taken() -> None:
    site, without, short = Site(), span(0), span(2)
    short.trace_id = b"short"

    assert partial(await site.post(request(span(1), without, short)))[0] == 2
    assert len(site.spans) == 1


async def stored(site: Site, **members: Any) -> Any:  # noqa: ANN401 -- a record
    made = finish(1, tenant_id="acme", trace_id=TRACE, **members)
    await site.records.commit(Batch(finishes=(made,)))
    return made.record


def scored(**more: Any) -> Mapping[str, Any]:  # noqa: ANN401
    return {
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.25,
        "gen_ai.evaluation.score.label": "poor",
        "gen_ai.evaluation.explanation": "nothing fits",
        **more,
    }


@pytest.mark.parametrize("by", ["request", "response", "trace"])
async def test_an_evaluation_becomes_an_annotation_of_the_request_that_it_names(by: str) -> None:
    site = Site()
    record = await stored(site, response_id="resp-7")
    names: dict[str, dict[str, str]] = {
        "request": {"trimtab.request_id": record.request_id},
        "response": {"gen_ai.response.id": "resp-7"},
        "trace": {},
    }
    told = event(
        "gen_ai.evaluation.result",
        trace=TRACE if by == "trace" else "",
        attributes=scored(**names[by]),
    )

    answers = [await site.logs(told), await site.logs(told)]

    assert [it.partial_success.error_message for it in answers] == ["", ""]
    first, again = site.annotated
    about = first.annotation
    assert again.annotation == about
    assert (about.request_id, about.tenant_id) == (record.request_id, "acme")
    assert (about.kind, about.source, about.name) == ("evaluation", "app", "relevance")
    assert (about.score, about.label) == (0.25, "poor")
    assert first.content[0].ref == about.text_ref
    assert first.response_id == "resp-7"


async def test_an_evaluation_among_the_events_of_a_span_counts_too() -> None:
    site = Site()
    record = await stored(site)

    answer = await site.post(request(span(events=[("gen_ai.evaluation.result", scored())])))

    assert partial(answer) == (0, "")
    assert [it.annotation.request_id for it in site.annotated] == [record.request_id]


async def test_nobody_evaluates_the_requests_of_another_tenant() -> None:
    site = Site()
    theirs = finish(2, tenant_id="other", trace_id=TRACE, response_id="resp-8").record
    await site.records.commit(Batch(finishes=(finish(2, tenant_id="other", trace_id=TRACE),)))
    names: list[dict[str, str]] = [
        {"trimtab.request_id": theirs.request_id},
        {"gen_ai.response.id": "resp-8"},
        {},
    ]

    told = [event("gen_ai.evaluation.result", attributes=scored(**it)) for it in names]
    answer = await site.logs(*told)

    assert site.annotated == []
    assert answer.partial_success.rejected_log_records == 3
    assert "name no request of the tenant" in answer.partial_success.error_message


async def test_events_of_a_call_are_kept_under_its_span_and_other_logs_are_not() -> None:
    site, within = Site(), f"{7:016x}"
    asked = event("gen_ai.user.message", within, body={"content": "How warm is it?"})

    answer = await site.logs(asked, event("app.started", within))
    await site.logs(asked)

    first, again = site.spans
    assert first == again
    assert (first.parent_span_id, first.name) == (within, "gen_ai.user.message")
    assert first.ts_us == first.end_us
    assert (await site.content(first))["events"][0][2] == {"content": "How warm is it?"}
    assert answer.partial_success.rejected_log_records == 1
