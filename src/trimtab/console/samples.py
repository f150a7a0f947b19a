"""What all metrics are at: from the store, from the change log, and from what workers say."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from trimtab.console.base import Console, Flow
from trimtab.console.budgets import Bar, bars_of_all
from trimtab.domain.alert import Alert, Rule
from trimtab.domain.billing import EventState, MeterEvent
from trimtab.registry.webhooks import Backlog
from trimtab.store.base.control import Acknowledgement
from trimtab.store.base.ledger import CostRow
from trimtab.store.base.recording import Unclaimed
from trimtab.store.tally import Amount, Cell, Tally
from trimtab.telemetry.metrics import METRICS, OTHER, Sample, Samples, capped, of_tallies

_ALWAYS_US = 1 << 62
_GROUPS = ("tenant_id", "feature", "model", "status", "origin")
_COUNTERS = ("trimtab_requests_total", "trimtab_tokens_total", "trimtab_cost_nano_usd_total")

_Found = dict[str, Sequence[Sample]]
_Labels = tuple[str, ...]


async def samples(console: Console) -> Samples:
    """Read all metrics, in the order in which they are told. Raises `TryLater`."""
    rows = await console.rollups.costs(since_us=0, until_us=_ALWAYS_US, group_by=_GROUPS)
    dear = _dearest(rows, console.max_tenants)
    cells = await console.rollups.tallies()
    found: _Found = {
        **_counters(rows, dear),
        **_tallies(cells),
        **await _of_money(console, dear),
        **await _of_workers(console),
        **_of_flow(await asyncio.to_thread(console.flow)),
        **_webhooks(console.webhooks()),
        "trimtab_meter_events": _waiting(await console.meter_events()),
        "trimtab_feedback_dropped_total": _dropped(console.unclaimed()),
    }
    return {name: capped(name, found[name]) for name in METRICS}


def _dearest(rows: Sequence[CostRow], most: int) -> frozenset[str]:
    spent: Counter[str] = Counter()
    for row in rows:
        spent[row.group[0]] += row.cost_nano
    # By name among equals, so that a series stays what it is.
    return frozenset(sorted(spent, key=lambda it: (-spent[it], it))[:most])


def _counters(rows: Sequence[CostRow], dear: frozenset[str]) -> _Found:
    """Count what was asked for, dearest first; what tenants that are not `dear` did is one's."""
    requests, tokens, cost = Counter[_Labels](), Counter[_Labels](), Counter[_Labels]()
    for row in rows:
        named, feature, model, status, origin = row.group
        tenant = named if named in dear else OTHER
        if row.n:
            requests[tenant, feature, model, status, origin] += row.n
        for kind, n in (
            ("input", row.input_tokens),
            ("cached", row.cached_tokens),
            ("output", row.output_tokens),
        ):
            tokens[tenant, model, kind] += n
        cost[tenant, feature, model] += row.cost_nano
    sums = (requests, tokens, cost)
    return {name: _told(of) for name, of in zip(_COUNTERS, sums, strict=True)}


def _tallies(cells: Mapping[Cell, Amount]) -> _Found:
    by_tally: defaultdict[Tally, dict[_Labels, dict[int, Amount]]] = defaultdict(dict)
    for (tally, labels, bucket), amount in cells.items():
        by_tally[tally].setdefault(labels, {})[bucket] = amount
    return {
        name: of_tallies(name, by_tally[it.tally])
        for name, it in METRICS.items()
        if it.tally is not None
    }


async def _of_money(console: Console, dear: frozenset[str]) -> _Found:
    now_us = console.clock.now_us()
    bars = await bars_of_all(console, await console.control.snapshot(), now_us)
    alerts = await console.alerts.alerts(open_only=True)
    repaired = console.repaired()
    drifts = sorted(console.drifts().items())
    return {
        "trimtab_budget_left_ratio": [it for bar in bars for it in _left(bar, dear)],
        "trimtab_alert_active": _active(alerts, console.max_tenants),
        "trimtab_reconcile_drift_ratio": [Sample((name,), ratio) for name, ratio in drifts],
        "trimtab_limits_repaired_total": [] if repaired is None else [Sample((), repaired)],
    }


