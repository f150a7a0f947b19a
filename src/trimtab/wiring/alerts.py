"""Builds what watches spending and tells people: rules over the records, routes of the settings."""

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.cost.baseline import Terms
from trimtab.cost.meter import Meter
from trimtab.domain.alert import Rule
from trimtab.domain.clock import Clock
from trimtab.domain.errors import NotFound, SettingsInvalid
from trimtab.domain.model import Target
from trimtab.domain.signing import read_secret
from trimtab.domain.transport import Transport
from trimtab.jobs.alerts import AlertJob, Watch
from trimtab.jobs.budgets import BudgetRule
from trimtab.jobs.channels import (
    PAGERDUTY,
    Channel,
    Posted,
    Write,
    pagerduty,
    slack,
    webhook,
)
from trimtab.jobs.delivery import Delivery, Route
from trimtab.jobs.mail import Mailed, Server
from trimtab.jobs.message import trial_message
from trimtab.jobs.oddities import IsFree, LineRules, LoopRule
from trimtab.jobs.posting import Answer, place_of
from trimtab.jobs.schedule import Job
from trimtab.jobs.spending import DayRules, HourRules, Ledger
from trimtab.providers.http1 import Http1Transport
from trimtab.settings import AlertSettings, RouteKind, RouteSettings, Settings, resolve
from trimtab.store.base.limits import Spending as Lines
from trimtab.store.relational.spend import Spend
from trimtab.store.spend import SpendReader
from trimtab.store.sqlite.alerts import SqliteAlerts
from trimtab.wiring.following import proxy_of

FILE = "alerts.db"
DELIVER_S = 1.0
MOST_ANSWER = 64 * 1024

_HOUR_US = 3_600_000_000
_FIVE_MINUTES_US = 300_000_000


@dataclass(frozen=True, slots=True)
class Spending:
    """What the rules look at."""

    current: Callable[[], Snapshot]
    is_free: IsFree


def alert_store(home: Path) -> SqliteAlerts:
    """Open the alerts of a state directory."""
    return SqliteAlerts(home / FILE)


def has_alerts(home: Path) -> bool:
    """Whether a keeper has ever kept alerts here."""
    return (home / FILE).exists()


def spend(home: Path) -> SpendReader:
    """Open what was spent, for reading."""
    return Spend(wiring.records(home))


def terms(settings: AlertSettings) -> Terms:
    """Say what counts as too much."""
    return Terms(factor_pct=settings.factor_pct, floor_nano=settings.floor_nano)


# each is what the rules look at, or what tells
def alert_jobs(  # noqa: PLR0913, PLR0917
    home: Path,
    settings: Settings,
    spending: Spending,
    store: SqliteAlerts,
    clock: Clock,
    transport: Transport,
    leads: Callable[[], Awaitable[bool]],
) -> list[Job]:
    """Build the job that judges, if it is this keeper that leads, and the one that tells.

    Raises:
        SettingsInvalid: a secret of a route is not there or is none, or a URL cannot be used.
    """
    routes = alert_routes(settings, transport)
    judging = AlertJob(
        watches(home, settings.alerts, spending, store),
        store,
        routes,
        clock,
        repeat_s=settings.alerts.repeat_s,
    )
    telling = Delivery(
        store,
        routes,
        clock,
        random.Random(),  # noqa: S311 -- spreads tries
        site=wiring.environment(),
        link=settings.gateway.public_url,
    )

    async def judge() -> None:
        if await leads():
            await judging.run()

    return [
        Job("alerts", settings.alerts.every_s, judge),
        Job("alert delivery", DELIVER_S, telling.run),
    ]


def alert_routes(settings: Settings, transport: Transport) -> list[Route]:
    """Read who is told, with the secrets.

    Raises:
        SettingsInvalid: a secret is not there or is none, or a URL cannot be used.
    """
    return [route_of(it, transport) for it in settings.alerts.routes]


