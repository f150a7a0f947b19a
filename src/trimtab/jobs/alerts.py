"""Keeps alerts: opens what rules find, says when people are to be told, resolves what is over.

One alert for each rule, tenant, subject and window, however often it is found. What is to be told
is kept in the same step, so that a keeper that is killed tells it later, and nothing twice.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from trimtab.domain.alert import Alert, Finding, Notice, NoticeKind, Rule
from trimtab.domain.clock import Clock
from trimtab.domain.errors import TrimtabError
from trimtab.jobs.delivery import Route
from trimtab.store.alerts import Alerts

RESOLVE_US = 600_000_000
"""What is not found for so long is over; less, and alerts at the edge would come and go."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A group of rules that are judged together.

    Attributes:
        every_us: How often; the first time at once.
        find: Gives all that they find at an instant.
    """

    rules: frozenset[Rule]
    every_us: int
    find: Callable[[int], Awaitable[Sequence[Finding]]]


@dataclass(slots=True)
class AlertJob:
    """Judges, and keeps what was found. State: when each group was judged last.

    Attributes:
        routes: Who may be told.
        repeat_s: An alert that stays open is told again after so long, not sooner.
    """

    watches: Sequence[Watch]
    store: Alerts
    routes: Sequence[Route]
    clock: Clock
    repeat_s: float
    _judged: dict[int, int] = field(default_factory=dict[int, int], init=False)

    async def run(self) -> None:
        """Judge what is due. What cannot be judged just now stays as it is.

        Raises:
            TrimtabError: something could not be judged, or not be kept; all else was.
        """
        now_us = self.clock.now_us()
        failed: TrimtabError | None = None
        for number, watch in enumerate(self.watches):
            if now_us < self._judged.get(number, 0) + watch.every_us:
                continue
            try:
                found = await watch.find(now_us)
            except TrimtabError as exc:
                failed = exc
                continue
            await self._keep(watch.rules, found, now_us)
            self._judged[number] = now_us
        if failed is not None:
            raise failed

    async def _keep(self, rules: frozenset[Rule], findings: Iterable[Finding], now_us: int) -> None:
        was_open = await self.store.alerts(open_only=True)
        known = {it.id: it for it in was_open if it.finding.rule in rules}
        changed: list[Alert] = []
        notices: list[Notice] = []
        for finding in findings:
            before = known.pop(finding.alert_id, None)
            if before is None:
                before = await self.store.find(finding.alert_id)
            alert, made = self._told(found_again(before, finding, now_us), now_us)
            changed.append(alert)
            notices += made
        for alert in known.values():
            if now_us - alert.seen_us >= RESOLVE_US:
                over, made = self._told_over(replace(alert, resolved_us=now_us), now_us)
                changed.append(over)
                notices += made
        if changed:
            await self.store.save(changed, notices)

    def _told(self, alert: Alert, now_us: int) -> tuple[Alert, list[Notice]]:
        """Tell of an alert that holds, if it is time to."""
        is_due = alert.told_us is None or (
            not alert.finding.rule.is_of_past and now_us - alert.told_us >= self.repeat_s * 1e6
        )
        routes = self._routes(alert)
        if not is_due or not routes or alert.is_silent(now_us):
            return alert, []
        told = replace(alert, told_us=now_us, notices=alert.notices + 1)
        return told, _notices(told, NoticeKind.FIRING, routes, now_us)

    def _told_over(self, alert: Alert, now_us: int) -> tuple[Alert, list[Notice]]:
        """Tell that one is over, to those who were told that it is not."""
        if alert.told_us is None or alert.is_silent(now_us):
            return alert, []
        routes = [
            it for it in self._routes(alert) if it.keeps_state or not alert.finding.rule.is_of_past
        ]
        told = replace(alert, notices=alert.notices + 1)
        return told, _notices(told, NoticeKind.RESOLVED, routes, now_us)

    def _routes(self, alert: Alert) -> list[Route]:
        return [it for it in self.routes if alert.finding.rule.severity in it.severities]


def found_again(before: Alert | None, finding: Finding, now_us: int) -> Alert:
    """Say how an alert stands whose rule holds now: new, still open, or open again."""
    if before is None:
        return Alert(id=finding.alert_id, finding=finding, opened_us=now_us, seen_us=now_us)
    opened_us = before.opened_us if before.is_open else now_us
    return replace(before, finding=finding, opened_us=opened_us, seen_us=now_us, resolved_us=None)


def _notices(alert: Alert, kind: NoticeKind, routes: Sequence[Route], now_us: int) -> list[Notice]:
    return [
        Notice(alert_id=alert.id, n=alert.notices, route=it.name, kind=kind, due_us=now_us)
        for it in routes
    ]