def _left(bar: Bar, dear: frozenset[str]) -> Iterable[Sample]:
    tenant = bar.standing.claim.spending.tenant_id or ""
    if tenant in dear or not tenant:
        # `month:2026-11` is another budget each month, and one series.
        period = bar.standing.claim.need.scope.split(":")[1]
        yield Sample((tenant, period), bar.standing.left_nano / max(1, bar.size))


def _active(alerts: Sequence[Alert], most: int) -> list[Sample]:
    named = sorted({it.finding.tenant_id for it in alerts})[:most]
    counts = Counter[_Labels]()
    # A rule of which nothing holds is told with no tenant: what is not there cannot be compared.
    counts.update({(rule.value, ""): 0 for rule in Rule})
    for it in alerts:
        tenant = it.finding.tenant_id
        counts[it.finding.rule.value, tenant if tenant in named else OTHER] += 1
    return _told(counts)


async def _of_workers(console: Console) -> _Found:
    acks = await console.acknowledgements.acknowledgements()
    # Workers of other hosts are named HOST/WORKER, and those hosts tell of them.
    own = [ack for ack in acks if "/" not in ack.worker_id]
    lags = console.health()
    return {
        "trimtab_requests_open": [Sample((it.worker_id,), it.running) for it in lags],
        "trimtab_spool_bytes": [Sample((it.worker_id,), it.waiting_bytes) for it in lags],
        "trimtab_worker_up": [Sample((it.worker_id,), 1) for it in own],
        "trimtab_config_seq": [Sample((it.worker_id,), it.config_seq) for it in own],
        "trimtab_config_lag_seconds": [
            Sample((it.worker_id,), await _behind_s(console, it)) for it in own
        ],
        "trimtab_backpressure_level": [
            Sample((name,), int(level)) for name, level in console.levels().items()
        ],
        "trimtab_redis_up": [Sample((name,), int(up)) for name, up in console.redis_up().items()],
        "trimtab_target_left_alone": [
            Sample((it.worker_id, it.target, it.state.value), 1) for it in console.ailing()
        ],
    }


async def _behind_s(console: Console, ack: Acknowledgement) -> float:
    missed = await console.control.after(ack.config_seq)
    return 0.0 if missed is None else max(0, console.clock.now_us() - missed.ts_us) / 1e6


def _of_flow(flow: Flow) -> _Found:
    exports = sorted(flow.exports.items())
    return {
        "trimtab_spool_lag_seconds": _by(flow.waits_s),
        # From 0 on: a series that begins at 1 has increased for nobody.
        "trimtab_spool_torn_tail_total": _by({it: flow.torn.get(it, 0) for it in flow.waits_s}),
        "trimtab_recorder_put_aside_total": _by({it: flow.aside.get(it, 0) for it in flow.waits_s}),
        "trimtab_export_lag_seconds": [Sample((name,), waits_s) for name, (waits_s, _) in exports],
        "trimtab_exported_total": [Sample((name,), it.exported) for name, (_, it) in exports],
        "trimtab_export_rejected_total": [
            Sample((name, reason), n)
            for name, (_, it) in exports
            for reason, n in (("rejected", it.rejected), ("put_aside", it.put_aside))
        ],
        "trimtab_export_given_up_total": [
            Sample((name, reason), n)
            for name, (_, it) in exports
            for reason, n in (("age", it.given_up), ("unreadable", it.unreadable))
        ],
    }


def _webhooks(backlogs: Sequence[Backlog]) -> _Found:
    return {
        "trimtab_webhook_waiting": [Sample((it.name,), it.waiting) for it in backlogs],
        "trimtab_webhook_failing": [Sample((it.name, it.error), 1) for it in backlogs if it.error],
    }


def _dropped(found: Unclaimed) -> Sequence[Sample]:
    return [Sample(("other_tenant",), found.refused), Sample(("unknown",), found.orphaned)]


def _waiting(events: Sequence[MeterEvent]) -> list[Sample]:
    counts = Counter(it.state for it in events)
    return [Sample((state.value,), counts[state]) for state in EventState]


def _by(amounts: Mapping[str, float]) -> list[Sample]:
    return [Sample((name,), amount) for name, amount in sorted(amounts.items())]


def _told(sums: Mapping[_Labels, int]) -> list[Sample]:
    return [Sample(labels, amount) for labels, amount in sums.items()]
