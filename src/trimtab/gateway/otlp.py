"""`POST /v1/traces` and `/v1/logs`: what applications tell of their work, in OTLP over HTTP.

An answer of 200 means that it is in the spool, like the record of a request. Decoding is done in a
thread, one request at a time, so that calls of models do not wait for it; who comes when too many
wait is told to come again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from google.protobuf.json_format import MessageToJson
from msgspec.structs import replace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from trimtab.control.snapshot import Grant, Snapshot, first_stopped
from trimtab.domain.annotation import (
    Annotated,
    Annotation,
    AnnotationKind,
    AnnotationSource,
    annotation_id,
)
from trimtab.domain.app_span import SpanBatch
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    Draining,
    InvalidRequest,
    NotFound,
    RateLimited,
    RecorderUnavailable,
    TrimtabError,
)
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Wire
from trimtab.domain.record import RequestRecord
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind
from trimtab.domain.tenant import RESERVED_PREFIX, ContentPolicy, Durability, KeyRight
from trimtab.gateway import body, headers
from trimtab.gateway.errors import http_status, retry_headers
from trimtab.gateway.reply import Receive, Send
from trimtab.pipeline.content import Captured, ContentCapture
from trimtab.pipeline.enrol import Enrol
from trimtab.pipeline.journal import Spool
from trimtab.pipeline.switch import refusal
from trimtab.store.base.reading import RecordFilter, RecordReader
from trimtab.telemetry import ingest
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.ingest import Evaluation, Told
from trimtab.telemetry.otlp import MAX_ATTRIBUTES, MAX_ITEMS, MAX_VALUE, Cuts, inflated, varint

ROUTES = ("POST /v1/traces", "POST /v1/logs")
MAX_BODY = 4 << 20
MOST_WAITING, MOST_OF_TENANT = 32, 8
MAX_EVALUATIONS = 200

_MAX_FRAME = 4 << 20
_MOST_IN_TRACE = 100
_READ: Mapping[str, Callable[..., Iterator[Told]]] = {
    "/v1/traces": ingest.spans,
    "/v1/logs": ingest.logs,
}
_JSON, _PROTOBUF = b"application/json", b"application/x-protobuf"
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 429: 8, 503: 14}
_RPC_INTERNAL = 13
_encode = msgspec.msgpack.Encoder().encode

HttpScope = Mapping[str, Any]


class Found(NamedTuple):
    """What is to be written down, and the evaluations whose requests are still to be found."""

    frames: list[bytes]
    evaluations: list[tuple[Grant, Evaluation]]


class OtlpIngest:
    """Takes spans and evaluations in. State: who waits, by tenant, and whether we shut down."""

    def __init__(
        self,
        enrol: Enrol,
        spool: Spool,
        content: ContentCapture,
        records: RecordReader,
        clock: Clock,
    ) -> None:
        self._enrol = enrol
        self._identify = enrol.identify
        self._spool = spool
        self._content = content
        self._records = records
        self._clock = clock
        self._waiting = Counter[TenantId]()
        self._alone = asyncio.Lock()
        self._draining = False

    def takes(self, path: str) -> bool:
        """Whether a path is one of these."""
        return path in _READ

    def drain(self) -> None:
        """Take nothing more in."""
        self._draining = True

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer one request, in the encoding that it has."""
        named = dict(scope["headers"])
        is_json = named.get(b"content-type", b"").startswith(_JSON)
        cuts, more = Cuts(), list[tuple[bytes, bytes]]()
        try:
            await self._take(scope, named, receive, cuts, is_json=is_json)
            status, data = 200, _answer(scope["path"], cuts, is_json=is_json)
        except TrimtabError as error:
            status, more = http_status(error, Wire.OPENAI_CHAT), retry_headers(error)
            data = _status(_RPC_CODES.get(status, _RPC_INTERNAL), str(error), is_json=is_json)
        kind = (b"content-type", _JSON if is_json else _PROTOBUF)
        size = (b"content-length", b"%d" % len(data))
        head = {"type": "http.response.start", "status": status, "headers": [kind, size, *more]}
        await send(head)
        await send({"type": "http.response.body", "body": data})

    async def _take(
        self,
        scope: HttpScope,
        named: Mapping[bytes, bytes],
        receive: Receive,
        cuts: Cuts,
        *,
        is_json: bool,
    ) -> None:
        if scope["method"] != "POST":
            raise NotFound(f"{scope['method']} on this path is not served; there is POST")
        if self._draining:
            raise Draining("the worker is shutting down; try again", wait_s=1.0)
        grant = await self._admit(scope)
        encoding = named.get(b"content-encoding", b"identity")
        if encoding not in (b"gzip", b"identity"):
            raise InvalidRequest("the body is in an encoding that is not read; send gzip or none")
        if not is_json and not named.get(b"content-type", b"").startswith(_PROTOBUF):
            raise InvalidRequest(
                "the body is neither protobuf nor JSON; send `application/x-protobuf`"
            )
        async with self._turn(grant.tenant.id):
            data = await body.whole(receive, MAX_BODY, "in smaller batches")
            async with self._alone:
                found = await asyncio.to_thread(
                    self._read,
                    grant,
                    scope["path"],
                    data,
                    cuts,
                    is_gzip=encoding == b"gzip",
                    is_json=is_json,
                )
                await self._write(grant, found, cuts)

    async def _admit(self, scope: HttpScope) -> Grant:
        wanted = (*headers.OF_KEYS, headers.OF_TENANT)
        said = headers.read(pair for pair in scope["headers"] if pair[0] in wanted)
        if said.tenant is not None:
            await self._enrol(said.key, said.tenant)
        grant = self._identify.grant(said.key, said.tenant)
        stopped = self._stopped(grant)
        if stopped is not None:
            raise refusal(stopped)
        return grant

    def _stopped(self, grant: Grant) -> Scope | None:
        tenant, key = grant.tenant.id, grant.key.id
        scopes = WHOLE_SITE, Scope(ScopeKind.TENANT, tenant), Scope(ScopeKind.KEY, key)
        return first_stopped(grant.suspensions, scopes, self._clock.now_us())

    @asynccontextmanager
    async def _turn(self, tenant: TenantId) -> AsyncGenerator[None]:
        """Hold a place among those who wait.

        Raises:
            RateLimited: there is none.
        """
        if self._waiting.total() >= MOST_WAITING or self._waiting[tenant] >= MOST_OF_TENANT:
            raise RateLimited("too much telemetry is on its way at once; try again", wait_s=1.0)
        self._waiting[tenant] += 1
        try:
            yield
        finally:
            self._waiting[tenant] -= 1

    def _read(
        self, grant: Grant, path: str, data: bytes, cuts: Cuts, *, is_gzip: bool, is_json: bool
    ) -> Found:
        if is_gzip:
            data = inflated(data)
        now_us, snapshot = self._clock.now_us(), self._identify.snapshot()
        batches: dict[TenantId, list[SpanBatch]] = {}
        sizes, found = Counter[TenantId](), Found([], [])
        grants: dict[str | None, Grant | None] = {None: grant}
        for told in _READ[path](data, cuts, now_us, is_json=is_json):
            of = self._of_tenant(grant, told.tenant, snapshot, grants)
            if of is None:
                cuts.rejected += 1
                continue
            found.evaluations.extend((of, it) for it in told.evaluations)
            if told.span is None:
                continue
            tenant = of.tenant.id
            captured = self._capture(of, now_us, told.content)
            span = replace(told.span, tenant_id=tenant, content_ref=captured and captured.ref)
            blobs = captured.blobs if captured else ()
            batch = SpanBatch(tenant_id=tenant, received_us=now_us, spans=(span,), content=blobs)
            batches.setdefault(tenant, []).append(batch)
            sizes[tenant] += len(span.body) + sum(len(blob.data) for blob in blobs)
            if sizes.pop(tenant) > _MAX_FRAME:
                found.frames.append(_joined(batches.pop(tenant)))
        found.frames.extend(map(_joined, batches.values()))
        return found

    def _of_tenant(
        self,
        grant: Grant,
        named: str | None,
        snapshot: Snapshot,
        grants: dict[str | None, Grant | None],
    ) -> Grant | None:
        """Find whose a span is; `None` if it is of a tenant that is not there or is suspended."""
        if KeyRight.INGEST_ANY not in grant.key.may or named == grant.tenant.id:
            return grant
        if named not in grants:
            other = None
            if named is not None and not named.startswith(RESERVED_PREFIX):
                other = snapshot.acted_for(grant.key, TenantId(named))
            grants[named] = None if other is None or self._stopped(other) else other
        return grants[named]

    def _capture(self, grant: Grant, ts_us: int, content: bytes | None) -> Captured | None:
        if content is None or grant.content is not ContentPolicy.FULL:
            return None
        return self._content.capture(grant.tenant.id, ts_us, content)

    async def _write(self, grant: Grant, found: Found, cuts: Cuts) -> None:
        told = [(Kind.SPANS, frame) for frame in found.frames]
        for of, evaluation in found.evaluations[:MAX_EVALUATIONS]:
            record = await self._about(of, evaluation)
            if record is None:
                cuts.unplaced += 1
            else:
                told.append((Kind.ANNOTATION, self._annotated(of, record, evaluation)))
        cuts.unplaced += max(0, len(found.evaluations) - MAX_EVALUATIONS)
        try:
            offsets = [self._spool.append(kind, frame) for kind, frame in told]
        except RecorderUnavailable:
            self._content.forget()
            raise
        if offsets and grant.durability is Durability.STRICT:
            await self._spool.synced(offsets[-1])

    async def _about(self, grant: Grant, it: Evaluation) -> RequestRecord | None:
        """Find the one request of the tenant that an evaluation names. Raises `TryLater`."""
        tenant = grant.tenant.id
        if it.request_id is not None:
            stored = await self._records.find(it.request_id)
            known = stored is not None and stored.record.tenant_id == tenant
            return stored.record if stored is not None and known else None
        trace_id = None if it.response_id else it.trace_id
        where = RecordFilter(tenant_id=tenant, response_id=it.response_id, trace_id=trace_id)
        found = await self._records.page(where, limit=_MOST_IN_TRACE)
        near = [one for one in found if it.span_id in (one.span_id, one.parent_span_id)] or found
        return near[0] if len(near) == 1 else None

    def _annotated(self, grant: Grant, record: RequestRecord, it: Evaluation) -> bytes:
        said = None if it.explanation is None else it.explanation.encode()
        captured = self._capture(grant, record.ts_us, said)
        annotation = Annotation(
            annotation_id=annotation_id(
                record, "otlp", it.name, str(it.ts_us), str(it.score), str(it.label)
            ),
            request_id=record.request_id,
            tenant_id=record.tenant_id,
            ts_us=it.ts_us or self._clock.now_us(),
            kind=AnnotationKind.EVALUATION,
            name=it.name,
            score=it.score,
            label=it.label,
            text_ref=captured and captured.ref,
            source=AnnotationSource.APP,
        )
        return _encode(
            Annotated(
                annotation=annotation,
                request_us=record.ts_us,
                trace_id=record.trace_id,
                span_id=record.span_id,
                response_id=record.response_id,
                env=record.env,
                content=captured.blobs if captured else (),
            )
        )


