"""Metrics out: every minute all that the keeper knows, as OTLP.

Values are cumulative, so a minute that is lost costs a point and no count.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.telemetry.receiver import NO_ANSWER, Post, Receiver, Verdict
from trimtab.telemetry.spans import Source, described, scope
from trimtab.telemetry.view import View, written

EVERY_S = 60.0

log = logging.getLogger("trimtab")


class Sample(NamedTuple):
    """One value of a metric; `kind` is `counter` or `gauge`, others are left out."""

    name: str
    kind: str
    labels: Mapping[str, str]
    value: float


Samples = Callable[[], Awaitable[Iterable[Sample]]]


class MetricsPush:
    """Posts what a keeper knows. State: the failure last told of."""

    def __init__(
        self, receiver: Receiver, post: Post, samples: Samples, source: Source, clock: Clock
    ) -> None:
        """Begin with nothing sent.

        Args:
            receiver: Names it, and says how it is written.
            post: Sends the bodies.
            samples: Gives all values.
            source: Whose they are.
            clock: Tells when.
        """
        self._name = receiver.name
        self._view = receiver.view
        self._post = post
        self._samples = samples
        self._source = source
        self._clock = clock
        self._told: int | None = None

    async def run(self, turn: asyncio.Semaphore) -> None:
        """Post for ever, each time in turn with others."""
        while True:
            await asyncio.sleep(EVERY_S)
            async with turn:
                await self.step()

    async def step(self) -> bool:
        """Post all values once; tells whether they were taken."""
        try:
            samples = await self._samples()
        except TryLater as exc:
            log.warning("exporter '%s' has no metrics to send: %s", self._name, exc)
            return False
        body = render_metrics(samples, self._source, self._view, self._clock.now_us())
        answer = await self._post(body)
        is_taken = answer.verdict is Verdict.TAKEN
        if not is_taken and self._told != answer.status:
            log.warning(
                "exporter '%s' sends no metrics: %s; check endpoint and key, the next minute has"
                " the same counts",
                self._name,
                "no answer" if answer.status == NO_ANSWER else f"answer {answer.status}",
            )
        self._told = None if is_taken else answer.status
        return is_taken


def render_metrics(samples: Iterable[Sample], source: Source, view: View, now_us: int) -> bytes:
    """Write values as a gzipped OTLP request, counters as cumulative and monotonic sums."""
    metrics: dict[str, Metric] = {}
    for sample in samples:
        if sample.kind in ("counter", "gauge"):
            metric = metrics.setdefault(sample.name, Metric(name=sample.name))
            _add(metric, sample, now_us)
    scoped = ScopeMetrics(scope=scope(view.resource), metrics=metrics.values())
    about = described(source, view.resource)
    request = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=about, scope_metrics=[scoped])]
    )
    return written(request, view.encoding)


def _add(metric: Metric, sample: Sample, now_us: int) -> None:
    labels = [
        KeyValue(key=name, value=AnyValue(string_value=it)) for name, it in sample.labels.items()
    ]
    # When counters began is not known: they are the ledger's, and were never reset.
    point = NumberDataPoint(attributes=labels, time_unix_nano=now_us * 1000)
    if isinstance(sample.value, int):
        point.as_int = sample.value
    else:
        point.as_double = sample.value
    if sample.kind == "gauge":
        metric.gauge.data_points.append(point)
        return
    metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    metric.sum.is_monotonic = True
    metric.sum.data_points.append(point)
