"""Spans and events as applications send them."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
START_US = 1_777_142_531_000_000


# An attribute is of any kind.
def value(told: Any) -> AnyValue:  # noqa: ANN401
    match told:
        case str():
            return AnyValue(string_value=told)
        case bool():
            return AnyValue(bool_value=told)
        case int():
            return AnyValue(int_value=told)
        case float():
            return AnyValue(double_value=told)
        case list():
            made = AnyValue()
            made.array_value.values.extend(map(value, cast("list[Any]", told)))
            return made
        case _:
            made = AnyValue()
            made.kvlist_value.values.extend(pairs(told))
            return made


def pairs(told: Mapping[str, Any]) -> Iterable[KeyValue]:
    return [KeyValue(key=key, value=value(it)) for key, it in told.items()]


def span(number: int = 1, parent: int = 0, /, name: str = "work", **more: Any) -> Span:  # noqa: ANN401
    """Make a span; `attributes` and `events` are mappings."""
    began_us = more.get("ts_us", START_US)
    made = Span(
        trace_id=bytes.fromhex(more.get("trace", TRACE)),
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=name,
        kind=more.get("kind", Span.SPAN_KIND_CLIENT),
        start_time_unix_nano=began_us * 1000,
        end_time_unix_nano=(began_us + more.get("dur_us", 1_000)) * 1000,
        attributes=pairs(more.get("attributes", {})),
    )
    for event, attributes in more.get("events", ()):
        made.events.add(name=event, time_unix_nano=began_us * 1000, attributes=pairs(attributes))
    return made


def request(*spans: Span, **resource: str) -> ExportTraceServiceRequest:
    """Make what an exporter posts."""
    about = {"service.name": "rag-api", **{k.replace("__", "."): v for k, v in resource.items()}}
    within = ResourceSpans(
        resource=Resource(attributes=pairs(about)), scope_spans=[ScopeSpans(spans=spans)]
    )
    return ExportTraceServiceRequest(resource_spans=[within])


def logs(*records: LogRecord) -> ExportLogsServiceRequest:
    """Make what an exporter of logs posts."""
    within = ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])
    return ExportLogsServiceRequest(resource_logs=[within])


def event(name: str, span_id: str = "", trace: str = TRACE, **more: Any) -> LogRecord:  # noqa: ANN401
    """Make an event within a span."""
    return LogRecord(
        event_name=name,
        time_unix_nano=START_US * 1000,
        trace_id=bytes.fromhex(trace),
        span_id=bytes.fromhex(span_id),
        body=value(more["body"]) if "body" in more else None,
        attributes=pairs(more.get("attributes", {})),
    )
