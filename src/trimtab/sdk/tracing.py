"""Spans of an app, through OpenTelemetry, to the gateway. Imported by `telemetry.init` alone."""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from trimtab.sdk.http import Wire
from trimtab.sdk.outbox import Outbox
from trimtab.sdk.spans import Attributes, Span

TARGET, MEDIA_TYPE = "/v1/traces", "application/x-protobuf"
DROPPED = "trimtab.sdk.dropped_spans"
SCOPE, SCHEMA = "trimtab.sdk", "https://opentelemetry.io/schemas/1.41.0"
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_IN_SPANS = {"SPAN_ONLY", "SPAN_AND_EVENT", "TRUE"}


class OpenTelemetry(SpanProcessor):
    """Adds itself to the tracer provider that there is, or makes one.

    Attributes:
        keeps_content: Whether the environment lets spans say what people wrote.
    """

    def __init__(self, wire: Wire, service: str) -> None:
        self._outbox = Outbox[ReadableSpan](wire, TARGET, self._encoded, media_type=MEDIA_TYPE)
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            provider = TracerProvider(resource=Resource.create({"service.name": service}))
            trace.set_tracer_provider(provider)
        if not isinstance(provider, TracerProvider):
            # Of another maker: it stays as it is, and our spans have one of their own.
            provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(self)
        self._tracer = provider.get_tracer(SCOPE, schema_url=SCHEMA)
        self._propagator = TraceContextTextMapPropagator()
        metrics.get_meter(SCOPE).create_observable_counter(
            DROPPED, [self._count], description="Spans that were not sent to the gateway."
        )
        content = os.environ.get(CONTENT, "")  # noqa: TID251 -- of the app, as OpenTelemetry says
        self.keeps_content = content.upper() in _IN_SPANS

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor.on_end`."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._outbox.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanProcessor.force_flush`."""
        return self.flush(timeout_millis / 1000)

    def flush(self, timeout_s: float) -> bool:
        """Send the spans that ended; tells whether that was done in time."""
        return self._outbox.flush(timeout_s)

    @contextmanager
    def span(self, name: str, kind: str, attributes: Attributes) -> Generator[Span]:
        """Run a block as a span. Of what it raises only the type is told."""
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind[kind.upper()],
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as exc:
                span.set_attribute("error.type", type(exc).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise

    def headers(self) -> Mapping[str, str]:
        """Give the headers that tell of the span that runs, as W3C says; none if none does."""
        found: dict[str, str] = {}
        self._propagator.inject(found)
        return found

    def _encoded(self, spans: Sequence[ReadableSpan]) -> bytes:
        request = encode_spans(spans)
        if self._outbox.dropped:
            for it in request.resource_spans:
                told = it.resource.attributes.add()
                told.key, told.value.int_value = DROPPED, self._outbox.dropped
        return request.SerializeToString()

    def _count(self, _options: CallbackOptions) -> Sequence[Observation]:
        return [Observation(self._outbox.dropped)]
