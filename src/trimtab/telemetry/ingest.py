"""What an application sent, as what we store: spans, their content apart, and what was found.

The ids of what has none are derived from what was sent, so that sending it twice stores it once.
"""

import math
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import zstandard
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.app_span import AppSpan, SpanBody
from trimtab.domain.trace_context import checked
from trimtab.telemetry import foreign
from trimtab.telemetry.evaluations import EVENT as EVALUATION
from trimtab.telemetry.otlp import (
    MAX_ATTRIBUTES,
    Attributes,
    Cuts,
    Value,
    attributes,
    hex_id,
    items,
    value_of,
)

MAX_NAME = 256

_FLAGS = 0x3FF
_MIN_COMPRESSED_BYTES = 512
_ID, _TRACE = re.compile(r"(?!0{16})[0-9a-f]{16}"), re.compile(r"(?!0{32})[0-9a-f]{32}")
_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_TENANTS = ("tenant.id", "trimtab.tenant.id")

Events = Sequence[tuple[int, str, Attributes]]


class Evaluation(NamedTuple):
    """A score that an application gives something. It names that by what it knows."""

    ts_us: int
    name: str
    score: float | None
    label: str | None
    explanation: str | None
    trace_id: str
    span_id: str
    request_id: str | None
    response_id: str | None


class Moved(msgspec.Struct, frozen=True):
    """The content of a span, apart from it."""

    attributes: dict[str, Any]
    events: tuple[tuple[int, str, dict[str, Any]], ...]


class Told(NamedTuple):
    """One span as it was told, or one evaluation.

    Attributes:
        tenant: Whose it says it is; only some keys may say so.
        content: Its content as JSON; `None` if it has none.
    """

    tenant: str | None
    span: AppSpan | None
    content: bytes | None = None
    evaluations: tuple[Evaluation, ...] = ()


