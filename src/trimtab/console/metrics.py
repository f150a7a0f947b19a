"""`GET /metrics`: what the keeper knows of all workers, for Prometheus.

Counters are the sums that are committed together with the records. So they equal the ledger, to
the nano-dollar, and neither a crash nor a restart resets them. Form:
https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from starlette.requests import Request

from trimtab.console.base import Console, Lag
from trimtab.domain.alert import Alert, Rule
from trimtab.domain.billing import EventState, MeterEvent
from trimtab.registry.webhooks import Backlog
from trimtab.store.base import Acknowledgement, CostRow, Unclaimed

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_GROUPS = 2_000
OTHER = "__other__"

_ALWAYS_US = 1 << 62
_GROUPS = ("tenant_id", "model", "status")

Labels = Mapping[str, str]
Samples = Iterable[tuple[Labels, float]]


class Metric(NamedTuple):
    """One metric: its kind, and what it tells; all but shares are whole numbers."""

    kind: str
    told: str


METRICS: Mapping[str, Metric] = {
    "trimtab_requests_total": Metric("counter", "Requests that named a model, by how they ended."),
    "trimtab_tokens_total": Metric("counter", "Tokens read, read from a cache, and written."),
    "trimtab_cost_nano_usd_total": Metric("counter", "What requests cost, in nano-USD."),
    "trimtab_requests_open": Metric("gauge", "Requests that have begun and not ended."),
    "trimtab_spool_bytes": Metric("gauge", "Bytes a worker has written that are not stored yet."),
    "trimtab_worker_up": Metric("gauge", "1 for every worker that lives; keepers count, too."),
    "trimtab_redis_up": Metric("gauge", "Whether a worker reaches the Redis of the limits."),
    "trimtab_limits_repaired_total": Metric(
        "counter", "Counters of budgets that were set right, for they differed from the ledger."
    ),
    "trimtab_feedback_dropped_total": Metric(
        "counter", "Feedback on requests that are another tenant's, or that nobody knows."
    ),
    "trimtab_target_left_alone": Metric(
        "gauge", "1 for every target that a worker leaves alone or tries anew, and its breaker."
    ),
    "trimtab_config_seq": Metric("gauge", "Sequence number of the change a worker runs under."),
    "trimtab_webhook_waiting": Metric("gauge", "Events that a webhook has not taken yet."),
    "trimtab_webhook_failing": Metric(
        "gauge", "1 for every webhook that takes nothing just now, and what went wrong last."
    ),
    "trimtab_alert_open": Metric("gauge", "Alerts that hold just now, by rule; 0 for the others."),
    "trimtab_reconcile_drift_ratio": Metric(
        "gauge", "What a provider billed more than the ledger says, as a share; of the last day."
    ),
    "trimtab_meter_events": Metric(
        "gauge",
        "Parts of bills that are not passed on: they wait, were refused, or may have arrived.",
    ),
}
"""Every metric, in the order in which they are told."""


def is_open(console: Console, request: Request) -> bool:
    """Tell whether a caller needs no token: one on this machine, unless a proxy may stand there."""
    client = request.headers.get("x-trimtab-client", "")
    try:
        return ip_address(client).is_loopback and not console.secure_cookies
    except ValueError:
        return False


async def exposition(console: Console) -> str:
    """Write all metrics."""
    rows = await console.rollups.costs(since_us=0, until_us=_ALWAYS_US, group_by=_GROUPS)
    acks = await console.acknowledgements.acknowledgements()
    # Workers of other hosts are named HOST/WORKER, and those hosts tell of them.
    own = [ack for ack in acks if "/" not in ack.worker_id]
    redis_up = [({"worker": it}, int(is_up)) for it, is_up in console.redis_up().items()]
    left_alone = [
        ({"worker": it.worker_id, "target": it.target, "state": it.state.value}, 1)
        for it in console.ailing()
    ]
    gauges = {
        **_gauges(console.health(), own),
        "trimtab_redis_up": redis_up,
        "trimtab_limits_repaired_total": _repaired(console.repaired()),
        "trimtab_feedback_dropped_total": _dropped(console.unclaimed()),
        "trimtab_target_left_alone": left_alone,
        **_webhooks(console.webhooks()),
        "trimtab_alert_open": _open(await console.alerts.alerts(open_only=True)),
        "trimtab_meter_events": _waiting(await console.meter_events()),
        "trimtab_reconcile_drift_ratio": [
            ({"provider": name}, ratio) for name, ratio in sorted(console.drifts().items())
        ],
    }
    samples = {**_counters(rows), **gauges}
    lines = [line for name in METRICS for line in _written(name, samples[name])]
    return "\n".join([*lines, ""])


def _counters(rows: Sequence[CostRow]) -> dict[str, Samples]:
    """Count by tenant and model; behind the dearest `MOST_GROUPS` all others are one."""
    requests: dict[tuple[str, ...], int] = {}
    tokens: dict[tuple[str, ...], int] = {}
    cost: dict[tuple[str, ...], int] = {}
    for place, row in enumerate(rows):
        tenant, model, status = row.group
        if place >= MOST_GROUPS:
            tenant = model = OTHER
        _add(requests, (tenant, model, status), row.n)
        _add(tokens, (tenant, model, "input"), row.input_tokens)
        _add(tokens, (tenant, model, "cached"), row.cached_tokens)
        _add(tokens, (tenant, model, "output"), row.output_tokens)
        _add(cost, (tenant, model), row.cost_nano)
    return {
        "trimtab_requests_total": _labelled(requests, "tenant", "model", "status"),
        "trimtab_tokens_total": _labelled(tokens, "tenant", "model", "type"),
        "trimtab_cost_nano_usd_total": _labelled(cost, "tenant", "model"),
    }


def _gauges(lags: Sequence[Lag], acks: Sequence[Acknowledgement]) -> dict[str, Samples]:
    return {
        "trimtab_requests_open": [({"worker": it.worker_id}, it.running) for it in lags],
        "trimtab_spool_bytes": [({"worker": it.worker_id}, it.waiting_bytes) for it in lags],
        "trimtab_worker_up": [({"worker": it.worker_id}, 1) for it in acks],
        "trimtab_config_seq": [({"worker": it.worker_id}, it.config_seq) for it in acks],
    }


def _webhooks(backlogs: Sequence[Backlog]) -> dict[str, Samples]:
    return {
        "trimtab_webhook_waiting": [({"name": it.name}, it.waiting) for it in backlogs],
        "trimtab_webhook_failing": [
            ({"name": it.name, "error": it.error}, 1) for it in backlogs if it.error
        ],
    }


def _dropped(found: Unclaimed) -> Samples:
    return [({"reason": "other_tenant"}, found.refused), ({"reason": "unknown"}, found.orphaned)]


def _repaired(count: int | None) -> Samples:
    return [] if count is None else [({}, count)]


def _open(alerts: Sequence[Alert]) -> Samples:
    counts = Counter(it.finding.rule for it in alerts)
    return [({"rule": rule}, counts[rule]) for rule in Rule]


def _waiting(events: Sequence[MeterEvent]) -> Samples:
    counts = Counter(it.state for it in events)
    return [({"state": state}, counts[state]) for state in EventState]


def _add(sums: dict[tuple[str, ...], int], group: tuple[str, ...], amount: int) -> None:
    sums[group] = sums.get(group, 0) + amount


def _labelled(sums: Mapping[tuple[str, ...], int], *names: str) -> Samples:
    return [(dict(zip(names, group, strict=True)), amount) for group, amount in sums.items()]


def _written(name: str, samples: Samples) -> Iterable[str]:
    metric = METRICS[name]
    yield f"# HELP {name} {metric.told}"
    yield f"# TYPE {name} {metric.kind}"
    for labels, amount in samples:
        told = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
        yield f"{name}{{{told}}} {amount}" if told else f"{name} {amount}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
