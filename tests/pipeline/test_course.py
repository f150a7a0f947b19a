from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.conftest import CHAT, CHAT_ADAPTER, GRANT, SIM, Rig

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import (
    ModelRefused,
    ProviderAuth,
    ProviderBadOutput,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    UpstreamFailed,
)
from trimtab.domain.health import BreakerOrder
from trimtab.domain.model import Retry, Target
from trimtab.pipeline.course import Course, Leg
from trimtab.pipeline.handoff import Admitted, Planned, Route
from trimtab.pipeline.health import Health
from trimtab.pipeline.journey import Try
from trimtab.testing import FrozenClock

BROKEN = ProviderError("500", status=500)
UNREACHED = ProviderError("no connection")
LIMITED = ProviderRateLimited("slow", status=429, wait_s=3)
FAILURES = [
    BROKEN,
    UNREACHED,
    LIMITED,
    ProviderTimeout("silent"),
    ProviderBadOutput("?"),
    ProviderAuth("no", status=401),
    ProviderRefused("long", status=400, context_too_long=True),
    ModelRefused("no"),
]


def routes(*names: str) -> tuple[Route, ...]:
    return tuple(Route(Target("sim", name), SIM, CHAT_ADAPTER) for name in names)


class Trip:
    """A request on its way, and where it goes after each failure."""

    def __init__(self, plan: Planned, *, draw: float = 0.5, health: bool = True) -> None:
        self.clock = FrozenClock()
        self.health = Health(self.clock, lambda: draw)
        self.course = Course(self.health, self.clock)
        self._plan = plan
        self._tells = health

    def first(self) -> Leg:
        return self.course.first(self._plan)

    def run(self, failures: Sequence[UpstreamFailed]) -> list[Leg]:
        """Fail again and again until the course gives up or the failures are used up."""
        legs, tries = [self.first()], list[Try]()
        for failure in failures:
            route = legs[-1].route
            tries.append(Try(n=1, route=route, started_s=0, sent_hash="", input_floor=0))
            if self._tells and not isinstance(failure, ProviderRefused):
                self.health.failed(route, failure)
            leg = self.course.after(self._plan, tries, failure)
            if leg is None:
                return legs
            self.clock.advance(leg.wait_s)
            legs.append(leg)
        return legs


def names(legs: Sequence[Leg]) -> str:
    return " ".join(leg.route.target.model for leg in legs)


def plan(
    *own: str,
    retry: Retry | None = None,
    when_rate_limited: tuple[Route, ...] | None = None,
    when_context_too_long: tuple[Route, ...] = (),
    when_refused: tuple[Route, ...] = (),
) -> Planned:
    rig = Rig()
    model = msgspec.structs.replace(CHAT, retry=retry or Retry())
    admitted = Admitted(rig.request(), rig.snapshot, GRANT, model)
    lists = (when_rate_limited, when_context_too_long, when_refused)
    return Planned(admitted, model, routes(*own), *lists)


@pytest.mark.parametrize(
    ("failure", "way"),
    [
        pytest.param(BROKEN, "a a b", id="an error: again, then the next"),
        pytest.param(UNREACHED, "a a b", id="not reached"),
        pytest.param(ProviderTimeout("silent"), "a a b", id="silence"),
        pytest.param(ProviderBadOutput("?", status=200), "a a b", id="an answer nobody can read"),
        pytest.param(LIMITED, "a a b", id="a short wait is waited"),
        pytest.param(
            ProviderRateLimited("slow", status=429, wait_s=7200), "a b", id="a long one is not"
        ),
        pytest.param(ProviderAuth("no", status=401), "a b", id="our key is bad"),
        pytest.param(ProviderRefused("no", status=400), "a", id="a refusal is for the caller"),
        pytest.param(ModelRefused("no"), "a", id="refusals are not shopped"),
    ],
)
def test_each_failure_has_its_way(failure: UpstreamFailed, way: str) -> None:
    assert names(Trip(plan("a", "b")).run([failure, BROKEN])).startswith(way)
    assert names(Trip(plan("a")).run([failure])).split()[:1] == ["a"]


