"""Evaluations as OpenTelemetry spans: what is found about an attempt after its span was sent.

The conventions have an event for it, a log record. Receivers of traces alone take no event for a
span that they have: there it comes in a span of its own, of no length and under the attempt's; for
those that leave events out, the span says the same. `log_record` makes the one of the other.
"""

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.annotation import Annotated, AnnotationKind
from trimtab.domain.ids import span_id
from trimtab.telemetry.facts import Value
from trimtab.telemetry.preset import Extras
from trimtab.telemetry.semconv import Version
from trimtab.telemetry.spans import NO_EXTRAS, REMOTENESS_KNOWN, SAMPLED, put, worded

EVENT = "gen_ai.evaluation.result"


def evaluation(said: Annotated, version: Version, extras: Extras = NO_EXTRAS) -> Span | None:
    """Give the span of an evaluation; `None` if an annotation is none. Words are added later.

    Raises:
        ValueError: an id is not hex, or a number does not fit.
    """
    about = said.annotation
    if about.kind != AnnotationKind.EVALUATION:
        return None
    span = Span(
        trace_id=bytes.fromhex(said.trace_id),
        span_id=bytes.fromhex(span_id(about.request_id, about.annotation_id)),
        parent_span_id=bytes.fromhex(said.span_id),
        flags=SAMPLED | REMOTENESS_KNOWN,
        name=f"evaluation {about.name}",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=about.ts_us * 1000,
        end_time_unix_nano=about.ts_us * 1000,
    )
    known: dict[str, Value] = {
        "name": about.name,
        "score": about.score,
        "label": about.label,
        "response_id": said.response_id,
    }
    result = {name: known[ours] for ours, name in version.evaluation.items() if ours in known}
    put(span.events.add(name=EVENT, time_unix_nano=about.ts_us * 1000), result)
    put(
        span,
        {
            **result,
            "trimtab.request_id": about.request_id,
            "trimtab.tenant.id": about.tenant_id,
            "tenant.id": about.tenant_id,
            "trimtab.evaluation.source": about.source,
            "trimtab.evaluation.author": about.author,
            "trimtab.evaluation.version": about.version,
            "trimtab.evaluation.probability": about.probability,
            **worded(extras.get("evaluation", {}), {}),
        },
    )
    return span


def log_record(span: Span) -> LogRecord:
    """Say the same as the event that the conventions have, at the span of the evaluated attempt."""
    return LogRecord(
        time_unix_nano=span.start_time_unix_nano,
        observed_time_unix_nano=span.start_time_unix_nano,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        event_name=EVENT,
        attributes=span.attributes,
        trace_id=span.trace_id,
        span_id=span.parent_span_id,
        flags=SAMPLED,
    )
