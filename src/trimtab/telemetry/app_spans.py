"""Spans of applications on their way out: as they were told, under the resource that they have.

What was decided of their trace is added. What they themselves say of that, and of whose they are,
is not believed. Content is added by `telemetry.words`, if at all.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from trimtab.domain.app_span import AppSpan
from trimtab.domain.record import REHYDRATED
from trimtab.domain.trace_context import OpenTelemetry, opentelemetry, with_opentelemetry
from trimtab.store.base.reading import SpanReader
from trimtab.telemetry.deciding import Decision
from trimtab.telemetry.facts import FIELDS, Attributes
from trimtab.telemetry.ingest import body_of, moved_of
from trimtab.telemetry.otlp import Value
from trimtab.telemetry.sampling import adjusted_count
from trimtab.telemetry.spans import SAMPLED, fill, put

PIECE = 256
"""Spans that are released together at most."""

MOST = 30_000
"""Spans of one stored trace that are exported."""

_OURS = frozenset(
    {
        FIELDS["tenant_id"],
        "tenant.id",
        FIELDS["sampling_rule"],
        FIELDS["adjusted_count"],
        "trimtab.sampling.policy_version",
        "trimtab.sampling.keep",
        # The message of a status, as it is stored.
        "otel.status_description",
    }
)
_OF_PROGRAM = "service.version"
_KINDS = {name.removeprefix("SPAN_KIND_").lower(): it for name, it in Span.SpanKind.items()}
_STATUSES = {
    "unset": Status.STATUS_CODE_UNSET,
    "ok": Status.STATUS_CODE_OK,
    "error": Status.STATUS_CODE_ERROR,
}


class Released(msgspec.Struct, frozen=True):
    """Spans of one trace, and what was decided of it."""

    decision: Decision
    spans: tuple[AppSpan, ...]


class App(NamedTuple):
    """Where a span is from: what its resource says, as msgpack."""

    resource: bytes


def render_app(
    span: AppSpan, decision: Decision, forbidden: Collection[str] = ()
) -> tuple[App, Span]:
    """Give a span as it was told, but for its content, and where it is from.

    Raises:
        ValueError: it cannot be rendered.
    """
    body = body_of(span)
    rendered = Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_span_id or ""),
        trace_state=_tracestate(body.tracestate, decision),
        flags=body.flags | SAMPLED,
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.ts_us * 1000,
        end_time_unix_nano=span.end_us * 1000,
        status=Status(code=_STATUSES[span.status]),
    )
    left_out = _OURS.union(forbidden)
    _tell(rendered, {k: v for k, v in body.attributes.items() if k not in left_out})
    for at_us, name, more in body.events:
        event = rendered.events.add(time_unix_nano=at_us * 1000, name=name)
        _tell(event, more)
    put(rendered, _decided(span, decision))
    return App(msgspec.msgpack.encode(body.resource)), rendered


def restore(span: Span, content: bytes) -> None:
    """Put the content of a span back where it was. Raises `ValueError`: it is none."""
    moved = moved_of(content)
    message = moved.attributes.get("otel.status_description")
    if isinstance(message, str):
        span.status.message = message
    _tell(span, {k: v for k, v in moved.attributes.items() if k not in _OURS})
    events = {(it.time_unix_nano // 1000, it.name): it for it in span.events}
    for at_us, name, more in moved.events:
        if (at_us, name) in events:
            _tell(events[at_us, name], more)


def app_resource_spans(app: App, spans: Iterable[Span], ours: Attributes) -> ResourceSpans:
    """Put spans under their own resource; what a receiver asks for and it lacks is added."""
    about, told = Resource(), msgspec.msgpack.decode(app.resource)
    _tell(about, told)
    put(about, {it: ours[it] for it in ours if it != _OF_PROGRAM and it not in told})
    return ResourceSpans(resource=about, scope_spans=[ScopeSpans(spans=spans)])


async def stored_spans(
    records: SpanReader, tenant_id: str, trace_id: str
) -> AsyncIterator[tuple[AppSpan, ...]]:
    """Read the spans of a trace that a tenant's applications told, a piece at a time.

    Raises:
        TryLater: the store is away.
    """
    outline = await records.outline(tenant_id, trace_id, limit=MOST)
    for start in range(0, len(outline), PIECE):
        some = [it.span_id for it in outline[start : start + PIECE]]
        yield await records.spans(tenant_id, trace_id, some)


def _tracestate(told: str, decision: Decision) -> str:
    rv = opentelemetry(told).rv if told else None
    return with_opentelemetry(told, OpenTelemetry(decision.th, rv)) or ""


def _decided(span: AppSpan, decision: Decision) -> Attributes:
    return {
        FIELDS["tenant_id"]: span.tenant_id,
        "tenant.id": span.tenant_id,
        FIELDS["sampling_rule"]: decision.rule,
        FIELDS["adjusted_count"]: _weight(decision),
        "trimtab.sampling.policy_version": decision.policy or None,
        "trimtab.sampling.keep": "true" if decision.is_kept else "false",
    }


def _weight(decision: Decision) -> float | None:
    if decision.rule.startswith(REHYDRATED):
        return 0.0
    return None if decision.th is None else adjusted_count(decision.th)


def _tell(what: Span | Span.Event | Resource, told: Mapping[str, Value]) -> None:
    for name, value in told.items():
        fill(what.attributes.add(key=name).value, value)