def test_a_cause_may_have_a_list_of_its_own() -> None:
    planned = plan(
        "a",
        "b",
        when_rate_limited=routes("slow"),
        when_context_too_long=routes("long"),
        when_refused=routes("bold"),
    )
    longer = ProviderRefused("long", status=400, context_too_long=True)

    assert names(Trip(planned).run([longer])) == "a long"
    assert names(Trip(planned).run([ModelRefused("no")])) == "a bold"
    assert names(Trip(planned).run([LIMITED, LIMITED])) == "a a slow"
    assert names(Trip(planned).run([longer, BROKEN, BROKEN])) == "a long long b"


def test_a_breaker_held_open_by_hand_is_passed_over_and_refuses_nobody() -> None:
    def held(*names: str) -> Snapshot:
        orders = {f"sim/{it}": BreakerOrder(is_open=True, reason="", since_us=0) for it in names}
        return Snapshot(breakers=orders)

    trip = Trip(plan("a", "b"))
    trip.health.obey(held("a"))
    assert names(trip.run([BROKEN, BROKEN])) == "b b"

    alone = Trip(plan("a"))
    alone.health.obey(held("a"))
    assert names(alone.run([BROKEN])) == "a"

    both = Trip(plan("a", "b"))
    both.health.failed(routes("b")[0], LIMITED)
    both.health.obey(held("a"))
    assert both.first().route.target.model == "b"


def test_only_what_the_model_names_is_tried_again() -> None:
    planned = plan("a", "b", retry=Retry(when=("503",)))

    assert names(Trip(planned).run([BROKEN])) == "a b"
    assert names(Trip(planned).run([ProviderError("503", status=503)])) == "a a"


@given(
    failures=st.lists(st.sampled_from(FAILURES), min_size=30, max_size=30),
    in_all=st.integers(1, 6),
    per_target=st.integers(1, 4),
)
def test_t29_a_provider_is_never_called_more_often_than_allowed(
    failures: list[UpstreamFailed], in_all: int, per_target: int
) -> None:
    planned = plan(
        "a",
        "b",
        "c",
        retry=Retry(in_all=in_all, per_target=per_target),
        when_context_too_long=routes("long", "a"),
        when_refused=routes("bold"),
    )

    legs = Trip(planned, health=False).run(failures)

    assert len(legs) <= in_all
    assert all(names(legs).split().count(name) <= per_target for name in "abc")


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_waits_a_random_part_of_a_time_that_doubles_up_to_two_seconds(draw: float) -> None:
    planned = plan("a", retry=Retry(per_target=8, in_all=8))

    legs = Trip(planned, draw=draw, health=False).run([BROKEN] * 8)

    longest_s = (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0)
    assert [leg.wait_s for leg in legs[1:]] == pytest.approx([draw * it for it in longest_s])


def test_a_provider_that_asks_for_a_short_wait_gets_it() -> None:
    (_, again) = Trip(plan("a"), draw=0.0).run([LIMITED])

    assert again.wait_s == pytest.approx(3.0)


def test_without_retry_budget_the_next_target_is_asked() -> None:
    trip = Trip(plan("a", "b"))
    (route,) = routes("a")
    while trip.health.take_retry(route):
        pass

    assert names(trip.run([BROKEN])) == "a b"


def test_a_target_that_is_left_alone_is_passed_over() -> None:
    trip = Trip(plan("a", "b"))
    for _ in range(5):
        trip.health.failed(routes("a")[0], UNREACHED, reached=False)

    assert names([trip.first()]) == "b"


def test_our_own_breaker_never_refuses_a_request() -> None:
    trip = Trip(plan("a", "b"))
    for name in ("a", "b"):
        for _ in range(5):
            trip.health.failed(routes(name)[0], UNREACHED, reached=False)
        trip.clock.advance(1)

    assert names([trip.first()]) == "a"