def watches(
    home: Path, settings: AlertSettings, spending: Spending, store: SqliteAlerts
) -> list[Watch]:
    """Build the rules. What changes once a day is not judged every minute."""
    reading, records, limits = spend(home), wiring.records(home), terms(settings)
    ledger = Ledger(reading, store, spending.current)

    async def spent(of: Lines) -> int:
        return (await records.spent([of])).sums[0][0]

    days = frozenset({Rule.SPEND_3X_28D, Rule.SPEND_SPIKE})
    budgets = frozenset({Rule.BUDGET_FORECAST, Rule.BUDGET_THRESHOLD})
    lines = frozenset({Rule.ZERO_COST, Rule.USAGE_INCONSISTENT, Rule.PRICE_UNKNOWN})
    return [
        Watch(frozenset({Rule.LOOP}), 0, LoopRule(reading, spending.current, limits).find),
        Watch(frozenset({Rule.SPEND_RATE}), 0, HourRules(ledger, limits).find),
        Watch(lines, 0, LineRules(reading, spending.current, spending.is_free).find),
        Watch(budgets, _FIVE_MINUTES_US, BudgetRule(ledger, spent).find),
        Watch(days, _HOUR_US, DayRules(ledger, limits).find),
    ]


def is_free(metering: Meter, current: Callable[[], Snapshot]) -> IsFree:
    """Tell whether a model is listed with a price of zero, as own hardware is."""

    def free(provider: str, model: str, at_us: int) -> bool:
        known = current().providers.get(provider)
        if known is None:
            return False
        price = metering.prices.list_price(known, Target(provider, model), at_us)
        return price is not None and price.input == 0 and not price.output

    return free


async def try_route(name: str, settings: Settings, now_us: int) -> Answer:
    """Send a message to a route that says it is a test.

    Raises:
        NotFound: the file has no such route.
        SettingsInvalid: it cannot be used.
    """
    transport = Http1Transport(max_body=MOST_ANSWER)
    try:
        for it in settings.alerts.routes:
            if it.name == name:
                message = trial_message(wiring.environment(), name, now_us)
                return await route_of(it, transport).channel.tell(message, now_us)
    finally:
        transport.close()
    known = ", ".join(it.name for it in settings.alerts.routes) or "none"
    raise NotFound(f"'{settings.file}' has no route '{name}' under 'alerts.routes'; it has {known}")


def route_of(settings: RouteSettings, transport: Transport) -> Route:
    """Read who is told, with the secrets.

    Raises:
        SettingsInvalid: a secret is not there or is none, or a URL cannot be used.
    """
    return Route(
        name=settings.name,
        severities=settings.severities,
        channel=_channel(settings, transport),
        keeps_state=settings.kind is RouteKind.PAGERDUTY,
        kind=settings.kind,
    )


def _channel(settings: RouteSettings, transport: Transport) -> Channel:
    match settings.kind:
        case RouteKind.WEBHOOK:
            write = webhook(_signing(settings))
            return _posted(settings, settings.url or "", transport, write)
        case RouteKind.SLACK:
            return _posted(settings, _secret(settings, settings.url), transport, slack)
        case RouteKind.PAGERDUTY:
            write = pagerduty(_secret(settings, settings.key))
            return _posted(settings, settings.url or PAGERDUTY, transport, write)
        case RouteKind.EMAIL:
            host, port = settings.server or ("", 0)
            password = _secret(settings, settings.password) if settings.password else None
            server = Server(host, port, settings.tls, settings.user, password)
            return Mailed(server, settings.sender, settings.to)


def _posted(settings: RouteSettings, url: str, transport: Transport, write: Write) -> Posted:
    place = place_of(
        url,
        allow_private=settings.allow_private_network,
        proxy=proxy_of(url),
        whose=f"route '{settings.name}'",
    )
    return Posted(place, write, transport)


def _signing(settings: RouteSettings) -> bytes:
    try:
        return read_secret(_secret(settings, settings.secret))
    except SettingsInvalid as exc:
        raise SettingsInvalid(f"route '{settings.name}': '{settings.secret}': {exc}") from exc


def _secret(settings: RouteSettings, reference: str | None) -> str:
    try:
        return resolve(reference or "", os.environ).reveal()
    except SettingsInvalid as exc:
        raise SettingsInvalid(f"route '{settings.name}': {exc}") from exc
