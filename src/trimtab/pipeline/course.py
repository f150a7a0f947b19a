"""Which target is asked first, and next, and when: retries, fallback, and when to give up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    DeadlineExceeded,
    ModelRefused,
    ProviderAuth,
    ProviderRateLimited,
    ProviderRefused,
    UpstreamFailed,
)
from trimtab.pipeline.handoff import Planned, Route
from trimtab.pipeline.health import Health
from trimtab.pipeline.journey import Try

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 2.0


class Leg(NamedTuple):
    """One attempt to be made: where, and after how many seconds."""

    route: Route
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Course:
    """Finds the way of a request over its targets, from the attempts it has made.

    The same target is asked again if the failure may pass and the target's retry budget allows it,
    else the next one of the list that fits the cause.
    """

    health: Health
    clock: Clock

    def first(self, plan: Planned) -> Leg:
        """Choose the first target that is not left alone, else the one that will be back first.

        Our own breaker never refuses a request.
        """
        for route in plan.routes:
            if self.health.enter(route):
                return Leg(self.health.with_key(route))
        return Leg(self.health.with_key(min(plan.routes, key=self.health.ready_s)))

    def after(self, plan: Planned, tries: Sequence[Try], failure: UpstreamFailed) -> Leg | None:
        """Choose what follows a failure of the last attempt; `None` is to give up."""
        if isinstance(failure, DeadlineExceeded) or len(tries) >= plan.model.retry.in_all:
            return None
        route = tries[-1].route
        if isinstance(failure, ProviderRefused) and failure.without_usage:
            return Leg(route)
        wait_s = self._again_s(plan, tries, failure)
        if wait_s is not None and self.health.take_retry(route):
            return Leg(self.health.with_key(route), wait_s)
        for other in _fitting(plan, failure):
            tried = any(it.route.target == other.target for it in tries)
            if not tried and self.health.enter(other):
                return Leg(self.health.with_key(other))
        return None

    def going_on(self, plan: Planned, tries: Sequence[Try]) -> Leg | None:
        """Choose who goes on with a stream that was cut: once, and a target that can.

        A bridge has no words for a text to go on with.
        """
        if len(tries) >= plan.model.retry.in_all:
            return None
        for route in plan.routes:
            tried = any(it.route.target == route.target for it in tries)
            able = route.provider.prefill and route.adapter.wire is plan.admitted.request.wire
            if not tried and able and self.health.enter(route):
                return Leg(self.health.with_key(route))
        return None

    def _again_s(
        self, plan: Planned, tries: Sequence[Try], failure: UpstreamFailed
    ) -> float | None:
        """Tell after how many seconds the same target is asked again; `None` if not at all."""
        retry, route = plan.model.retry, tries[-1].route
        made = sum(it.route.target == route.target for it in tries)
        may_pass = failure.cause in retry.when or (
            isinstance(failure, ProviderAuth) and len(route.provider.keys) > 1
        )
        back_s = max(0.0, self.health.ready_s(route) - self.clock.monotonic_s())
        longest_s = retry.wait_at_most if isinstance(failure, ProviderRateLimited) else 0.0
        if not may_pass or made >= retry.per_target or back_s > longest_s:
            return None
        # Full jitter: M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (made - 1))
        wait_s = back_s + self.health.draw() * delay_s
        in_time = self.clock.monotonic_s() + wait_s < plan.admitted.request.ends_s
        return wait_s if in_time else None


def _fitting(plan: Planned, failure: UpstreamFailed) -> Sequence[Route]:
    """Choose the list that fits a cause; none does if another target would refuse as well."""
    match failure:
        case ModelRefused():
            return plan.when_refused
        case ProviderRefused():
            return plan.when_context_too_long if failure.context_too_long else ()
        case ProviderRateLimited() if plan.when_rate_limited is not None:
            return plan.when_rate_limited
        case _:
            return plan.routes
