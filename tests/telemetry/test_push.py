import asyncio
from gzip import decompress

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from trimtab.domain.errors import TryLater
from trimtab.domain.transport import ConnectFailed
from trimtab.telemetry.metrics import METRICS, Histogram, Sample, Samples
from trimtab.telemetry.preset import Signal
from trimtab.telemetry.push import MetricsPush, render_metrics
from trimtab.telemetry.receiver import Post, Receiver
from trimtab.telemetry.spans import Source
from trimtab.telemetry.view import View
from trimtab.testing import FrozenClock, ScriptedAnswer, ScriptedProvider

NOW_US = 1_777_142_600_000_000
DURATION = "gen_ai_client_operation_duration_seconds"
SAMPLES: Samples = {
    "trimtab_cost_nano_usd_total": (
        Sample(("acme", "search", "chat"), 9_414_000_000_123),
        Sample(("globex", "search", "chat"), 7),
    ),
    "trimtab_reconcile_drift_ratio": (Sample(("sim",), 0.25),),
    DURATION: (Sample(("chat", "sim", "chat", ""), Histogram((1, *[0] * 13, 2), 170.5, {})),),
}
COST, DRIFT = "trimtab.cost", "trimtab.reconcile.drift.ratio"
SOURCE = Source("keeper", "staging")
VIEW = View(signal=Signal.METRICS, resource={"service.version": "0.1.0"})
RECEIVER = Receiver("otlp.metrics", "http://h:1", path="/v1/metrics", view=VIEW)


async def known() -> Samples:
    return SAMPLES


def sent(body: bytes) -> dict[str, Metric]:
    request = ExportMetricsServiceRequest.FromString(decompress(body))
    (resource,) = request.resource_metrics
    assert {it.key: it.value.string_value for it in resource.resource.attributes} == {
        "service.name": "trimtab",
        "service.instance.id": "keeper",
        "deployment.environment.name": "staging",
        "service.version": "0.1.0",
    }
    return {it.name: it for it in resource.scope_metrics[0].metrics}


def test_counters_are_cumulative_sums_to_the_nano_and_gauges_are_gauges() -> None:
    metrics = sent(render_metrics(SAMPLES, SOURCE, VIEW, NOW_US))

    assert metrics.keys() == {COST, DRIFT, "gen_ai.client.operation.duration"}
    cost = metrics[COST].sum
    assert (cost.is_monotonic, cost.aggregation_temporality) == (True, 2)
    assert {point.attributes[0].value.string_value: point.as_int for point in cost.data_points} == {
        "acme": 9_414_000_000_123,
        "globex": 7,
    }
    (point,) = metrics[DRIFT].gauge.data_points
    assert (point.as_double, point.time_unix_nano) == (0.25, NOW_US * 1000)


def test_histograms_have_the_buckets_of_the_conventions() -> None:
    metrics = sent(render_metrics(SAMPLES, SOURCE, VIEW, NOW_US))

    measured = metrics["gen_ai.client.operation.duration"].histogram
    assert measured.aggregation_temporality == 2
    (point,) = measured.data_points
    assert (point.count, point.sum) == (3, 170.5)
    assert tuple(point.explicit_bounds) == METRICS[DURATION].bounds
    assert list(point.bucket_counts) == [1, *[0] * 13, 2]


async def test_what_is_known_is_posted_where_metrics_are_taken() -> None:
    provider = ScriptedProvider(ScriptedAnswer([]))
    push = MetricsPush(RECEIVER, Post(RECEIVER, provider), known, SOURCE, FrozenClock(NOW_US))

    assert await push.step()

    ((_, head, body),) = provider.sent
    assert head.startswith(b"POST /v1/metrics HTTP/1.1\r\n")
    assert COST in sent(body)


async def test_a_receiver_that_is_away_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    away = ConnectFailed("away")
    provider = ScriptedProvider(away, away, ScriptedAnswer([]), away)
    push = MetricsPush(RECEIVER, Post(RECEIVER, provider), known, SOURCE, FrozenClock(NOW_US))

    assert [await push.step() for _ in range(4)] == [False, False, True, False]
    assert len(caplog.records) == 2


async def test_without_a_store_there_is_nothing_to_send(caplog: pytest.LogCaptureFixture) -> None:
    async def away() -> Samples:
        raise TryLater("the store is away")

    provider = ScriptedProvider()
    push = MetricsPush(RECEIVER, Post(RECEIVER, provider), away, SOURCE, FrozenClock(NOW_US))

    assert not await push.step()
    assert "the store is away" in caplog.text


async def test_it_pushes_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.telemetry.push.EVERY_S", 0.001)
    provider = ScriptedProvider(*(ScriptedAnswer([]) for _ in range(50)))
    push = MetricsPush(RECEIVER, Post(RECEIVER, provider), known, SOURCE, FrozenClock(NOW_US))
    running = asyncio.create_task(push.run(asyncio.Semaphore(1)))
    while len(provider.sent) < 2:  # noqa: ASYNC110 -- it is there at once
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
