"""Tells subscribers what happened in the registry, by signed HTTP posts, at least once, in order.

2xx                          done, the next
410                          the subscriber is gone; nothing is sent until a restart
all else, or none in 10 s    again, twice as late each time, up to 24 h; what follows waits
"""

import asyncio
import logging
import random
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from trimtab.domain.backoff import backoff_s
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid, TrimtabError
from trimtab.domain.signing import signature
from trimtab.domain.transport import Origin, Transport, TransportError, origin_of, render_head
from trimtab.registry.events import Event
from trimtab.registry.outbox import Outbox

LOOK_S = 0.1
MOST_BACKOFF_S = 24 * 3600.0

_NO_ANSWER = 0

log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who is told.

    Attributes:
        name: Names its place in the change log.
        url: Where messages are posted.
        secret: What they are signed with.
        allow_private: Whether it may be on a private network.
        proxy: URL of an HTTP proxy.
        timeout_s: Seconds that a post may take, connecting included.
    """

    name: str
    url: str
    secret: bytes = field(repr=False)
    allow_private: bool = False
    proxy: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a subscriber is still to be told, and why, if something is wrong."""

    name: str
    waiting: int
    error: str | None = None


@dataclass(slots=True)
class Webhook:
    """Tells one subscriber.

    State: failures in a row, when the next try may be, what was wrong last, and whether the
    subscriber is gone.

    Attributes:
        chance: Spreads tries.
    """

    subscriber: Subscriber
    outbox: Outbox
    transport: Transport
    clock: Clock
    chance: random.Random
    _origin: Origin = field(init=False)
    _failures: int = 0
    _not_before_s: float = field(init=False)
    _refused: str | None = None
    _stuck: str | None = None
    _gone: bool = False

    def __post_init__(self) -> None:
        """See that the URL can be used. Raises `SettingsInvalid`."""
        self._not_before_s = self.clock.monotonic_s()
        of = self.subscriber
        try:
            self._origin = origin_of(of.url, allow_private=of.allow_private, proxy=of.proxy)
            self._head(())
        except ValueError as exc:
            raise SettingsInvalid(
                f"webhook '{of.name}' has a URL that cannot be used; write one such as"
                " https://ci.example.com/prompts"
            ) from exc

    @property
    def backlog(self) -> Backlog:
        """What waits now."""
        error = self._stuck or self._refused
        return Backlog(self.subscriber.name, len(self.outbox), error)

    async def run(self) -> None:
        """Tell for ever; what was told just now is followed by the next at once."""
        while True:
            if not await self.step():
                await asyncio.sleep(LOOK_S)

    async def step(self) -> bool:
        """Tell one event, if one waits and may be told now; tells whether it was."""
        if not await self._look():
            return False
        is_early = self.clock.monotonic_s() < self._not_before_s
        if self._gone or is_early or not len(self.outbox):
            return False
        answer = await self._post(self.outbox.first)
        if answer.status // 100 == HTTPStatus.OK // 100:
            self._taken()
            return True
        self._hold(answer)
        return False

    async def _look(self) -> bool:
        try:
            await self.outbox.look()
        except (OSError, TrimtabError) as exc:
            if self._stuck is None:
                log.warning("webhook '%s' waits: %s", self.subscriber.name, exc)
            self._stuck = type(exc).__name__
            return False
        self._stuck = None
        return True

    async def _post(self, event: Event) -> "_Answer":
        body, timeout_s = event.body(), self.subscriber.timeout_s
        now_s = self.clock.now_us() // 1_000_000
        head = self._head(
            (
                ("webhook-id", event.id),
                ("webhook-timestamp", str(now_s)),
                ("webhook-signature", signature(self.subscriber.secret, event.id, now_s, body)),
            )
        )
        try:
            async with asyncio.timeout(timeout_s):
                response = await self.transport.send(
                    self._origin, head, body, connect_timeout_s=timeout_s
                )
        except TransportError as exc:
            return _Answer(_NO_ANSWER, type(exc).__name__, str(exc))
        except TimeoutError:
            return _Answer(_NO_ANSWER, "timeout", f"no answer within {timeout_s:g} s")
        # What else it says means nothing.
        response.close()
        told = f"answer {response.status}"
        return _Answer(response.status, told, told)

    def _head(self, headers: tuple[tuple[str, str], ...]) -> bytes:
        url = urlsplit(self.subscriber.url)
        path = url.path or "/"
        return render_head(
            "POST",
            f"{path}?{url.query}" if url.query else path,
            (
                ("host", url.netloc.rpartition("@")[2]),
                ("content-type", "application/json"),
                ("user-agent", "trimtab"),
                *headers,
            ),
        )

    def _taken(self) -> None:
        self.outbox.told()
        if self._refused is not None:
            log.warning("webhook '%s' is through again", self.subscriber.name)
        self._failures, self._refused = 0, None

    def _hold(self, answer: "_Answer") -> None:
        name, is_new = self.subscriber.name, self._refused != answer.error
        self._refused = answer.error
        if answer.status == HTTPStatus.GONE:
            self._gone = True
            log.error(
                "webhook '%s' is gone (410), so nothing is sent until a restart; remove it from the"
                " file, or put it right there",
                name,
            )
            return
        waits_s = backoff_s(self._failures, MOST_BACKOFF_S, self.chance)
        self._failures += 1
        self._not_before_s = self.clock.monotonic_s() + waits_s
        if is_new:
            log.warning("webhook '%s' tries again: %s; events wait", name, answer.told)


class _Answer(NamedTuple):
    """What came back; status 0 if nothing did, then why not."""

    status: int
    error: str
    told: str
