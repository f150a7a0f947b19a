"""The list of alerts: what is wrong with spending, who was told, and whether they can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.console.requests import read_cursor, write_cursor
from trimtab.console.told import Told, channels, told_of
from trimtab.domain.alert import RULES, Alert, Rule, Severity
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.jobs.channels import Answer
from trimtab.jobs.delivery import Route
from trimtab.jobs.message import trial_message
from trimtab.store.alerts import AlertFilter, AlertState, state_of
from trimtab.store.base.reading import Cursor

PAGE_SIZE = 50
PATH = "/console/alerts"
ANY_STATE = "all"
STATES = (
    ("Open", AlertState.OPEN.value),
    ("Silenced", AlertState.SILENT.value),
    ("Over", AlertState.OVER.value),
    ("All", ANY_STATE),
)
_FILTERS = ("state", "rule", "severity", "tenant")

_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Row:
    """One alert, as it stands, and who was told."""

    alert: Alert
    state: AlertState
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test."""

    route: str
    answer: Answer


async def show(visit: Visit) -> Response:
    """Show one page of the list; a filter that cannot be read shows why."""
    return await _show(visit)


async def try_route(visit: Visit) -> Response:
    """Send a message to a route that says it is a test, and show what was answered."""
    route = _route(visit)
    now_us = visit.console.clock.now_us()
    message = trial_message(visit.console.site, route.name, now_us)
    return await _show(visit, Tried(route.name, await route.channel.tell(message, now_us)))


def alert_path(alert_id: str) -> str:
    """Where one alert is shown."""
    return f"{PATH}/{alert_id}"


async def _show(visit: Visit, tried: Tried | None = None) -> Response:
    console, now_us = visit.console, visit.console.clock.now_us()
    problem, found = "", tuple[Alert, ...]()
    try:
        where, after = _filter(visit), read_cursor(visit.query("cursor"))
        found = await console.alerts.page(where, now_us, after=after, limit=PAGE_SIZE + 1)
    except InvalidRequest as exc:
        problem = str(exc)
    shown = found[:PAGE_SIZE]
    notices = await console.alerts.notices()
    told = told_of(notices, await console.alerts.outcomes([it.id for it in shown]))
    asked = {name: visit.query(name) for name in _FILTERS}
    context = {
        "rows": [Row(it, state_of(it, now_us), told.get(it.id, ())) for it in shown],
        "asked": asked,
        "state": asked["state"] or AlertState.OPEN.value,
        "states": [(name, it, list_path({**asked, "state": it})) for name, it in STATES],
        "is_narrowed": any(asked[name] for name in _FILTERS if name != "state"),
        "rules": tuple(RULES),
        "severities": tuple(Severity),
        "older": _older(asked, shown[-1]) if len(found) > len(shown) else None,
        "newest": list_path(asked) if visit.query("cursor") else None,
        "channels": channels(console.routes, notices),
        "tried": tried,
        "problem": problem,
    }
    return visit.page("alerts.html", context, status=400 if problem else 200)


def list_path(asked: Mapping[str, str]) -> str:
    """Where a filter shows its newest alerts."""
    kept = {name: value for name, value in asked.items() if value}
    return f"{PATH}?{urlencode(kept)}" if kept else PATH


def _older(asked: Mapping[str, str], last: Alert) -> str:
    return list_path({**asked, "cursor": write_cursor(Cursor(last.opened_us, last.id))})


def _filter(visit: Visit) -> AlertFilter:
    """Read the filters of the URL. Raises `InvalidRequest`."""
    rule, severity = _one(visit, "rule", Rule), _one(visit, "severity", Severity)
    rules = frozenset(it for it in Rule if rule in (None, it) and severity in (None, it.severity))
    is_any = visit.query("state") == ANY_STATE
    return AlertFilter(
        rules=None if rule is None and severity is None else rules,
        tenant_id=visit.query("tenant") or None,
        state=None if is_any else _one(visit, "state", AlertState) or AlertState.OPEN,
    )


def _one(visit: Visit, name: str, known: type[_E]) -> _E | None:
    """Read a word of the query; nothing is `None`. Raises `InvalidRequest`."""
    word = visit.query(name)
    try:
        return known(word) if word else None
    except ValueError:
        choice = ", ".join(known)
        raise InvalidRequest(f"'{word}' is no {name}; choose of {choice}", param=name) from None


def _route(visit: Visit) -> Route:
    name = visit.param("name")
    for it in visit.console.routes:
        if it.name == name:
            return it
    raise NotFound(f"the file has no route '{name}' under 'alerts.routes'; look at the list")
