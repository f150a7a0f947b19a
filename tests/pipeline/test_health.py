import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.conftest import CHAT, CHAT_ADAPTER, SIM

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import (
    DeadlineExceeded,
    ProviderAuth,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    UpstreamFailed,
)
from trimtab.domain.health import BreakerOrder, BreakerState
from trimtab.domain.model import Target
from trimtab.pipeline.handoff import Route
from trimtab.pipeline.health import FIRST_OPEN_S, LONGEST_OPEN_S, Health
from trimtab.testing import FrozenClock

ROUTE = Route(CHAT.to, SIM, CHAT_ADAPTER)
TWO_KEYS = Route(
    CHAT.to, msgspec.structs.replace(SIM, key="env:A", more_keys=("env:B",)), CHAT_ADAPTER
)
BROKEN = ProviderError("500", status=500)


class Ward:
    """A health whose time passes when told; its draws are zero."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.clock.advance(1000)
        self.health = Health(self.clock, lambda: 0.0)

    def fail(self, times: int, error: UpstreamFailed = BROKEN, *, reached: bool = True) -> None:
        for _ in range(times):
            self.health.failed(ROUTE, error, reached=reached)

    def answer(self, times: int) -> None:
        for _ in range(times):
            self.health.succeeded(ROUTE)

    def obey(self, *, is_open: bool | None, for_s: float | None = None) -> None:
        """Decide about the breaker by hand; `None` takes all decisions back."""
        now_us = self.clock.now_us()
        until_us = None if for_s is None else now_us + round(for_s * 1e6)
        orders: dict[str, BreakerOrder] = {}
        if is_open is not None:
            orders[str(ROUTE.target)] = BreakerOrder(
                is_open=is_open, reason="slow", since_us=now_us, until_us=until_us
            )
        self.health.obey(Snapshot(breakers=orders))

    @property
    def state(self) -> BreakerState:
        return self.health.of(ROUTE).state(self.clock.monotonic_s())


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [(9, 10, BreakerState.CLOSED), (10, 10, BreakerState.OPEN), (11, 10, BreakerState.CLOSED)],
)
def test_opens_when_half_of_at_least_twenty_fail(good: int, bad: int, state: BreakerState) -> None:
    ward = Ward()
    ward.answer(good)
    ward.fail(bad)

    assert ward.state is state
    assert ward.health.enter(ROUTE) is (state is BreakerState.CLOSED)


def test_what_is_older_than_the_window_does_not_count() -> None:
    ward = Ward()
    ward.fail(19)
    ward.clock.advance(31)
    ward.fail(1)

    assert ward.state is BreakerState.CLOSED


def test_opens_when_five_in_a_row_cannot_be_reached() -> None:
    ward = Ward()
    ward.fail(4, reached=False)
    ward.answer(1)
    ward.fail(4, reached=False)
    assert ward.state is BreakerState.CLOSED

    ward.fail(1, reached=False)

    assert ward.state is BreakerState.OPEN


def test_lets_one_probe_in_at_a_time_and_closes_when_it_answers() -> None:
    ward = Ward()
    ward.fail(5, reached=False)
    ward.clock.advance(FIRST_OPEN_S)

    assert ward.state is BreakerState.HALF_OPEN
    assert [ward.health.enter(ROUTE) for _ in range(3)] == [True, False, False]

    ward.answer(1)

    assert ward.state is BreakerState.CLOSED
    assert ward.health.enter(ROUTE)


def test_a_probe_that_is_never_heard_of_again_does_not_close_the_door_for_ever() -> None:
    ward = Ward()
    ward.fail(5, reached=False)
    ward.clock.advance(FIRST_OPEN_S)
    assert ward.health.enter(ROUTE)

    ward.clock.advance(60)

    assert ward.health.enter(ROUTE)


def test_a_probe_that_is_refused_lets_the_next_one_in() -> None:
    ward = Ward()
    ward.fail(5, reached=False)
    ward.clock.advance(FIRST_OPEN_S)
    assert ward.health.enter(ROUTE)

    ward.fail(1, ProviderRefused("no", status=400))

    assert ward.state is BreakerState.HALF_OPEN
    assert ward.health.enter(ROUTE)


def test_what_the_caller_did_wrong_says_nothing_of_the_target() -> None:
    ward = Ward()
    ward.fail(30, ProviderRefused("no", status=400))

    assert ward.state is BreakerState.CLOSED


def test_stays_open_twice_as_long_each_time_up_to_a_minute() -> None:
    ward = Ward()
    ward.fail(5, reached=False)
    lasted: list[float] = []
    for _ in range(6):
        lasted.append(ward.health.ready_s(ROUTE) - ward.clock.monotonic_s())
        ward.clock.advance(lasted[-1])
        assert ward.health.enter(ROUTE)
        ward.fail(1)

    assert lasted == [FIRST_OPEN_S, 10, 20, 40, LONGEST_OPEN_S, LONGEST_OPEN_S]


def test_a_rate_limit_cools_the_target_and_says_nothing_of_its_health() -> None:
    ward = Ward()
    ward.fail(30, ProviderRateLimited("slow", status=429, wait_s=3))

    assert ward.state is BreakerState.COOLING
    assert not ward.health.enter(ROUTE)
    ward.clock.advance(3)
    assert ward.health.enter(ROUTE)


@given(waits=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=20))
def test_t31_a_cooling_deadline_never_moves_earlier(waits: list[tuple[float, float]]) -> None:
    ward = Ward()
    before = 0.0
    for wait_s, passes_s in waits:
        ward.health.failed(ROUTE, ProviderRateLimited("slow", status=429, wait_s=wait_s))
        ready_s = ward.health.ready_s(ROUTE)
        assert ready_s >= max(before, ward.clock.monotonic_s() + wait_s)
        before = ready_s
        ward.clock.advance(passes_s)


def test_a_bad_credential_is_left_alone_at_once_and_an_operator_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ward = Ward()
    with caplog.at_level(logging.ERROR):
        ward.fail(1, ProviderAuth("no", status=401))

    assert not ward.health.enter(ROUTE)
    assert "provider 'sim'" in caplog.text


def test_credentials_take_turns_and_those_that_cool_are_passed_over() -> None:
    health = Ward().health

    assert {health.with_key(TWO_KEYS).key for _ in range(4)} == {0, 1}

    first = msgspec.structs.replace(TWO_KEYS, key=0)
    health.failed(first, ProviderRateLimited("slow", status=429, wait_s=9))

    assert health.enter(TWO_KEYS)
    assert {health.with_key(TWO_KEYS).key for _ in range(4)} == {1}


def test_a_deadline_counts_only_if_the_target_had_a_fair_chance() -> None:
    ward = Ward()
    ward.fail(50, DeadlineExceeded("hasty", after_s=0.1))
    assert ward.health.enter(ROUTE)

    ward.fail(50, DeadlineExceeded("slow", after_s=5.0))
    assert not ward.health.enter(ROUTE)


def test_retries_are_a_tenth_of_the_answers_and_three_a_second() -> None:
    ward = Ward()
    while ward.health.take_retry(ROUTE):
        pass
    ward.answer(20)

    assert [ward.health.take_retry(ROUTE) for _ in range(3)] == [True, True, False]

    ward.clock.advance(1)

    assert [ward.health.take_retry(ROUTE) for _ in range(4)] == [True, True, True, False]


def test_tells_who_is_left_alone_and_until_when() -> None:
    ward = Ward()
    ward.answer(1)
    assert ward.health.ailing("w1") == ()

    ward.fail(5, reached=False)
    (told,) = ward.health.ailing("w1")

    assert (told.worker_id, told.target, told.state) == ("w1", "sim/large", "open")
    assert told.until_us == ward.clock.now_us() + round(FIRST_OPEN_S * 1e6)

    ward.clock.advance(FIRST_OPEN_S + 1)
    assert [it.state for it in ward.health.ailing("w1")] == ["half_open"]


@pytest.mark.parametrize("known", [False, True])
def test_a_breaker_that_is_held_open_stays_so_whatever_the_target_answers(*, known: bool) -> None:
    ward = Ward()
    if known:
        ward.answer(1)
    ward.obey(is_open=True)
    ward.clock.advance(7 * 86_400)
    ward.answer(1)

    assert ward.state is BreakerState.HELD_OPEN
    assert not ward.health.enter(ROUTE)
    assert not ward.health.enter(msgspec.structs.replace(ROUTE, target=Target("sim", "large!eof")))

    ward.obey(is_open=None)
    assert ward.health.enter(ROUTE)


def test_a_hold_with_an_end_ends_by_itself() -> None:
    ward = Ward()
    ward.obey(is_open=True, for_s=60)
    ward.clock.advance(59.9)
    assert not ward.health.enter(ROUTE)

    ward.clock.advance(0.2)

    assert ward.health.enter(ROUTE)
    assert ward.health.ailing("w1") == ()


def test_a_hold_leaves_what_the_breaker_found_by_itself() -> None:
    ward = Ward()
    ward.fail(5, reached=False)
    ward.obey(is_open=True)
    ward.obey(is_open=None)

    assert ward.state is BreakerState.OPEN


def test_closing_by_hand_forgets_failures_and_pauses_once() -> None:
    ward = Ward()
    ward.fail(5, reached=False)
    ward.fail(1, ProviderRateLimited("slow", status=429, wait_s=60))
    ward.obey(is_open=False)
    assert ward.state is BreakerState.CLOSED
    assert ward.health.enter(ROUTE)

    ward.fail(5, reached=False)
    ward.obey(is_open=False)
    assert ward.state is BreakerState.OPEN

    ward.clock.advance(1)
    ward.obey(is_open=False)
    assert ward.state is BreakerState.CLOSED


def test_tells_of_a_hold_before_any_request_came() -> None:
    ward = Ward()
    ward.obey(is_open=True)

    (told,) = ward.health.ailing("w1")

    assert (told.target, told.state, told.until_us) == ("sim/large", "held_open", None)
