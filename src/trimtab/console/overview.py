"""Is it healthy: the last hours in four figures and two charts, and what changed today."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from starlette.responses import Response

from trimtab.console.base import Console, Lag, Visit
from trimtab.console.changes import Entry, summary
from trimtab.console.chart import Chart, Line
from trimtab.control.snapshot import Snapshot
from trimtab.domain.alert import Alert, Rule, Severity
from trimtab.domain.errors import TryLater
from trimtab.domain.record import RequestRecord
from trimtab.store.alerts import AlertFilter, AlertState
from trimtab.store.base.control import Acknowledgement
from trimtab.store.base.ledger import CostRow
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.sums import SeriesPoint

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MINUTE_US = 60_000_000
SECOND_US = 1_000_000
WINDOWS: Mapping[str, tuple[int, int]] = {"1h": (60, 1), "6h": (360, 5), "24h": (1440, 15)}
"""Minutes looked back on, and minutes of one bar."""
_TENANTS_SHOWN, _FAILURES_SHOWN, _CHANGES_SHOWN, _ALERTS_SHOWN = 6, 6, 6, 4
_LOUD = AlertFilter(
    rules=frozenset(it for it in Rule if it.severity is not Severity.REPORT),
    state=AlertState.OPEN,
)
"""Alerts for somebody now; lines of a report can wait."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What ran in a window.

    Attributes:
        typical_p95_us: Median over its minutes of the 95th percentile.
        worst_p95_us: The slowest minute's.
    """

    n: int
    n_error: int
    cost_nano: int
    typical_p95_us: int | None
    worst_p95_us: int | None


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker runs, and what of its work is not stored yet.

    Attributes:
        is_alone: Whether it counts by itself, though it should share limits with others.
    """

    worker_id: str
    config_seq: int | None
    acknowledged_us: int | None
    waiting_bytes: int
    is_alone: bool


