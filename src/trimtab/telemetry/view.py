"""What one receiver is shown of the spool: which signal, under which names, how it is written."""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from gzip import compress

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.telemetry.app_spans import App, app_resource_spans
from trimtab.telemetry.evaluations import log_record
from trimtab.telemetry.facts import Attributes, Value
from trimtab.telemetry.preset import Encoding, Extras, Signal
from trimtab.telemetry.semconv import DEFAULT, Version
from trimtab.telemetry.spans import Source, described, resource_spans, scope

Message = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest

_GZIP_LEVEL = 1
_ID = re.compile(r'("(?:traceId|spanId|parentSpanId)": ?")([A-Za-z0-9+/=]*)"')


@dataclass(frozen=True, slots=True)
class View:
    """How a receiver sees requests.

    Attributes:
        extras: Attributes under names of its own.
        resource: Attributes of the resource, such as `service.version`.
        evaluations: Whether what is found later is a part of it.
        everything: Whether the receiver, and not we, drops what is not kept.
        forbidden: Attributes of applications that it must not get.
    """

    version: Version = DEFAULT
    extras: Extras = field(default_factory=dict[str, dict[str, str]])
    resource: Attributes = field(default_factory=dict[str, Value])
    signal: Signal = Signal.TRACES
    encoding: Encoding = Encoding.PROTOBUF
    evaluations: bool = True
    everything: bool = False
    forbidden: frozenset[str] = frozenset()


def encode(spans: Iterable[tuple[Source | App, Span]], view: View) -> bytes:
    """Write spans as a gzipped OTLP request; as log records, if the signal is logs."""
    return written(request_of(spans, view), view.encoding)


def request_of(spans: Iterable[tuple[Source | App, Span]], view: View) -> Message:
    """Put spans together as an OTLP request; as log records, if the signal is logs."""
    sources: dict[Source | App, list[Span]] = {}
    for source, span in spans:
        sources.setdefault(source, []).append(span)
    if view.signal is Signal.LOGS:
        logs = [
            _resource_logs(source, it, view)
            for source, it in sources.items()
            if isinstance(source, Source)
        ]
        return ExportLogsServiceRequest(resource_logs=logs)
    traces = [
        resource_spans(source, it, view.resource, view.version)
        if isinstance(source, Source)
        else app_resource_spans(source, it, view.resource)
        for source, it in sources.items()
    ]
    return ExportTraceServiceRequest(resource_spans=traces)


def written(request: Message, encoding: Encoding) -> bytes:
    """Write a request, gzipped."""
    is_json = encoding is Encoding.JSON
    data = as_json(request).encode() if is_json else request.SerializeToString()
    return compress(data, _GZIP_LEVEL, mtime=0)


def as_json(request: Message, indent: int | None = None) -> str:
    """Write a request as OTLP/JSON, which has ids in hex and enums as numbers."""
    return _ID.sub(_hex, MessageToJson(request, indent=indent, use_integers_for_enums=True))


def _resource_logs(source: Source, spans: Iterable[Span], view: View) -> ResourceLogs:
    url = view.version.schema_url
    records = [log_record(span) for span in spans]
    scoped = ScopeLogs(scope=scope(view.resource), log_records=records, schema_url=url)
    about = described(source, view.resource)
    return ResourceLogs(resource=about, scope_logs=[scoped], schema_url=url)


def _hex(found: re.Match[str]) -> str:
    """Write an id, which protobuf's JSON has in base64, in hex."""
    return f'{found[1]}{b64decode(found[2]).hex()}"'
