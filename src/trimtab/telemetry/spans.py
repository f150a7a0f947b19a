"""Records as OpenTelemetry spans: pure functions from what a worker wrote down to OTLP protobuf.

    POST /v1/chat/completions   SERVER     the record; totals under our own names
    ├─ trimtab.admit, .plan ... INTERNAL   the stages
    └─ chat {model}             CLIENT     one for each attempt; the only ones with gen_ai.* usage

Backends sum `gen_ai.usage.*` over spans, so it is on attempts alone: on the root it would double
the bill. The ids are derived from the record, so that sending a span twice is harmless. Content
is added by `telemetry.words`, if at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from trimtab.domain.ids import span_id
from trimtab.domain.money import NANO_PER_USD
from trimtab.domain.record import Attempt, Finish, RequestRecord, StageTime
from trimtab.telemetry.facts import (
    MAX_TEXT,
    Attributes,
    Value,
    facts,
    failed,
    noted,
    route,
    sampled,
    shared,
)
from trimtab.telemetry.preset import Extras
from trimtab.telemetry.semconv import Version

MAX_SPANS = 64

_STAGES: Mapping[str, Mapping[str, str]] = {
    "admit": {"key_id": "trimtab.key.id", "tier": "trimtab.tier"},
    "plan": {
        "experiment": "trimtab.experiment",
        "arm": "trimtab.arm",
        "assign_reason": "trimtab.assign_reason",
        "prompt_version": "trimtab.prompt.version",
    },
    "fund": {
        "hold_nano": "trimtab.hold.nano_usd",
        "budget_left_nano": "trimtab.budget_left.nano_usd",
        "funded_model": "trimtab.funded_model",
    },
    "settle": {"price_version": "trimtab.price_version", "usage_source": "trimtab.usage_source"},
}
"""What each stage decided. `call` has no span of its own: its attempts stand for it."""

NO_EXTRAS: Extras = {}
SAMPLED = 0x01
REMOTENESS_KNOWN = 0x100
_IS_REMOTE = 0x200


class Source(NamedTuple):
    """Who served a request; spans of one source share a resource."""

    worker_id: str
    env: str


def render(finish: Finish, version: Version, extras: Extras = NO_EXTRAS) -> list[Span]:
    """Give the spans of one request, the root first and its attempts last; at most 64.

    Raises:
        ValueError: an id is not hex, or a number does not fit.
    """
    record = finish.record
    trace = bytes.fromhex(record.trace_id)
    root = _root(finish, trace)
    stages = [stage for stage in finish.detail.stages if stage.stage != "call"]
    spans = [root, *(_stage(record, stage, root) for stage in stages)]
    if extras:
        _add_extras(spans, record, extras)
    attempts, collapsed = _fold(finish.attempts, MAX_SPANS - len(spans))
    grouping = shared(record)
    for attempt in attempts:
        said = _said(record, attempt, finish.attempts)
        named = {name: said[ours] for ours, name in version.names.items() if ours in said}
        span = _attempt(record, attempt, root, named)
        put(span, grouping)
        if extras:
            own = {**extras.get("attempt", {}), **extras.get(record.operation, {})}
            put(span, worded(own, {**_told(record), **said, **_sums(attempt)}))
        if collapsed and attempt is attempts[0]:
            put(span, {"trimtab.collapsed": collapsed})
        spans.append(span)
    weighed, decided = sampled(record), noted(finish.detail)
    for span in spans:
        put(span, decided if span is root else {**weighed, **decided})
    return spans


def resource_spans(
    source: Source, spans: Iterable[Span], resource: Attributes, version: Version
) -> ResourceSpans:
    """Put spans of one source under their resource; `resource` is added to, or overrides, ours."""
    scoped = ScopeSpans(scope=scope(resource), spans=spans, schema_url=version.schema_url)
    about = described(source, resource)
    return ResourceSpans(resource=about, scope_spans=[scoped], schema_url=version.schema_url)


def described(source: Source, resource: Attributes) -> Resource:
    """Give the resource of a source."""
    about = Resource()
    ours: dict[str, Value] = {
        "service.name": "trimtab",
        "service.instance.id": source.worker_id,
        "deployment.environment.name": source.env,
    }
    put(about, {**ours, **resource})
    return about


def scope(resource: Attributes) -> InstrumentationScope:
    """Give the scope: this program."""
    return InstrumentationScope(name="trimtab", version=str(resource.get("service.version") or ""))


def _root(finish: Finish, trace: bytes) -> Span:
    record, detail = finish.record, finish.detail
    method, path = route(record)
    flags = SAMPLED | REMOTENESS_KNOWN
    span = Span(
        trace_id=trace,
        span_id=bytes.fromhex(record.span_id),
        trace_state=record.tracestate or "",
        flags=flags | _IS_REMOTE if record.parent_span_id else flags,
        name=f"{method} {path}".rstrip(),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=record.ts_us * 1000,
        end_time_unix_nano=(record.ts_us + record.latency_us) * 1000,
        status=_status(failed=failed(record)),
    )
    if record.parent_span_id:
        span.parent_span_id = bytes.fromhex(record.parent_span_id)
    put(span, facts(record))
    put(span, {f"baggage.{key}": value for key, value in detail.baggage})
    if detail.link is not None:
        its_trace, its_span = map(bytes.fromhex, detail.link)
        flags = REMOTENESS_KNOWN | _IS_REMOTE
        span.links.add(trace_id=its_trace, span_id=its_span, flags=flags)
    return span


def _stage(record: RequestRecord, stage: StageTime, root: Span) -> Span:
    start_us = record.ts_us + stage.start_us
    span = _child(record, f"stage/{stage.stage}", root, start_us, stage.dur_us)
    span.name = f"trimtab.{stage.stage}"
    span.kind = Span.SPAN_KIND_INTERNAL
    decided = _STAGES.get(stage.stage, {})
    put(span, {name: getattr(record, field) for field, name in decided.items()})
    return span


def _attempt(record: RequestRecord, attempt: Attempt, root: Span, named: Attributes) -> Span:
    span = _child(record, f"attempt/{attempt.n}", root, attempt.started_us, attempt.dur_us)
    span.name = f"{record.operation} {attempt.model_sent[:MAX_TEXT]}"
    span.kind = Span.SPAN_KIND_CLIENT
    span.status.CopyFrom(_status(failed=attempt.error_code is not None))
    cost = attempt.cost_nano
    put(span, named)
    put(
        span,
        {
            "error.type": attempt.error_code,
            "http.response.status_code": attempt.http_status,
            "trimtab.attempt.n": attempt.n,
            "trimtab.attempt.target": attempt.target,
            "trimtab.attempt.cancelled": attempt.cancelled,
            "trimtab.attempt.usage_source": attempt.usage_source,
            "trimtab.attempt.cost.nano_usd": cost,
            "trimtab.attempt.cost.usd": None if cost is None else cost / NANO_PER_USD,
            "trimtab.attempt.provider_request_id": attempt.provider_request_id,
        },
    )
    if attempt.ttft_us is not None:
        first_us = attempt.started_us + attempt.ttft_us
        span.events.add(name="first_chunk", time_unix_nano=first_us * 1000)
    return span


def _said(record: RequestRecord, attempt: Attempt, attempts: Sequence[Attempt]) -> Attributes:
    """Say what conventions have a name for; answer and reasoning are the last attempt's."""
    said: dict[str, Value] = {
        "provider": attempt.provider,
        "operation": record.operation,
        "model_requested": attempt.model_sent,
        "stream": record.stream,
        "model_response": attempt.model_response,
        "ttft": None if attempt.ttft_us is None else attempt.ttft_us / 1_000_000,
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "cached_tokens": attempt.cached_tokens,
        "cache_write_tokens": attempt.cache_write_tokens,
        "prompt_name": record.prompt_name,
        "prompt_version": record.prompt_version,
        "conversation_id": record.conversation_id,
    }
    if attempt is attempts[-1]:
        said["response_id"] = record.response_id
        said["reasoning_tokens"] = record.reasoning_tokens
        if record.finish_reasons:
            said["finish_reasons"] = tuple(record.finish_reasons.split(","))
    return said


