import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.evals.running import refuses, says

from trimtab.domain.errors import ProviderError, TryLater
from trimtab.evals.calling import Reply
from trimtab.evals.paced import Paced
from trimtab.evals.purse import Purse
from trimtab.evals.result import Stop
from trimtab.evals.throttle import Throttle
from trimtab.testing import FrozenClock, ScriptedGateway

CANDIDATE, JUDGE = "ev_1/q/candidate/0", "ev_1/q/judge/0"


class Pace:
    """A paced gateway that gives answers in turn, and what it slept."""

    def __init__(self, answers: Sequence[Reply | Exception], **purse: int) -> None:
        left = iter(answers)
        self.gateway = ScriptedGateway(lambda _place, _body: next(left))
        self.clock, self.slept = FrozenClock(), list[float]()
        self.purse = Purse(**purse)
        self.throttle = Throttle(8, self.clock, self.sleep)
        self.paid = list[int | None]()
        self.paced = Paced(
            gateway=self.gateway,
            throttle=self.throttle,
            purse=self.purse,
            clock=self.clock,
            random=random.Random(7),  # noqa: S311
            sleep=self.sleep,
            paid=self.paid.append,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    async def call(self, place: str = CANDIDATE) -> Reply:
        return await self.paced.call("/v1/chat/completions", b"{}", place=place)


async def test_429_is_obeyed_and_asked_again() -> None:
    pace = Pace([refuses(429, "rate_limited", retry_after_s=3.0), says("Yes")])

    reply = await pace.call()

    assert reply.status == 200
    assert (pace.slept, pace.throttle.limit) == ([3.0], 4)
    assert reply.latency_s == 0.0


async def test_what_nobody_answers_is_asked_four_times_with_longer_waits() -> None:
    pace = Pace([refuses(503, "draining")] * 4)

    reply = await pace.call()

    assert (reply.status, len(pace.gateway.called)) == (503, 4)
    assert [0.25 * 2**it <= wait <= 0.5 * 2**it for it, wait in enumerate(pace.slept)] == [True] * 3
    assert pace.purse.unanswered == 1


async def test_a_gateway_that_cannot_be_reached_is_tried_as_often() -> None:
    pace = Pace([ProviderError("nobody listens")] * 4)

    with pytest.raises(ProviderError):
        await pace.call()

    assert (len(pace.gateway.called), pace.purse.unanswered) == (4, 1)


@pytest.mark.parametrize("status", [400, 404, 500, 504])
async def test_what_will_not_change_or_was_paid_for_is_asked_once(status: int) -> None:
    pace = Pace([refuses(status, "x")])

    assert (await pace.call()).status == status
    assert pace.slept == []


async def test_a_request_that_still_runs_under_its_key_is_waited_for() -> None:
    pace = Pace([refuses(409, "idempotency_in_flight", retry_after_s=1.0), says("Yes")])

    assert (await pace.call()).status == 200
    assert (await Pace([refuses(409, "idempotency_mismatch")]).call()).status == 409


async def test_money_is_counted_apart_and_judges_are_written_down() -> None:
    pace = Pace([says("a", nano=5), says("b", nano=7), says("c", nano=None)])

    await pace.call()
    await pace.call(JUDGE)
    known = pace.purse.priced
    await pace.call(JUDGE)

    assert (pace.purse.candidate_nano, pace.purse.judge_nano) == (5, 7)
    assert (pace.purse.candidate_calls, pace.purse.judge_calls) == (1, 2)
    assert (known, pace.purse.priced) == (True, False)
    assert pace.paid == [7, None]


async def test_at_the_limit_no_further_call_begins() -> None:
    pace = Pace([says("a", nano=6), says("b", nano=6), says("c")], max_nano=10)
    await pace.call()
    await pace.call(JUDGE)

    with pytest.raises(TryLater):
        await pace.call()

    assert (len(pace.gateway.called), pace.purse.stopped) == (2, Stop.BUDGET)


async def test_calls_under_way_are_all_that_goes_beyond_the_limit() -> None:
    pace = Pace([says("a", nano=10)] * 40, max_nano=50)

    told = await asyncio.gather(*(pace.call() for _ in range(40)), return_exceptions=True)

    answered = sum(isinstance(it, Reply) for it in told)
    # The fifth meets the limit, and seven run beside it.
    assert 5 <= answered <= 5 + 7
    assert pace.purse.stopped is Stop.BUDGET


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (refuses(401, "invalid_api_key"), Stop.NO_CREDENTIALS),
        (refuses(502, "provider_auth"), Stop.NO_CREDENTIALS),
        (refuses(402, "budget_exhausted"), Stop.BUDGET),
    ],
)
async def test_what_is_the_same_for_all_calls_stops_the_run(reply: Reply, why: Stop) -> None:
    pace = Pace([reply])

    await pace.call()

    assert pace.purse.stopped is why
    assert pace.slept == []


async def test_who_does_not_answer_so_many_calls_in_a_row_is_away() -> None:
    away = [refuses(503, "draining")] * 4
    pace = Pace([*away, *away, refuses(400, "x"), *away, *away, *away], patience=3)

    for _ in range(5):
        await pace.call()
    before = pace.purse.stopped
    await pace.call()

    assert (before, pace.purse.stopped) == (None, Stop.PROVIDER)