def _joined(batches: list[SpanBatch]) -> bytes:
    spans = tuple(it for batch in batches for it in batch.spans)
    blobs = tuple(it for batch in batches for it in batch.content)
    return _encode(replace(batches[0], spans=spans, content=blobs))


def _answer(path: str, cuts: Cuts, *, is_json: bool) -> bytes:
    """Say what was not taken, if anything."""
    words: list[str] = []
    if cuts.rejected:
        words.append(
            f"{cuts.rejected} not taken: at most {MAX_ITEMS} at once, with good ids, of a tenant"
            " that is there; of logs only events of `gen_ai` in a trace"
        )
    if cuts.unplaced:
        words.append(f"{cuts.unplaced} evaluations name no request of the tenant, or are too many")
    if cuts.values:
        words.append(
            f"{cuts.values} values cut or left out: at most {MAX_ATTRIBUTES} attributes a span, of"
            f" {MAX_VALUE} bytes each"
        )
    answer = ExportTraceServiceResponse() if path == "/v1/traces" else ExportLogsServiceResponse()
    if words:
        answer.partial_success.error_message = "; ".join(words)
        if isinstance(answer, ExportTraceServiceResponse):
            answer.partial_success.rejected_spans = cuts.rejected
        else:
            answer.partial_success.rejected_log_records = cuts.rejected + cuts.unplaced
    return MessageToJson(answer, indent=None).encode() if is_json else answer.SerializeToString()


def _status(code: int, message: str, *, is_json: bool) -> bytes:
    """Write an error as `google.rpc.Status`, whose fields are a code and a message."""
    if is_json:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return b"\x08" + varint(code) + b"\x12" + varint(len(text)) + text
