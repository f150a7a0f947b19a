"""Tells routes what waits for them, at least once each; a route that is down holds up no other.

taken        it is done
not taken    again, twice as late each time, up to an hour; after three days it is given up
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from trimtab.domain.alert import Alert, Notice, NoticeKind, Severity
from trimtab.domain.backoff import backoff_s
from trimtab.domain.clock import Clock
from trimtab.jobs.channels import Channel
from trimtab.jobs.message import Kind, Message
from trimtab.jobs.posting import Answer
from trimtab.store.alerts import AlertStore

MOST_BACKOFF_S = 3600.0
GIVE_UP_TRIES = 108
"""Three days of them: 12 until they are an hour apart, then one in 45 minutes, as chance has it."""
STORM = 20
"""More at once for one route are one message."""
MOST_TOGETHER = 50

log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told of what, and how.

    Attributes:
        keeps_state: Whether the other side keeps every alert by itself: it hears of each alone, and
            that it is over.
        kind: What people call the channel, as `slack`.
    """

    name: str
    severities: frozenset[Severity]
    channel: Channel
    keeps_state: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice with its alert."""

    notice: Notice
    alert: Alert


@dataclass(slots=True)
class Delivery:
    """Tells what waits. State: what was wrong with each route last.

    Attributes:
        chance: Spreads tries.
        site: Names the deployment to the receivers.
        link: Where people reach the console.
    """

    store: AlertStore
    routes: Sequence[Route]
    clock: Clock
    chance: random.Random
    site: str
    link: str | None = None
    _failing: dict[str, str] = field(default_factory=dict[str, str], init=False)

    async def run(self) -> None:
        """Tell once all that is due, every route by itself.

        Raises:
            TrimtabError: what waits cannot be read or let go; then it is told again.
        """
        notices = await self.store.notices()
        routes = {it.name: it for it in self.routes}
        lost = [it for it in notices if it.route not in routes]
        if lost:
            # A route that was taken out of the file is told nothing any more.
            gone = [replace(it, error="the file names no such route any more") for it in lost]
            await self.store.told(gone, self.clock.now_us())
        due = await self._due(notices, routes)
        await asyncio.gather(*(self._tell_all(*it) for it in due.items()))

    async def _due(
        self, notices: Sequence[Notice], routes: Mapping[str, Route]
    ) -> Mapping[Route, list[Waiting]]:
        """Find the first of each alert and route, if it is time for it; the rest waits behind."""
        now_us = self.clock.now_us()
        firsts: dict[tuple[str, str], Notice] = {}
        for it in notices:
            if it.route in routes:
                firsts.setdefault((it.alert_id, it.route), it)
        due: defaultdict[Route, list[Waiting]] = defaultdict(list)
        for notice in firsts.values():
            if notice.due_us <= now_us:
                alert = await self.store.find(notice.alert_id)
                if alert is None:
                    await self.store.told([notice], now_us)
                else:
                    due[routes[notice.route]].append(Waiting(notice, alert))
        return due

    async def _tell_all(self, route: Route, waiting: Sequence[Waiting]) -> None:
        for together in grouped(route, waiting):
            message = self._message(together)
            now_us = self.clock.now_us()
            answer = await route.channel.tell(message, now_us)
            notices = [it.notice for it in together]
            if answer.taken:
                await self.store.told([replace(it, error="") for it in notices], now_us)
                self._is_well(route)
            else:
                await self._hold(route, notices, answer)

    def _message(self, together: Sequence[Waiting]) -> Message:
        first = together[0].notice
        more = f"+{len(together) - 1}" if len(together) > 1 else ""
        kind = Kind.FIRING if first.kind is NoticeKind.FIRING else Kind.RESOLVED
        alerts = tuple(it.alert for it in together)
        return Message(first.id + more, kind, alerts, self.site, self.link)

    async def _hold(self, route: Route, notices: Sequence[Notice], answer: Answer) -> None:
        if self._failing.get(route.name) != answer.said:
            log.warning("route '%s' is told again later: %s", route.name, answer.said)
        self._failing[route.name] = answer.said
        tries = max(it.tries for it in notices)
        due_us = self.clock.now_us() + round(self._wait_s(tries, answer) * 1e6)
        held = [replace(it, tries=it.tries + 1, error=answer.said, due_us=due_us) for it in notices]
        given_up = [it for it in held if it.tries >= GIVE_UP_TRIES]
        if given_up:
            log.error(
                "route '%s' took nothing for three days: %d notices are given up; see `trimtab"
                " alerts list`",
                route.name,
                len(given_up),
            )
            await self.store.told(given_up, self.clock.now_us())
        await self.store.hold([it for it in held if it.tries < GIVE_UP_TRIES])

    def _wait_s(self, tries: int, answer: Answer) -> float:
        waits_s = backoff_s(tries, MOST_BACKOFF_S, self.chance)
        return max(waits_s, min(answer.wait_s or 0.0, MOST_BACKOFF_S))

    def _is_well(self, route: Route) -> None:
        if self._failing.pop(route.name, None) is not None:
            log.warning("route '%s' is through again", route.name)


def grouped(route: Route, waiting: Sequence[Waiting]) -> list[list[Waiting]]:
    """Part what is told together: the lines of a report, and what comes in a storm."""
    if route.keeps_state:
        return [[it] for it in waiting]
    firing = [it for it in waiting if it.notice.kind is NoticeKind.FIRING]
    together = [it for it in firing if it.alert.finding.rule.severity is Severity.REPORT]
    if len(firing) - len(together) > STORM:
        together = firing
    alone = [[it] for it in waiting if it not in together]
    return alone + [
        together[at : at + MOST_TOGETHER] for at in range(0, len(together), MOST_TOGETHER)
    ]
