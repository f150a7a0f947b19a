"""Metrics out: every minute all that the keeper knows, as OTLP.

Values are cumulative, so a minute that is lost costs a point and no count.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.telemetry.metrics import METRICS, Histogram, Kind, Samples
from trimtab.telemetry.receiver import NO_ANSWER, Post, Receiver, Verdict
from trimtab.telemetry.spans import Source, described, scope
from trimtab.telemetry.view import View, written

EVERY_S = 60.0

log = logging.getLogger("trimtab")


@dataclass(slots=True)
class MetricsPush:
    """Posts what a keeper knows. State: the failure last told of.

    Attributes:
        receiver: Names it, and says how it is written.
        source: Whose the values are.
    """

    receiver: Receiver
    post: Post
    samples: Callable[[], Awaitable[Samples]]
    source: Source
    clock: Clock
    _told: int | None = None

    async def run(self, turn: asyncio.Semaphore) -> None:
        """Post for ever, each time in turn with others."""
        while True:
            await asyncio.sleep(EVERY_S)
            async with turn:
                await self.step()

    async def step(self) -> bool:
        """Post all values once; tells whether they were taken."""
        try:
            samples = await self.samples()
        except TryLater as exc:
            log.warning("exporter '%s' has no metrics to send: %s", self.receiver.name, exc)
            return False
        body = render_metrics(samples, self.source, self.receiver.view, self.clock.now_us())
        answer = await self.post(body)
        is_taken = answer.verdict is Verdict.TAKEN
        if not is_taken and self._told != answer.status:
            log.warning(
                "exporter '%s' sends no metrics: %s; check endpoint and key, the next minute has"
                " the same counts",
                self.receiver.name,
                "no answer" if answer.status == NO_ANSWER else f"answer {answer.status}",
            )
        self._told = None if is_taken else answer.status
        return is_taken


def render_metrics(samples: Samples, source: Source, view: View, now_us: int) -> bytes:
    """Write values as a gzipped OTLP request; all but gauges are cumulative."""
    metrics = [_metric(name, samples, now_us * 1000) for name in METRICS if samples.get(name)]
    scoped = ScopeMetrics(scope=scope(view.resource), metrics=metrics)
    about = described(source, view.resource)
    request = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=about, scope_metrics=[scoped])]
    )
    return written(request, view.encoding)


def _metric(name: str, samples: Samples, now_ns: int) -> Metric:
    of = METRICS[name]
    known = of.otlp or name.removesuffix("_total").replace("_", ".")
    metric = Metric(name=known, description=of.told)
    if of.kind is Kind.HISTOGRAM:
        metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    elif of.kind is Kind.COUNTER:
        metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
    for labels, value in samples[name]:
        said = [
            KeyValue(key=label, value=AnyValue(string_value=it))
            for label, it in zip(of.labels, labels, strict=True)
        ]
        # When counters began is not known: they are the ledger's, and were never reset.
        if isinstance(value, Histogram):
            metric.histogram.data_points.append(_measured(value, of.bounds, said, now_ns))
            continue
        point = NumberDataPoint(attributes=said, time_unix_nano=now_ns)
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value
        (metric.sum if of.kind is Kind.COUNTER else metric.gauge).data_points.append(point)
    return metric


def _measured(
    value: Histogram, bounds: tuple[float, ...], said: list[KeyValue], now_ns: int
) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=said,
        time_unix_nano=now_ns,
        count=sum(value.counts),
        sum=value.total,
        bucket_counts=value.counts,
        explicit_bounds=bounds,
    )
