"""Every metric there is: the one table of names, kinds, labels and words.

The console tells them to Prometheus, an exporter and CloudWatch are handed the same samples, and
alert rules and dashboards are refused if they name anything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from trimtab.store.tally import BOUNDS, MICRO, Amount, Exemplar, Tally

OTHER = "__other__"
MOST_LINES = 8_000
"""How many lines one metric may have; what is behind them is one series, named `OTHER`."""


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        told: What it tells.
        labels: Names of its labels, in the order in which samples have their values.
        otlp: Its name in OpenTelemetry, if not that of Prometheus with dots.
        tally: What the store counts it by, if it does.
        per_unit: In how many parts of a unit the store counts; 0 if it tells how many there were.
    """

    kind: Kind
    told: str
    labels: tuple[str, ...] = ()
    otlp: str = ""
    tally: Tally | None = None
    per_unit: int = 1

    @property
    def bounds(self) -> tuple[float, ...]:
        """Upper bounds of its buckets."""
        if self.tally is None or self.kind is not Kind.HISTOGRAM:
            return ()
        return tuple(bound / self.per_unit for bound in BOUNDS[self.tally])


class Shown(NamedTuple):
    """A trace to look at, and what was measured of it."""

    trace_id: str
    value: float
    at_s: float


class Histogram(NamedTuple):
    """What was measured, by bucket.

    Attributes:
        counts: Of each bucket by itself; the last is that of what is above all bounds.
        shown: By bucket.
    """

    counts: tuple[int, ...]
    total: float
    shown: Mapping[int, Shown]


class Sample(NamedTuple):
    """What one series is at: its labels in the order of the metric's, and how much."""

    labels: tuple[str, ...]
    value: float | Histogram


Samples = Mapping[str, Sequence[Sample]]
"""All that is told, by the name of the metric."""

_ASKED = ("operation", "provider", "request_model")
_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_OF_WORKER = ("worker",)
_OF_EXPORTER = ("exporter",)

METRICS: Mapping[str, Metric] = {
    "gen_ai_client_operation_duration_seconds": Metric(
        _H,
        "How long requests took that a provider was asked for.",
        (*_ASKED, "error_type"),
        "gen_ai.client.operation.duration",
        Tally.DURATION,
        MICRO,
    ),
    "gen_ai_client_operation_time_to_first_chunk_seconds": Metric(
        _H,
        "How long streams took to begin.",
        _ASKED,
        "gen_ai.client.operation.time_to_first_chunk",
        Tally.FIRST_CHUNK,
        MICRO,
    ),
    "gen_ai_client_token_usage": Metric(
        _H,
        "Tokens of a request: `input` and `output`.",
        (*_ASKED, "token_type"),
        "gen_ai.client.token.usage",
        Tally.TOKENS,
    ),
    "trimtab_requests_total": Metric(
        _C,
        "Requests that named a model, by how they ended.",
        ("tenant", "feature", "model", "status", "origin"),
    ),
    "trimtab_tokens_total": Metric(
        _C, "Tokens read, read from a cache, and written.", ("tenant", "model", "type")
    ),
    "trimtab_cost_nano_usd_total": Metric(
        _C, "What requests cost, in nano-USD.", ("tenant", "feature", "model"), "trimtab.cost"
    ),
    "trimtab_overhead_seconds": Metric(
        _H,
        "What our stages took; `all` is all of a request but its provider.",
        ("stage",),
        tally=Tally.OVERHEAD,
        per_unit=MICRO,
    ),
    "trimtab_attempts_total": Metric(
        _C,
        "Attempts at targets: `ok`, `refused`, `cancelled`, or the code of the error.",
        ("target", "outcome"),
        tally=Tally.ATTEMPTS,
        per_unit=0,
    ),
    "trimtab_replayable_total": Metric(
        _C,
        "Requests by whether they can be asked again byte for byte: `full`, `partial`, `none`.",
        ("feature", "replay"),
        tally=Tally.REPLAY,
        per_unit=0,
    ),
    "trimtab_eval_score": Metric(
        _H,
        "Scores that judges gave to answers.",
        ("name", "prompt_name", "prompt_version"),
        tally=Tally.SCORES,
        per_unit=MICRO,
    ),
    "trimtab_sampled_total": Metric(
        _C,
        "Traces by the rule that decided, and whether they are exported.",
        ("rule", "kept"),
        tally=Tally.SAMPLED,
        per_unit=0,
    ),
    "trimtab_sampled_weight_total": Metric(
        _C,
        "How many traces those stand for that are exported: about as many as there were.",
        ("rule", "kept"),
        tally=Tally.SAMPLED,
        per_unit=MICRO,
    ),
    "trimtab_budget_left_ratio": Metric(
        _G,
        "What is left of the budget of a month or a day, as a share of it.",
        ("tenant", "budget"),
    ),
    "trimtab_alert_active": Metric(
        _G, "Alerts on spending that hold just now.", ("alert", "tenant")
    ),
    "trimtab_reconcile_drift_ratio": Metric(
        _G,
        "What a provider billed more than the ledger says, as a share; of the last day.",
        ("provider",),
    ),
    "trimtab_limits_repaired_total": Metric(
        _C, "Counters of budgets that were set right, for they differed from the ledger."
    ),
    "trimtab_feedback_dropped_total": Metric(
        _C, "Feedback on requests that are another tenant's, or that nobody knows.", ("reason",)
    ),
    "trimtab_requests_open": Metric(_G, "Requests that have begun and not ended.", _OF_WORKER),
    "trimtab_worker_up": Metric(
        _G, "1 for every worker that lives; keepers count, too.", _OF_WORKER
    ),
    "trimtab_redis_up": Metric(_G, "Whether a worker reaches the Redis of the limits.", _OF_WORKER),
    "trimtab_target_left_alone": Metric(
        _G,
        "1 for every target that a worker leaves alone or tries anew, and its breaker.",
        ("worker", "target", "state"),
    ),
    "trimtab_config_seq": Metric(
        _G, "Sequence number of the change a worker runs under.", _OF_WORKER
    ),
    "trimtab_config_lag_seconds": Metric(
        _G, "For how long there has been a change that a worker does not run under.", _OF_WORKER
    ),
    "trimtab_backpressure_level": Metric(
        _G,
        "What a worker leaves out: 3 long content, 4 all content, 5 requests.",
        _OF_WORKER,
    ),
    "trimtab_spool_bytes": Metric(
        _G, "Bytes a worker has written that are not stored yet.", _OF_WORKER
    ),
    "trimtab_spool_lag_seconds": Metric(
        _G, "For how long what a worker wrote has waited to be stored.", _OF_WORKER
    ),
    "trimtab_spool_torn_tail_total": Metric(
        _C, "Segments that end in bytes that are no frame, since the keeper started.", _OF_WORKER
    ),
    "trimtab_recorder_put_aside_total": Metric(
        _C, "Frames that cannot be stored, since the keeper started; they are kept.", _OF_WORKER
    ),
    "trimtab_export_lag_seconds": Metric(
        _G, "For how long the oldest traces have waited for an exporter.", _OF_EXPORTER
    ),
    "trimtab_exported_total": Metric(
        _C, "Spans that a receiver took, since the keeper started.", _OF_EXPORTER
    ),
    "trimtab_export_rejected_total": Metric(
        _C,
        "Spans that a receiver did not want: it said so (`rejected`), or refused all that came"
        " with them (`put_aside`).",
        ("exporter", "reason"),
    ),
    "trimtab_export_given_up_total": Metric(
        _C,
        "Requests whose spans were not sent: they waited too long (`age`), or cannot be read"
        " (`unreadable`).",
        ("exporter", "reason"),
    ),
    "trimtab_webhook_waiting": Metric(_G, "Events that a webhook has not taken yet.", ("name",)),
    "trimtab_webhook_failing": Metric(
        _G,
        "1 for every webhook that takes nothing just now, and what went wrong last.",
        ("name", "error"),
    ),
    "trimtab_meter_events": Metric(
        _G,
        "Parts of bills that are not passed on: they wait, were refused, or may have arrived.",
        ("state",),
    ),
}
"""Every metric, in the order in which they are told."""


