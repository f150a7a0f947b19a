"""Where alerts are kept: the protocols, and their reference implementation in dicts."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from trimtab.domain.alert import Alert, Notice, Outcome, Rule, Silence
from trimtab.store.base.reading import Cursor

MOST = 10_000

_Place = tuple[str, int, str]


class AlertState(StrEnum):
    """How an alert stands; each is in one of them."""

    OPEN = "open"
    SILENT = "silent"
    OVER = "over"


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts; `None` is all. All of it must fit."""

    rules: frozenset[Rule] | None = None
    tenant_id: str | None = None
    state: AlertState | None = None


def state_of(alert: Alert, now_us: int) -> AlertState:
    """Say how an alert stands."""
    if not alert.is_open:
        return AlertState.OVER
    return AlertState.SILENT if alert.is_silent(now_us) else AlertState.OPEN


class Alerts(Protocol):
    """Alerts by id. One keeper writes them; anybody may silence one."""

    async def save(self, alerts: Sequence[Alert], notices: Sequence[Notice] = ()) -> None:
        """Put alerts as they stand, but for their silence, and what is to be told, all or nothing.

        What is to be told already stays as it is.
        """
        ...

    async def alerts(
        self,
        *,
        open_only: bool = False,
        rule: Rule | None = None,
        tenant_id: str | None = None,
        limit: int = MOST,
    ) -> tuple[Alert, ...]:
        """List alerts, the newest first; those that are open, or those of a rule or a tenant."""
        ...

    async def page(
        self, where: AlertFilter, now_us: int, *, after: Cursor | None = None, limit: int
    ) -> tuple[Alert, ...]:
        """List alerts that fit, the newest first, then by id; `after` is where the list goes on."""
        ...

    async def find(self, alert_id: str) -> Alert | None:
        """Find an alert by its id, or a unique beginning of it."""
        ...

    async def silence(self, alert_id: str, silence: Silence | None) -> bool:
        """Silence an alert, or let it be told again; gives whether it is there."""
        ...


class Notices(Protocol):
    """What routes are still to be told."""

    async def notices(self) -> tuple[Notice, ...]:
        """List all of it; of one alert in order."""
        ...

    async def hold(self, notices: Sequence[Notice]) -> None:
        """Say when each is to be tried again, and why."""
        ...

    async def told(self, notices: Sequence[Notice], at_us: int) -> None:
        """Let go of what was told, or given up if it has an error; again does nothing."""
        ...

    async def outcomes(self, alert_ids: Collection[str]) -> tuple[Outcome, ...]:
        """List what became of what was let go: the last of each alert and route, by route."""
        ...


class AlertStore(Alerts, Notices, Protocol):
    """Both nouns, in one object."""


class MemoryAlerts:
    """`AlertStore` in dicts."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self._notices: dict[_Place, Notice] = {}
        self._outcomes: dict[tuple[str, str], Outcome] = {}

    async def save(self, alerts: Sequence[Alert], notices: Sequence[Notice] = ()) -> None:
        """See `Alerts.save`."""
        for alert in alerts:
            known = self._alerts.get(alert.id)
            silence = None if known is None else known.silence
            self._alerts[alert.id] = msgspec.structs.replace(alert, silence=silence)
        for notice in notices:
            self._notices.setdefault(_place(notice), notice)

    async def alerts(
        self,
        *,
        open_only: bool = False,
        rule: Rule | None = None,
        tenant_id: str | None = None,
        limit: int = MOST,
    ) -> tuple[Alert, ...]:
        """See `Alerts.alerts`."""
        found = [
            it
            for it in self._alerts.values()
            if (it.is_open or not open_only)
            and rule in (None, it.finding.rule)
            and tenant_id in (None, it.finding.tenant_id)
        ]
        return tuple(sorted(found, key=lambda it: (-it.opened_us, it.id))[:limit])

    async def page(
        self, where: AlertFilter, now_us: int, *, after: Cursor | None = None, limit: int
    ) -> tuple[Alert, ...]:
        """See `Alerts.page`."""
        start = None if after is None else (-after.ts_us, after.request_id)
        found = [
            it
            for it in await self.alerts()
            if (where.rules is None or it.finding.rule in where.rules)
            and where.tenant_id in (None, it.finding.tenant_id)
            and where.state in (None, state_of(it, now_us))
            and (start is None or (-it.opened_us, it.id) > start)
        ]
        return tuple(found[:limit])

    async def find(self, alert_id: str) -> Alert | None:
        """See `Alerts.find`."""
        found = [it for it in self._alerts if it.startswith(alert_id)]
        return self._alerts[found[0]] if len(found) == 1 else None

    async def silence(self, alert_id: str, silence: Silence | None) -> bool:
        """See `Alerts.silence`."""
        known = self._alerts.get(alert_id)
        if known is not None:
            self._alerts[alert_id] = msgspec.structs.replace(known, silence=silence)
        return known is not None

    async def notices(self) -> tuple[Notice, ...]:
        """See `Notices.notices`."""
        return tuple(notice for _, notice in sorted(self._notices.items()))

    async def hold(self, notices: Sequence[Notice]) -> None:
        """See `Notices.hold`."""
        for notice in notices:
            if _place(notice) in self._notices:
                self._notices[_place(notice)] = notice

    async def told(self, notices: Sequence[Notice], at_us: int) -> None:
        """See `Notices.told`."""
        for it in notices:
            if self._notices.pop(_place(it), None) is not None:
                self._outcomes[it.alert_id, it.route] = outcome(it, at_us)

    async def outcomes(self, alert_ids: Collection[str]) -> tuple[Outcome, ...]:
        """See `Notices.outcomes`."""
        return tuple(it for _, it in sorted(self._outcomes.items()) if it.alert_id in alert_ids)


def outcome(notice: Notice, at_us: int) -> Outcome:
    """Say what became of a notice."""
    return Outcome(
        alert_id=notice.alert_id,
        route=notice.route,
        kind=notice.kind,
        at_us=at_us,
        error=notice.error,
    )


def _place(notice: Notice) -> _Place:
    return notice.alert_id, notice.n, notice.route
