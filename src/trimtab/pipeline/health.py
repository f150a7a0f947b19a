"""How each target has been doing, as this worker saw it: circuit breaker, cooling, retry budget.

The breaker is the pattern of M. Nygard, Release It!, 2007, chapter 5; the retry budget that of the
Google SRE book, chapter 21, "Handling Overload".
"""

import logging
from collections.abc import Callable, Mapping
from math import inf

from msgspec.structs import replace

from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    DeadlineExceeded,
    ProviderAuth,
    ProviderRateLimited,
    ProviderRefused,
    UpstreamFailed,
)
from trimtab.domain.health import Ailing, BreakerOrder, BreakerState
from trimtab.domain.model import Target
from trimtab.pipeline.handoff import Route

HALF_S = 15.0
MIN_SAMPLES = 20
MAX_FAILED_SHARE = 0.5
MAX_UNREACHED = 5
FIRST_OPEN_S, LONGEST_OPEN_S = 5.0, 60.0
PROBE_S = 60.0
FAIR_CHANCE_S = 1.0
COOL_S = 1.0
BAD_KEY_S = 60.0
RETRIES_PER_S = 3.0
RETRIES_PER_REQUEST = 0.1
MOST_RETRIES = 30.0
MAX_TARGETS = 10_000

log = logging.getLogger("trimtab")


class TargetHealth:
    """One target. Its window is two halves of 15 s, so what is counted is 15 to 30 s old at most.

    State: samples, what is open until when, and the retries it has left.

    Attributes:
        more_keys: Credentials of its account but for the first.
        cool_until_s: Instant until which each credential is left alone.
        ready_s: Instant from which it takes requests again.
    """

    __slots__ = (
        "_before",
        "_failed",
        "_half",
        "_held_until_s",
        "_open_for_s",
        "_open_until_s",
        "_probe_until_s",
        "_retries",
        "_retries_at_s",
        "_samples",
        "_unreached",
        "cool_until_s",
        "more_keys",
        "ready_s",
    )

    def __init__(self, more_keys: int, now_s: float) -> None:
        self._half: int = int(now_s / HALF_S)
        self._samples = self._failed = 0
        self._before = (0, 0)
        self._unreached = 0
        self._open_for_s = 0.0
        self._probe_until_s = 0.0
        self._retries = MOST_RETRIES
        self._retries_at_s = now_s
        self._open_until_s = 0.0
        self._held_until_s = 0.0
        self.more_keys = more_keys
        self.cool_until_s = [0.0] * (more_keys + 1)
        self.ready_s = 0.0

    def state(self, now_s: float) -> BreakerState:
        """Tell where the breaker stands."""
        if now_s < self._held_until_s:
            return BreakerState.HELD_OPEN
        if not self._open_for_s:
            return BreakerState.COOLING if now_s < self.ready_s else BreakerState.CLOSED
        return BreakerState.OPEN if now_s < self._open_until_s else BreakerState.HALF_OPEN

    def enter(self, now_s: float) -> bool:
        """Ask whether a request may go there; half open, one at a time may."""
        if now_s < self.ready_s:
            return False
        if self._open_for_s:
            self._probe_until_s = now_s + PROBE_S
            self._reckon()
        return True

    def succeeded(self, now_s: float) -> None:
        """Count a success, which closes the breaker."""
        self._count(now_s)
        self._unreached = 0
        self._retries += RETRIES_PER_REQUEST
        if self._open_for_s:
            self._open_for_s = self._open_until_s = self._probe_until_s = 0.0
            self._samples = self._failed = 0
            self._before = (0, 0)
            self._reckon()

    def failed(self, now_s: float, *, reached: bool, begun: bool) -> bool:
        """Count a failure; tells whether the breaker should open now.

        What had begun was counted as a success before, and is one no more.
        """
        self._count(now_s)
        self._samples -= begun
        self._failed += 1
        self._unreached = 0 if reached else self._unreached + 1
        samples, failed = self._samples + self._before[0], self._failed + self._before[1]
        return (
            self._probe_until_s > 0
            or self._unreached >= MAX_UNREACHED
            or (samples >= MIN_SAMPLES and failed >= MAX_FAILED_SHARE * samples)
        )

    def open(self, now_s: float, draw: float) -> float:
        """Open the breaker, each time for twice as long, and tell for how many seconds.

        `draw` in [0, 1) shortens it by up to a tenth, so that workers do not probe all at once.
        """
        self._open_for_s = min(LONGEST_OPEN_S, max(FIRST_OPEN_S, self._open_for_s * 2))
        self._probe_until_s = 0.0
        self._unreached = 0
        for_s = self._open_for_s * (1 - draw / 10)
        self._open_until_s = max(self._open_until_s, now_s + for_s)
        self._reckon()
        return for_s

    def hold(self, until_s: float) -> None:
        """Leave it alone until an instant, whatever it does; one that has passed ends that."""
        self._held_until_s = until_s
        self._reckon()

    def cool(self, key: int, until_s: float) -> None:
        """Leave a credential alone until an instant, which only ever moves later."""
        self.cool_until_s[key] = max(self.cool_until_s[key], until_s)
        self._probe_until_s = 0.0
        self._reckon()

    def spoke(self) -> None:
        """Note that it refused a request: no word on its health, but the next may probe it."""
        if self._probe_until_s:
            self._probe_until_s = 0.0
            self._reckon()

    def take_retry(self, now_s: float) -> bool:
        """Take one retry from the budget: a tenth of the successes and three a second."""
        gained = (now_s - self._retries_at_s) * RETRIES_PER_S
        self._retries = min(MOST_RETRIES, self._retries + gained)
        self._retries_at_s = now_s
        if self._retries < 1:
            return False
        self._retries -= 1
        return True

    def _reckon(self) -> None:
        self.ready_s = max(
            self._open_until_s, min(self.cool_until_s), self._probe_until_s, self._held_until_s
        )

    def _count(self, now_s: float) -> None:
        half = int(now_s / HALF_S)
        if half != self._half:
            self._before = (self._samples, self._failed) if half == self._half + 1 else (0, 0)
            self._samples = self._failed = 0
            self._half = half
        self._samples += 1