def capped(name: str, samples: Sequence[Sample]) -> Sequence[Sample]:
    """Keep a metric to `MOST_LINES`: what is behind them is added up as one series."""
    metric = METRICS[name]
    lines = len(metric.bounds) + 3 if metric.kind is Kind.HISTOGRAM else 1
    most = MOST_LINES // lines
    if len(samples) <= most or metric.kind is Kind.GAUGE:
        return samples[:most]
    rest = samples[most - 1 :]
    return [
        *samples[: most - 1],
        Sample((OTHER,) * len(metric.labels), _added([it.value for it in rest])),
    ]


def of_tallies(name: str, cells: Mapping[tuple[str, ...], Mapping[int, Amount]]) -> list[Sample]:
    """Read the samples of a metric from what the store counts, by labels and bucket."""
    metric = METRICS[name]
    if metric.kind is Kind.HISTOGRAM:
        return [Sample(labels, _histogram(metric, of)) for labels, of in cells.items()]
    return [
        Sample(labels, float(it.total / metric.per_unit) if metric.per_unit else it.n)
        for labels, of in cells.items()
        for it in of.values()
    ]


def _histogram(metric: Metric, of: Mapping[int, Amount]) -> Histogram:
    counts = tuple(of[n].n if n in of else 0 for n in range(len(metric.bounds) + 1))
    shown = {n: _shown(it.exemplar, metric) for n, it in of.items() if it.exemplar}
    return Histogram(counts, sum(it.total for it in of.values()) / metric.per_unit, shown)


def _shown(exemplar: Exemplar, metric: Metric) -> Shown:
    value = exemplar.value / metric.per_unit
    return Shown(exemplar.trace_id, value, exemplar.ts_us / MICRO)


def _added(values: Sequence[float | Histogram]) -> float | Histogram:
    found = [it for it in values if isinstance(it, Histogram)]
    if not found:
        return sum(it for it in values if not isinstance(it, Histogram))
    counts = tuple(sum(of) for of in zip(*(it.counts for it in found), strict=True))
    return Histogram(counts, sum(it.total for it in found), found[0].shown)
