"""What did they cost: days by group, their budgets, and who is running away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from trimtab.console.base import Console, Visit
from trimtab.console.budgets import MOST, Bar, bars_of, bars_of_all
from trimtab.console.cost_table import by_day, stack, table, without_days
from trimtab.control.snapshot import Snapshot
from trimtab.cost.breakdown import (
    Days,
    break_down,
    month_of,
    read_days,
    read_groups,
    today,
)
from trimtab.cost.forecast import forecast
from trimtab.domain.alert import RULES
from trimtab.domain.errors import InvalidRequest, TryLater
from trimtab.domain.tenant import NAME, Tenant

PATH = "/console/costs"
BY: Mapping[str, str] = {
    "tenant_id": "tenant",
    "feature": "feature",
    "model": "model",
    "prompt_name,prompt_version": "prompt version",
    "provider": "provider",
    "key_id": "key",
    "experiment,arm": "arm",
}
"""What the page groups by, and its word."""

MOST_DAYS = 366
_ALERTS = 10
_ONE = timedelta(days=1)
_KNOWN = frozenset({"tenant", "month", "from", "to", "group_by"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a visitor asked for.

    Attributes:
        name: Of one tenant; `None` is all of them.
        tenant: The same, if it is configured.
        zone: The calendar that days are of.
        by: What to group by, as the address has it.
    """

    name: str | None
    tenant: Tenant | None
    zone: str
    today: date
    days: Days
    by: str

    @property
    def word(self) -> str:
        """Say what is grouped by."""
        return BY.get(self.by) or self.by.replace("_id", "").replace("_", " ").replace(",", ", ")

    @property
    def span(self) -> str:
        """Say which days."""
        days = self.days
        if days.month:
            return f"{days.first:%B %Y}"
        return f"{days.first}" if days.first == days.last else f"{days.first} to {days.last}"

    @property
    def is_running(self) -> bool:
        """Whether it is this month."""
        return self.days == month_of(self.today)

    def url(self, path: str = PATH, *, days: Days | None = None, by: str = "") -> str:
        """Give the address of something near."""
        of = days or self.days
        span = {"month": of.month} if of.month else {"from": str(of.first), "to": str(of.last)}
        tenant = {"tenant": self.name} if self.name else {}
        return f"{path}?{urlencode({**tenant, 'by': by or self.by, **span})}"

    @property
    def before(self) -> Days:
        """The month before."""
        return month_of(self.days.first.replace(day=1) - _ONE)

    @property
    def following(self) -> Days | None:
        """The month after, if it has begun."""
        found = month_of((self.days.last.replace(day=28) + 4 * _ONE).replace(day=1))
        return found if found.first <= self.today else None


async def show(visit: Visit) -> Response:
    """Show the page."""
    console = visit.console
    snapshot = await console.control.snapshot()
    asked = _asked(visit, snapshot)
    if (asked.days.after - asked.days.first).days > MOST_DAYS:
        raise InvalidRequest(f"a page shows {MOST_DAYS} days at most; ask for fewer")
    if asked.by == "day":
        raise InvalidRequest("each day is shown anyway; group by something else", param="by")
    view: Mapping[str, object] | None = None
    away = ""
    try:
        view = await _read(console, snapshot, asked)
    except TryLater as exc:
        away = str(exc)
    context = {
        "asked": asked,
        "view": view,
        "away": away,
        "choices": BY,
        "rules": RULES,
        "tenants": sorted({*map(str, snapshot.tenants), *([asked.name] if asked.name else [])}),
        "waiting_bytes": waiting(console),
        "reconciled_to": console.reconciled_to(),
    }
    return visit.page("costs.html", context)


async def download(visit: Visit) -> Response:
    """Give what the page shows as CSV, whole, as `trimtab costs --csv` prints it."""
    asked = _asked(visit, await visit.console.control.snapshot())
    found = await break_down(visit.console.rollups, read_groups(asked.by), asked.days, asked.name)
    whose = f"-{asked.name}" if asked.name and NAME.fullmatch(asked.name) else ""
    name = f"costs{whose}-{asked.days.first}-{asked.days.last}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(found.csv(), headers=headers, media_type="text/csv")