def spans(data: bytes, cuts: Cuts, received_us: int, *, is_json: bool) -> Iterator[Told]:
    """Read a request of `/v1/traces`. A span without good ids is not taken, and counted.

    Raises:
        InvalidRequest, BodyTooLarge: as `otlp.items`.
    """
    before = 0
    for resource, span in items(Span, data, cuts, is_json=is_json):
        ids = hex_id(span.trace_id), hex_id(span.span_id)
        if not (_TRACE.fullmatch(ids[0]) and _ID.fullmatch(ids[1])):
            cuts.rejected += 1
            continue
        told = attributes(span.attributes, cuts)
        cuts.values += max(0, len(span.events) - MAX_ATTRIBUTES)
        events = [
            (it.time_unix_nano // 1000, it.name[:MAX_NAME], attributes(it.attributes, cuts))
            for it in span.events[:MAX_ATTRIBUTES]
        ]
        parent = hex_id(span.parent_span_id)
        if span.status.message:
            told["otel.status_description"] = span.status.message[:MAX_NAME]
        bare = AppSpan(
            tenant_id="",
            trace_id=ids[0],
            span_id=ids[1],
            parent_span_id=parent if _ID.fullmatch(parent) else None,
            received_us=received_us,
            ts_us=span.start_time_unix_nano // 1000,
            end_us=max(span.start_time_unix_nano, span.end_time_unix_nano) // 1000,
            name=span.name[:MAX_NAME],
            kind=_word_of(_KINDS, span.kind),
            status=_word_of(_STATUSES, span.status.code),
        )
        before, cut = cuts.values, cuts.values - before
        traced = SpanBody(
            tracestate=checked(span.trace_state) or "", flags=span.flags & _FLAGS, cut=cut
        )
        yield _told(bare, resource, told, events, traced)


def logs(data: bytes, cuts: Cuts, received_us: int, *, is_json: bool) -> Iterator[Told]:
    """Read a request of `/v1/logs`: events of GenAI within a trace; no other is taken.

    An event other than an evaluation is a span of no length under the one that it is of.

    Raises:
        InvalidRequest, BodyTooLarge: as `otlp.items`.
    """
    for resource, record in items(LogRecord, data, cuts, is_json=is_json):
        told = attributes(record.attributes, cuts)
        name = record.event_name or str(told.get("event.name", ""))
        trace_id, parent = hex_id(record.trace_id), hex_id(record.span_id)
        is_placed = _TRACE.fullmatch(trace_id) is not None and _ID.fullmatch(parent) is not None
        ts_us = (record.time_unix_nano or record.observed_time_unix_nano) // 1000
        if name == EVALUATION:
            found = _evaluation(ts_us, told, trace_id, parent)
            yield Told(_tenant(resource, told), None, None, (found,))
            continue
        if not name.startswith("gen_ai.") or not is_placed:
            cuts.rejected += 1
            continue
        body = value_of(record.body, cuts)
        events = [
            (ts_us, name, {**(body if isinstance(body, dict) else {"content": body}), **told})
        ]
        derived = sha256(
            f"{parent}/{name}/".encode() + record.SerializeToString(deterministic=True)
        )
        bare = AppSpan(
            tenant_id="",
            trace_id=trace_id,
            span_id=derived.hexdigest()[:16],
            parent_span_id=parent,
            received_us=received_us,
            ts_us=ts_us,
            end_us=ts_us,
            name=name[:MAX_NAME],
        )
        yield _told(bare, resource, {}, events, SpanBody())


def body_of(span: AppSpan) -> SpanBody:
    """Read what lists never read of a span."""
    data = span.body
    if data.startswith(zstandard.FRAME_HEADER):
        data = zstandard.ZstdDecompressor().decompress(data)
    return msgspec.msgpack.decode(data, type=SpanBody) if data else SpanBody()


def moved_of(content: bytes) -> Moved:
    """Read the content of a span. Raises `ValueError`: it is none."""
    return msgspec.json.decode(content, type=Moved)


def said_of(span: AppSpan, content: bytes) -> foreign.Said:
    """Read the messages of a span out of its content. Raises `ValueError`: it is none."""
    moved = moved_of(content)
    return foreign.said({**body_of(span).attributes, **moved.attributes}, moved.events)


def _told(
    bare: AppSpan, resource: Attributes, told: Attributes, events: Events, body: SpanBody
) -> Told:
    seen = foreign.see(told, events)
    plain, content = foreign.split(told)
    parted = [(at, name, *foreign.split(more, event=name)) for at, name, more in events]
    hidden = tuple((at, name, more) for at, name, _, more in parted if more)
    moved = Moved(content, hidden)
    about = foreign.split(resource)[0]
    body = msgspec.structs.replace(
        body,
        facts=seen.facts,
        attributes=plain,
        resource=about,
        events=tuple((at, name, shown) for at, name, shown, _ in parted),
    )
    span = msgspec.structs.replace(
        bare,
        service=str(about.get("service.name", ""))[:MAX_NAME],
        view=seen.view.value,
        request_id=seen.request_id,
        response_id=seen.response_id,
        body=_packed(body),
    )
    found = tuple(
        _evaluation(at or bare.ts_us, {**told, **more}, bare.trace_id, bare.span_id)
        for at, name, more in events
        if name == EVALUATION
    )
    kept = msgspec.json.encode(moved) if content or hidden else None
    return Told(_tenant(resource, told), span, kept, found)


def _evaluation(ts_us: int, told: Attributes, trace_id: str, span_id: str) -> Evaluation:
    seen = foreign.see(told)
    score = told.get("gen_ai.evaluation.score.value")
    is_score = isinstance(score, int | float) and math.isfinite(score)
    return Evaluation(
        ts_us=ts_us,
        name=_word(told.get("gen_ai.evaluation.name")) or "evaluation",
        score=float(score) if is_score and isinstance(score, int | float) else None,
        label=_word(told.get("gen_ai.evaluation.score.label")),
        explanation=_word(told.get("gen_ai.evaluation.explanation"), longest=1 << 16),
        trace_id=trace_id,
        span_id=span_id,
        request_id=seen.request_id,
        response_id=seen.response_id,
    )


def _word_of(words: Sequence[str], number: int) -> str:
    return words[number] if 0 <= number < len(words) else words[0]


def _tenant(resource: Attributes, told: Attributes) -> str | None:
    found = (it.get(name) for it in (told, resource) for name in _TENANTS)
    return next((it for it in found if isinstance(it, str)), None)


def _word(value: Value, longest: int = MAX_NAME) -> str | None:
    return value[:longest] if isinstance(value, str) else None


def _packed(body: SpanBody) -> bytes:
    data = msgspec.msgpack.encode(body)
    return data if len(data) < _MIN_COMPRESSED_BYTES else zstandard.compress(data, 3)
