"""Metrics for CloudWatch: what a minute added, for all, by model, and by the dearest tenants.

As documents of the embedded metric format, one for each set of dimensions, or as data for
`PutMetricData`. It is at least once, for graphs and alarms: the ledger says what anything cost.
Sources: "Specification: Embedded metric format" (CloudWatch User Guide), PutMetricData (CloudWatch
API Reference).
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from trimtab.domain.clock import Clock
from trimtab.telemetry.metrics import METRICS, OTHER, Histogram, Kind, Samples

EVERY_S = 60.0
MOST_VALUES = 100
NANO = 1e-9

_MINUTE_US = 60_000_000
_MOST_CHARS = 1024


class _Reading(NamedTuple):
    """How a metric of CloudWatch is read from ours.

    Attributes:
        by: Our label for each dimension that it also has series by.
        where: A label, and the values that count.
        is_max: Whether the worst counts, not the sum.
    """

    unit: str
    metric: str
    by: Mapping[str, str] = {}
    where: tuple[str, tuple[str, ...]] | None = None
    scale: float = 1.0
    is_max: bool = False


_BOTH = {"Model": "model", "Tenant": "tenant"}
_BY_MODEL = {"Model": "request_model"}
_FAILED = ("error", "truncated", "lost")

READINGS: Mapping[str, _Reading] = {
    "Requests": _Reading("Count", "trimtab_requests_total", _BOTH),
    "Errors": _Reading("Count", "trimtab_requests_total", _BOTH, ("status", _FAILED)),
    "CostUSD": _Reading("None", "trimtab_cost_nano_usd_total", _BOTH, None, NANO),
    "InputTokens": _Reading("Count", "trimtab_tokens_total", _BOTH, ("type", ("input",))),
    "OutputTokens": _Reading("Count", "trimtab_tokens_total", _BOTH, ("type", ("output",))),
    "Duration": _Reading("Seconds", "gen_ai_client_operation_duration_seconds", _BY_MODEL),
    "TimeToFirstChunk": _Reading(
        "Seconds", "gen_ai_client_operation_time_to_first_chunk_seconds", _BY_MODEL
    ),
    "AlertsActive": _Reading("Count", "trimtab_alert_active"),
    "WorkersUp": _Reading("Count", "trimtab_worker_up"),
    "SpoolBytes": _Reading("Bytes", "trimtab_spool_bytes"),
    "SpoolLag": _Reading("Seconds", "trimtab_spool_lag_seconds", is_max=True),
    "ExportLag": _Reading("Seconds", "trimtab_export_lag_seconds", is_max=True),
    "ConfigLag": _Reading("Seconds", "trimtab_config_lag_seconds", is_max=True),
}
"""What CloudWatch is told, by its name there."""


class Spread(NamedTuple):
    """What a minute measured: how many of each value, the bound of a bucket, and their sum."""

    counts: Mapping[float, int]
    total: float

    def values(self) -> list[float]:
        """Give at most `MOST_VALUES` values that are spread as all are."""
        n = sum(self.counts.values())
        every = [value for value, count in sorted(self.counts.items()) for value in [value] * count]
        if n <= MOST_VALUES:
            return every
        return [every[(2 * place + 1) * n // (2 * MOST_VALUES)] for place in range(MOST_VALUES)]


Dimension = tuple[str, str] | None
Minute = Mapping[Dimension, Mapping[str, float | Spread]]
"""What a minute added, by dimension and metric."""


class Sink(Protocol):
    """Takes what a minute added."""

    async def __call__(self, minute: Minute, at_ms: int) -> None:
        """Tell it. Raises `TryLater` or `OSError` if it could not be told."""
        ...


@dataclass(slots=True)
class CloudWatchJob:
    """Tells each minute what it added. State: how far counters were when they were told last."""

    samples: Callable[[], Awaitable[Samples]]
    sink: Sink
    top_tenants: int
    clock: Clock
    _before: dict[tuple[Dimension, str], float | Spread] | None = None

    async def run(self) -> None:
        """Tell what was added since the last time that it could be told."""
        now = added_up(await self.samples(), self.top_tenants)
        before = self._before
        if before is not None:
            minute = _since(before, now)
            at_us = self.clock.now_us()
            await self.sink(minute, (at_us - at_us % _MINUTE_US) // 1000)
        self._before = now


def added_up(samples: Samples, top_tenants: int) -> dict[tuple[Dimension, str], float | Spread]:
    """Add samples up to what CloudWatch is told of, by dimension and metric."""
    spent: Counter[str] = Counter()
    for labels, value in samples["trimtab_cost_nano_usd_total"]:
        spent[labels[0]] += 0 if isinstance(value, Histogram) else round(value)
    del spent[OTHER]
    dear = {name for name, _ in spent.most_common(top_tenants)}
    found: dict[tuple[Dimension, str], float | Spread] = {}
    for name, reading in READINGS.items():
        for dimension, value in _read(samples, reading):
            if dimension is None or dimension[0] != "Tenant" or dimension[1] in dear:
                known = found.get((dimension, name))
                found[dimension, name] = value if known is None else _plus(known, value, reading)
    return found


def _read(samples: Samples, reading: _Reading) -> Iterator[tuple[Dimension, float | Spread]]:
    metric = METRICS[reading.metric]
    for labels, value in samples[reading.metric]:
        named = dict(zip(metric.labels, labels, strict=True))
        if reading.where is not None and named[reading.where[0]] not in reading.where[1]:
            continue
        if isinstance(value, Histogram):
            bounds = (*metric.bounds, 2 * metric.bounds[-1])
            counts = {it: n for it, n in zip(bounds, value.counts, strict=True) if n}
            read: float | Spread = Spread(counts, value.total)
        else:
            read = value * reading.scale
        yield None, read
        for dimension, label in reading.by.items():
            if named[label] and named[label] != OTHER:
                yield (dimension, named[label][:_MOST_CHARS]), read


def _plus(one: float | Spread, other: float | Spread, reading: _Reading) -> float | Spread:
    if isinstance(one, Spread) and isinstance(other, Spread):
        return Spread(Counter(one.counts) + Counter(other.counts), one.total + other.total)
    if isinstance(one, Spread) or isinstance(other, Spread):
        return one
    return max(one, other) if reading.is_max else one + other


def _since(
    before: Mapping[tuple[Dimension, str], float | Spread],
    now: Mapping[tuple[Dimension, str], float | Spread],
) -> Minute:
    minute: defaultdict[Dimension, dict[str, float | Spread]] = defaultdict(dict)
    for (dimension, name), value in now.items():
        if METRICS[READINGS[name].metric].kind is Kind.GAUGE:
            minute[dimension][name] = value
            continue
        was = before.get((dimension, name))
        if isinstance(value, Spread):
            known = was if isinstance(was, Spread) else Spread({}, 0.0)
            counts = Counter(value.counts) - Counter(known.counts)
            if counts:
                minute[dimension][name] = Spread(counts, max(0.0, value.total - known.total))
        else:
            # What a tenant had before it was among the dearest did not happen now.
            unknown = value if dimension is not None and dimension[0] == "Tenant" else 0.0
            minute[dimension][name] = max(
                0.0, value - (unknown if was is None or isinstance(was, Spread) else was)
            )
    return minute


def documents(minute: Minute, namespace: str, at_ms: int) -> Iterator[bytes]:
    """Write a minute as documents of the embedded metric format, one for each dimension."""
    for dimension, values in minute.items():
        told: dict[str, object] = dict([dimension]) if dimension else {}
        metrics = [{"Name": name, "Unit": READINGS[name].unit} for name in values]
        directive = {
            "Namespace": namespace,
            "Dimensions": [list(told)],
            "Metrics": metrics,
        }
        members = {
            name: value.values() if isinstance(value, Spread) else value
            for name, value in values.items()
        }
        head = {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]}}
        yield msgspec.json.encode({**head, **told, **members})


def data(minute: Minute, at_ms: int) -> list[dict[str, object]]:
    """Write a minute as data of `PutMetricData`; what was measured as sets of statistics."""
    return [
        {
            "MetricName": name,
            "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}] if dimension else [],
            "Timestamp": at_ms / 1000,
            "Unit": READINGS[name].unit,
            **_statistics(value),
        }
        for dimension, values in minute.items()
        for name, value in values.items()
    ]


def _statistics(value: float | Spread) -> Mapping[str, object]:
    if not isinstance(value, Spread):
        return {"Value": value}
    return {
        "StatisticValues": {
            "SampleCount": float(sum(value.counts.values())),
            "Sum": value.total,
            "Minimum": min(value.counts),
            "Maximum": max(value.counts),
        }
    }


@dataclass(frozen=True, slots=True)
class Embedded:
    """A `Sink` that writes documents of the embedded metric format, one a line."""

    namespace: str
    write: Callable[[bytes], None]

    async def __call__(self, minute: Minute, at_ms: int) -> None:
        """See `Sink`."""
        lines = b"".join(it + b"\n" for it in documents(minute, self.namespace, at_ms))
        await asyncio.to_thread(self.write, lines)