class Health:
    """All targets of a worker. State: how each has been doing, orders about them, whose turn it is.

    Attributes:
        draw: Gives random numbers in [0, 1).
    """

    def __init__(self, clock: Clock, draw: Callable[[], float]) -> None:
        """Begin with nothing known. `draw` gives random numbers in [0, 1)."""
        self._clock = clock
        self.draw = draw
        self._targets: dict[Target, TargetHealth] = {}
        self._orders: Mapping[str, BreakerOrder] = {}
        self._turn = 0

    def obey(self, snapshot: Snapshot) -> None:
        """Take over what people decided about breakers since the snapshot before."""
        before, self._orders = self._orders, snapshot.breakers
        if before == self._orders:
            return
        for target, health in tuple(self._targets.items()):
            name = _plain(target)
            order = self._orders.get(name)
            if order is not None and not order.is_open and order != before.get(name):
                del self._targets[target]
            else:
                health.hold(self._held_until_s(target))

    def enter(self, route: Route) -> bool:
        """Ask whether a request may go to a route now, or had better go elsewhere."""
        return self.of(route).enter(self._clock.monotonic_s())

    def with_key(self, route: Route) -> Route:
        """Choose the credential: those that are not left alone take turns."""
        if not route.provider.more_keys:
            return route
        keys = len(route.provider.keys)
        self._turn += 1
        cool_s, now_s = self.of(route).cool_until_s, self._clock.monotonic_s()
        turns = [(self._turn + key) % keys for key in range(keys)]
        chosen = min(turns, key=lambda key: max(0.0, cool_s[key] - now_s))
        return replace(route, key=chosen)

    def ready_s(self, route: Route) -> float:
        """Tell the instant from which a route takes requests again, on the monotonic clock."""
        return self.of(route).ready_s

    def take_retry(self, route: Route) -> bool:
        """Take one retry from a route's budget; `False` if it is used up."""
        return self.of(route).take_retry(self._clock.monotonic_s())

    def succeeded(self, route: Route) -> None:
        """Count an answer that has begun."""
        self.of(route).succeeded(self._clock.monotonic_s())

    def cut(self, route: Route, error: UpstreamFailed) -> None:
        """Count an answer that had begun and failed before its end."""
        self.failed(route, error, begun=True)

    def failed(
        self, route: Route, error: UpstreamFailed, *, reached: bool = True, begun: bool = False
    ) -> None:
        """Count a failure, and leave the target alone for a while if it asks for that."""
        now_s = self._clock.monotonic_s()
        health = self.of(route)
        match error:
            case ProviderRateLimited():
                wait_s = COOL_S if error.wait_s is None else error.wait_s
                health.cool(route.key, now_s + wait_s)
            case ProviderAuth():
                health.cool(route.key, now_s + BAD_KEY_S)
                log.error(
                    "target '%s' refuses our credential %d (%s); it is left alone for %g s;"
                    " correct the key of provider '%s'",
                    route.target,
                    route.key + 1,
                    error.raw_reason,
                    BAD_KEY_S,
                    route.provider.name,
                )
            case ProviderRefused():
                health.spoke()
            case DeadlineExceeded() if error.after_s < FAIR_CHANCE_S:
                health.spoke()
            case _:
                if health.failed(now_s, reached=reached, begun=begun):
                    log.warning(
                        "target '%s' keeps failing (%s); it is left alone for %.1f s",
                        route.target,
                        error.code,
                        health.open(now_s, self.draw()),
                    )

    def ailing(self, worker_id: str) -> tuple[Ailing, ...]:
        """List the targets that are left alone, or are being tried again."""
        now_s, now_us = self._clock.monotonic_s(), self._clock.now_us()
        well = (BreakerState.CLOSED, BreakerState.HELD_OPEN)
        held = tuple(
            Ailing(
                worker_id=worker_id,
                target=target,
                state=BreakerState.HELD_OPEN,
                until_us=order.until_us,
            )
            for target, order in self._orders.items()
            if order.holds(now_us)
        )
        return held + tuple(
            Ailing(
                worker_id=worker_id,
                target=str(target),
                state=health.state(now_s),
                # Rounded, so that two clocks that are read one after the other tell the same.
                until_us=round(now_us + round((health.ready_s - now_s) * 1e6), -5),
            )
            for target, health in self._targets.items()
            if health.state(now_s) not in well
        )

    def of(self, route: Route) -> TargetHealth:
        """Find how a target has been doing; a change of its number of credentials starts anew."""
        health = self._targets.get(route.target)
        more = len(route.provider.more_keys)
        if health is None or health.more_keys != more:
            if len(self._targets) >= MAX_TARGETS:
                self._targets.clear()
            health = TargetHealth(more, self._clock.monotonic_s())
            self._targets[route.target] = health
            if self._orders:
                health.hold(self._held_until_s(route.target))
        return health

    def _held_until_s(self, target: Target) -> float:
        """Tell until when somebody wants a target left alone, on the monotonic clock."""
        order, now_us = self._orders.get(_plain(target)), self._clock.now_us()
        if order is None or not order.holds(now_us):
            return 0.0
        if order.until_us is None:
            return inf
        return self._clock.monotonic_s() + (order.until_us - now_us) / 1e6


def _plain(target: Target) -> str:
    """Name a target without the fault that a simulator is asked for."""
    return str(target).partition("!")[0]