@dataclass(frozen=True, slots=True)
class Spend:
    """Cost of one tenant today."""

    tenant_id: str
    n: int
    n_unpriced: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All the page shows.

    Attributes:
        alerts: The newest that are open; `None` if they cannot be read.
    """

    window: str
    bucket_minutes: int
    traffic: Traffic
    requests: Chart
    latency: Chart
    cost_today_nano: int
    cost_yesterday_nano: int
    spends: tuple[Spend, ...]
    failures: tuple[RequestRecord, ...]
    changes: tuple[Entry, ...]
    workers: tuple[Worker, ...]
    snapshot: Snapshot
    alerts: tuple[Alert, ...] | None

    @property
    def agreed(self) -> int:
        """How many workers run the newest configuration."""
        return sum(worker.config_seq == self.snapshot.config_seq for worker in self.workers)


async def show(visit: Visit) -> Response:
    """Show the whole page."""
    return visit.page("overview.html", await _context(visit))


async def live(visit: Visit) -> Response:
    """Show only the figures, for a page that is open already."""
    return visit.page("_overview.html", await _context(visit))


async def _context(visit: Visit) -> Mapping[str, object]:
    window = visit.query("window")
    view = await _read(visit, window if window in WINDOWS else "1h")
    return {"view": view, "windows": tuple(WINDOWS), "origin": str(visit.request.base_url)}


async def _read(visit: Visit, window: str) -> Overview:
    console = visit.console
    now_us = console.clock.now_us()
    minutes, per_bar = WINDOWS[window]
    end_us = now_us - now_us % MINUTE_US + MINUTE_US
    since_us = end_us - minutes * MINUTE_US
    today_us = now_us - now_us % DAY_US
    points = await console.rollups.series(since_us=since_us, until_us=end_us)
    costs = await console.rollups.costs(
        since_us=today_us - DAY_US, until_us=today_us + DAY_US, group_by=("day", "tenant_id")
    )
    today = f"{datetime.fromtimestamp(today_us / 1e6, UTC):%Y-%m-%d}"
    changes = await console.control.history(limit=_CHANGES_SHOWN)
    acks = await console.acknowledgements.acknowledgements()
    return Overview(
        window=window,
        bucket_minutes=per_bar,
        traffic=traffic(points),
        requests=_requests_chart(points, since_us, minutes, per_bar),
        latency=_latency_chart(points, since_us, minutes, per_bar),
        cost_today_nano=sum(row.cost_nano for row in costs if row.group[0] == today),
        cost_yesterday_nano=sum(row.cost_nano for row in costs if row.group[0] != today),
        spends=_spends(costs, today)[:_TENANTS_SHOWN],
        failures=await console.records.page(
            RecordFilter(status="error", since_us=since_us), limit=_FAILURES_SHOWN
        ),
        changes=tuple(
            Entry(change, summary(change)) for change in changes if change.ts_us >= now_us - DAY_US
        ),
        workers=_workers(acks, console.health(), console.redis_up()),
        snapshot=await console.control.snapshot(),
        alerts=await _alerts(console, now_us),
    )


async def _alerts(console: Console, now_us: int) -> tuple[Alert, ...] | None:
    try:
        return await console.alerts.page(_LOUD, now_us, limit=_ALERTS_SHOWN)
    except TryLater:
        # They are in a file of their own; all else is told without it.
        return None


def traffic(points: Sequence[SeriesPoint]) -> Traffic:
    """Sum up the minutes of a window. Percentiles are not averaged: they are ranked."""
    p95s = [point.p95_us for point in points if point.p95_us is not None]
    return Traffic(
        n=sum(point.n for point in points),
        n_error=sum(point.n_error for point in points),
        cost_nano=sum(point.cost_nano for point in points),
        typical_p95_us=round(median(p95s)) if p95s else None,
        worst_p95_us=max(p95s, default=None),
    )


def _bars(
    points: Sequence[SeriesPoint], since_us: int, minutes: int, per_bar: int
) -> tuple[tuple[int, ...], list[list[SeriesPoint]]]:
    width_us = per_bar * MINUTE_US
    bars: list[list[SeriesPoint]] = [[] for _ in range(minutes // per_bar)]
    for point in points:
        index = (point.bucket_us - since_us) // width_us
        if 0 <= index < len(bars):
            bars[index].append(point)
    return tuple((since_us + i * width_us) // 1_000_000 for i in range(len(bars))), bars


def _requests_chart(
    points: Sequence[SeriesPoint], since_us: int, minutes: int, per_bar: int
) -> Chart:
    times_s, bars = _bars(points, since_us, minutes, per_bar)
    n = tuple(float(sum(point.n for point in bar)) for bar in bars)
    errors = tuple(float(sum(point.n_error for point in bar)) for bar in bars)
    label = f"{sum(n):.0f} requests, {sum(errors):.0f} of them errors, at most {max(n):.0f} a bar"
    return Chart(
        "bars", "", label, times_s, (Line("all", "accent", n), Line("errors", "bad", errors))
    )


def _latency_chart(
    points: Sequence[SeriesPoint], since_us: int, minutes: int, per_bar: int
) -> Chart:
    times_s, bars = _bars(points, since_us, minutes, per_bar)
    slowest_us = max((point.p95_us or 0 for point in points), default=0)
    unit, unit_us = ("s", 1e6) if slowest_us >= SECOND_US else ("ms", 1e3)
    p50 = tuple(_slowest([point.p50_us for point in bar], unit_us) for bar in bars)
    p95 = tuple(_slowest([point.p95_us for point in bar], unit_us) for bar in bars)
    label = (
        f"latency over time; the slowest minute's 95th percentile was"
        f" {slowest_us / unit_us:.2f} {unit}"
    )
    return Chart(
        "lines", unit, label, times_s, (Line("p95", "warn", p95), Line("p50", "accent", p50))
    )


def _slowest(values: Sequence[int | None], unit_us: float) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) / unit_us if known else None


def _spends(costs: Sequence[CostRow], today: str) -> tuple[Spend, ...]:
    rows = [row for row in costs if row.group[0] == today]
    spends = [Spend(row.group[1], row.n, row.n_unpriced, row.cost_nano) for row in rows]
    return tuple(sorted(spends, key=lambda spend: (-spend.cost_nano, spend.tenant_id)))


def _workers(
    acks: Sequence[Acknowledgement], lags: Sequence[Lag], redis_up: Mapping[str, bool]
) -> tuple[Worker, ...]:
    by_id = {ack.worker_id: ack for ack in acks}
    waiting = {lag.worker_id: lag.waiting_bytes for lag in lags if lag.waiting_bytes}
    return tuple(
        Worker(
            worker_id,
            by_id[worker_id].config_seq if worker_id in by_id else None,
            by_id[worker_id].ts_us if worker_id in by_id else None,
            waiting.get(worker_id, 0),
            not redis_up.get(worker_id, True),
        )
        for worker_id in sorted(by_id.keys() | waiting.keys())
    )