def _add_extras(spans: Sequence[Span], record: RequestRecord, extras: Extras) -> None:
    told = _told(record)
    for place, span in enumerate(spans):
        put(span, worded(extras.get("stage" if place else "root", {}), told))


def _told(record: RequestRecord) -> Attributes:
    return {
        "conversation_id": record.conversation_id,
        "prompt_name": record.prompt_name,
        "prompt_version": record.prompt_version,
        "sample_rate": max(1, round(record.adjusted_count)),
    }


def _sums(attempt: Attempt) -> Attributes:
    tokens = (attempt.input_tokens, attempt.output_tokens)
    cost_usd = None if attempt.cost_nano is None else attempt.cost_nano / NANO_PER_USD
    return {
        "total_tokens": None if None in tokens else sum(it or 0 for it in tokens),
        "cost_usd": cost_usd,
        "cost_details": None if cost_usd is None else f'{{"total": {cost_usd:.9f}}}',
    }


def worded(table: Mapping[str, str], told: Attributes) -> Attributes:
    """Give a receiver's own attributes: texts behind `=`, else what our words stand for."""
    return {
        name: word[1:] if word.startswith("=") else told.get(word) for name, word in table.items()
    }


def _child(record: RequestRecord, path: str, root: Span, start_us: int, dur_us: int) -> Span:
    return Span(
        trace_id=root.trace_id,
        span_id=bytes.fromhex(span_id(record.request_id, path)),
        parent_span_id=root.span_id,
        trace_state=root.trace_state,
        flags=SAMPLED | REMOTENESS_KNOWN,
        start_time_unix_nano=start_us * 1000,
        end_time_unix_nano=(start_us + dur_us) * 1000,
    )


def _fold(attempts: Sequence[Attempt], room: int) -> tuple[Sequence[Attempt], int]:
    """Keep the last attempts; the first one kept stands for those before it, and says how many."""
    excess = max(0, len(attempts) - room)
    return attempts[excess:], excess + 1 if excess else 0


def _status(*, failed: bool) -> Status:
    return Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_OK)


def put(
    what: Span | Span.Event | Resource, attributes: Attributes, longest: int = MAX_TEXT
) -> None:
    """Add attributes; what is unknown is left out, and long texts are cut."""
    for name, value in attributes.items():
        if value is not None:
            fill(what.attributes.add(key=name).value, value, longest)


def fill(slot: AnyValue, value: object, longest: int | None = None) -> None:
    """Set a value, JSON or a tuple of texts; `None` and what else there may be is left out."""
    match value:
        case str():
            slot.string_value = value[:longest]
        case bool():
            slot.bool_value = value
        case int():
            slot.int_value = value
        case float():
            slot.double_value = value
        case _:
            _nest(slot, value, longest)


def _nest(slot: AnyValue, value: object, longest: int | None) -> None:
    if isinstance(value, list | tuple):
        slot.array_value.SetInParent()
        for it in cast("Sequence[object]", value):
            fill(slot.array_value.values.add(), it, longest)
    elif isinstance(value, dict):
        slot.kvlist_value.SetInParent()
        for name, it in cast("Mapping[str, object]", value).items():
            fill(slot.kvlist_value.values.add(key=name).value, it, longest)