async def read_costs(visit: Visit) -> object:
    """Sum costs of a month, or of the days from `from` up to and without `to`."""
    unknown = [name for name in visit.request.query_params if name not in _KNOWN]
    if unknown:
        raise InvalidRequest(
            f"costs cannot be asked with {unknown[0][:32]!r}; use {', '.join(sorted(_KNOWN))}"
        )
    console, name = visit.console, visit.query("tenant") or None
    now_us = console.clock.now_us()
    _, zone = _whose(await console.control.snapshot(), name)
    first, after = visit.query("from"), visit.query("to")
    days = read_days(visit.query("month"), first, after, today(zone, now_us))
    if after:
        days = days._replace(after=days.last)
    if not days.each():
        raise InvalidRequest("'to' is the first day that is not asked for; name a later one")
    groups = read_groups(visit.query("group_by") or "tenant_id")
    found = await break_down(console.rollups, groups, days, name)
    return {
        **found.members(),
        "as_of_us": now_us,
        "waiting_bytes": waiting(console),
        "reconciled_to": console.reconciled_to(),
    }


def waiting(console: Console) -> int:
    """Count the bytes that workers wrote and no figure holds yet."""
    return sum(lag.waiting_bytes for lag in console.health())


def key_names(snapshot: Snapshot) -> Mapping[str, str]:
    """Tell what keys are called."""
    return {grant.key.id: grant.key.name for grant in snapshot.grants.values()}


def _asked(visit: Visit, snapshot: Snapshot) -> Asked:
    """Read the address. Raises `InvalidRequest`."""
    name = visit.query("tenant") or None
    tenant, zone = _whose(snapshot, name)
    this = today(zone, visit.console.clock.now_us())
    days = read_days(visit.query("month"), visit.query("from"), visit.query("to"), this)
    by = ",".join(read_groups(visit.query("by") or ("feature" if name else "tenant_id")))
    return Asked(name, tenant, zone, this, days, by)


def _whose(snapshot: Snapshot, name: str | None) -> tuple[Tenant | None, str]:
    """Find a tenant and its calendar; one that is not configured any more lives in UTC."""
    found = next((it for it in snapshot.tenants.values() if it.id == name), None)
    return found, found.timezone if found else "UTC"


async def _read(console: Console, snapshot: Snapshot, asked: Asked) -> Mapping[str, object]:
    now_us, names = console.clock.now_us(), key_names(snapshot)
    groups = [name for name in read_groups(asked.by) if name != "day"]
    found = await break_down(console.rollups, ("day", *groups), asked.days, asked.name)
    beside = _beside(asked)
    other = await break_down(console.rollups, (beside,), asked.days, asked.name)
    sums, by_group = by_day(found), without_days(found)
    bars: list[Bar] = []
    if asked.tenant is not None:
        bars = await bars_of(console, snapshot, asked.tenant, {}, now_us)
    elif asked.name is None:
        bars = await bars_of_all(console, snapshot, now_us)
    return {
        "found": found,
        "chart": stack(found, by_group, asked.today, names),
        "main": table(by_group, asked.word, names),
        "beside": table(other.rows, BY[beside], names),
        "days": tuple(sums.values()),
        "forecast": forecast(
            {day: it.cost_nano for day, it in sums.items()}, asked.days, asked.today
        )
        if asked.is_running
        else None,
        "bars": bars[:MOST],
        "more_bars": max(0, len(bars) - MOST),
        "alerts": await console.alerts.alerts(open_only=True, tenant_id=asked.name, limit=_ALERTS),
    }


def _beside(asked: Asked) -> str:
    """Choose what else to group by."""
    first = "feature" if asked.name else "tenant_id"
    return first if asked.by != first else "model" if asked.name else "feature"
