import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.records import finish

from trimtab.domain.annotation import Annotated, Annotation
from trimtab.domain.errors import BudgetExhausted, TryLater
from trimtab.domain.record import Finish, RequestRecord
from trimtab.evals.calling import Reply
from trimtab.evals.sampling import Sampler
from trimtab.jobs.online import (
    LEDGER_S,
    LOOK_S,
    MOST_WAITING,
    SILENT_S,
    Chosen,
    DayPurse,
    Online,
    PaidFrom,
    Verdicts,
)
from trimtab.store.rollup import DAY_US
from trimtab.testing import FrozenClock

DOLLAR = 1_000_000_000


class Ledger:
    """What hosts spent by day. State: that, and how often it was asked."""

    def __init__(self) -> None:
        self.nano: dict[int, int] = {}
        self.asked = 0
        self.away = False

    async def since(self, day_us: int) -> int:
        self.asked += 1
        if self.away:
            raise TryLater("the ledger is away")
        return self.nano.get(day_us, 0)


class Site:
    """An online judge with its surroundings. State: what it wrote, whom it judged."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.ledger = Ledger()
        self.purse = DayPurse(DOLLAR, self.ledger.since, self.clock)
        self.behind = False
        self.written = list[Annotated]()
        self.judged = list[str]()
        self.online = Online(
            sampler=Sampler(1.0, at_least=0),
            purse=self.purse,
            allows=lambda it: it.tenant_id != "shy",
            is_behind=lambda: self.behind,
            write=self.written.append,
        )

    def offer(self, *seeds: int, **fields: Any) -> list[Finish]:  # noqa: ANN401 -- of many kinds
        made = [finish(it, input_ref=b"i", output_ref=b"o", **fields) for it in seeds]
        self.online.offer(made)
        return made

    async def judge(self, chosen: Chosen) -> Verdicts:
        self.judged.append(chosen.record.request_id)
        return Verdicts((said(chosen.record),), ())


def said(record: RequestRecord) -> Annotated:
    annotation = Annotation(
        annotation_id="n_1",
        request_id=record.request_id,
        tenant_id=record.tenant_id,
        ts_us=record.end_us,
        kind="evaluation",
        name="refuses",
        source="judge",
    )
    return Annotated(
        annotation=annotation, request_us=record.ts_us, trace_id="ab" * 16, span_id="cd" * 8
    )


async def failing(_chosen: Chosen) -> Verdicts:
    return Verdicts((), ("judge_unavailable: nobody is there",))


def ids(finishes: list[Finish]) -> list[str]:
    return [it.record.request_id for it in finishes]


async def test_who_is_chosen_is_judged_in_order_and_what_is_said_is_written() -> None:
    site = Site()
    made = site.offer(*range(10))
    assert site.online.waits

    assert await site.online.step(site.judge) == LOOK_S

    assert site.judged == ids(made)
    assert [it.annotation.request_id for it in site.written] == ids(made)
    assert not site.online.waits


async def test_who_may_not_be_judged_or_cannot_be_is_not() -> None:
    site = Site()
    site.offer(1, tenant_id="shy")
    site.offer(2, origin="judge")
    site.online.offer([finish(3)])

    await site.online.step(site.judge)

    assert site.judged == []


async def test_nobody_is_judged_while_the_recorder_is_behind() -> None:
    site = Site()
    made = site.offer(1)
    site.behind = True
    await site.online.step(site.judge)
    assert site.judged == []

    site.behind = False
    await site.online.step(site.judge)

    assert site.judged == ids(made)


async def test_of_more_than_can_wait_the_later_are_missed_and_counted() -> None:
    site = Site()
    made = finish(1, input_ref=b"i", output_ref=b"o")

    site.online.offer([made] * (MOST_WAITING + 3))
    await site.online.step(site.judge)

    assert site.online.missed == 3
    assert len(site.judged) == MOST_WAITING


async def test_it_stops_when_the_day_has_cost_what_it_may_and_goes_on_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    site.offer(*range(12))

    async def judge(chosen: Chosen) -> Verdicts:
        site.purse.pay(DOLLAR // 4)
        return await site.judge(chosen)

    with caplog.at_level(logging.WARNING):
        await site.online.step(judge)
        site.offer(20)
        await site.online.step(judge)
    assert len(site.judged) == 4
    assert site.online.missed == 9
    assert caplog.text.count("has cost what it may today") == 1

    site.clock.advance(DAY_US / 1e6)
    site.offer(30)
    await site.online.step(judge)

    assert len(site.judged) == 5


async def test_what_was_spent_before_and_elsewhere_counts_and_is_asked_once_a_minute() -> None:
    site = Site()
    today = site.clock.now_us() // DAY_US * DAY_US
    site.offer(1)
    await site.online.step(site.judge)
    await site.online.step(site.judge)
    assert site.ledger.asked == 1
    site.ledger.nano[today] = DOLLAR

    site.clock.advance(LEDGER_S + 1)
    site.offer(2)
    await site.online.step(site.judge)

    assert len(site.judged) == 1


async def test_a_ledger_that_is_behind_gives_no_money_back() -> None:
    site = Site()
    await site.purse.look()
    site.purse.pay(DOLLAR)

    site.clock.advance(LEDGER_S + 1)
    await site.purse.look()

    assert site.purse.is_empty


async def test_nobody_is_judged_while_nobody_knows_what_was_spent() -> None:
    site = Site()
    site.ledger.away = True
    site.offer(1)

    with pytest.raises(TryLater):
        await site.online.step(site.judge)

    assert site.judged == []
    assert site.online.waits


async def test_a_judge_that_says_nothing_is_left_alone_for_a_minute_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    site.offer(*range(20))

    with caplog.at_level(logging.WARNING):
        assert await site.online.step(failing) == SILENT_S
        assert await site.online.step(failing) == SILENT_S
    assert caplog.text.count("nobody is there") == 1

    assert await site.online.step(site.judge) == LOOK_S
    assert len(site.judged) == 12


class Gateway:
    """Answers everything for a price. State: calls."""

    def __init__(self, cost: Callable[[], int | None]) -> None:
        self.calls = 0
        self._cost = cost

    async def call(self, path: str, body: bytes, *, place: str) -> Reply:
        del path, body, place
        self.calls += 1
        return Reply(status=200, body=b"{}", cost_nano=self._cost())


async def test_no_call_is_made_from_an_empty_purse() -> None:
    site = Site()
    await site.purse.look()
    gateway = Gateway(lambda: DOLLAR // 2 + 1)
    paid = PaidFrom(gateway, site.purse)
    for _ in range(2):
        await paid.call("/v1/chat/completions", b"{}", place="online/r_1/judge/0")

    with pytest.raises(BudgetExhausted):
        await paid.call("/v1/chat/completions", b"{}", place="online/r_1/judge/0")

    assert gateway.calls == 2
