"""Routes that answer from a script, over alerts in memory."""

import asyncio
import logging
import random
from collections.abc import Sequence

import pytest
from tests.jobs.conftest import ALL, AWAY, TAKEN, Told, alert

from trimtab.domain.alert import Alert, Notice, NoticeKind, Rule
from trimtab.jobs.delivery import GIVE_UP_TRIES, MOST_BACKOFF_S, STORM, Delivery, Route
from trimtab.jobs.message import Kind, Message
from trimtab.jobs.posting import Answer
from trimtab.store.alerts import MemoryAlerts
from trimtab.testing import FrozenClock

FIRING, RESOLVED = NoticeKind.FIRING, NoticeKind.RESOLVED


class Rig:
    """A delivery with a route `ops`. State: the store, the clock and what was told."""

    def __init__(self, *answers: Answer, keeps_state: bool = False) -> None:
        self.told = Told(*answers)
        self.clock = FrozenClock()
        self.store = MemoryAlerts()
        self.ops = Route("ops", ALL, self.told, keeps_state)
        self.routes: list[Route] = [self.ops]
        self.restart()

    def restart(self) -> None:
        self.delivery = Delivery(
            *(self.store, self.routes, self.clock, random.Random(7)),  # noqa: S311
            site="prod",
            link="https://trimtab.example.com",
        )

    async def put(self, *alerts: Alert, route: str = "ops", kind: NoticeKind = FIRING) -> None:
        made = [_notice(it, route, kind, self.clock.now_us()) for it in alerts]
        await self.store.save(alerts, made)

    async def pass_(self, after_s: float = 0.0) -> None:
        self.clock.advance(after_s)
        await self.delivery.run()


def _notice(it: Alert, route: str, kind: NoticeKind, due_us: int) -> Notice:
    n = 1 if kind is FIRING else 2
    return Notice(alert_id=it.id, n=n, route=route, kind=kind, due_us=due_us)


def alerts(count: int, rule: Rule = Rule.SPEND_RATE) -> Sequence[Alert]:
    return [alert(rule, f"tenant-{n}") for n in range(count)]


async def test_what_waits_is_told_once() -> None:
    rig = Rig()
    await rig.put(alert())

    await rig.pass_()
    await rig.pass_(after_s=9999)

    [message] = rig.told.messages
    assert message == Message(
        f"{alert().id}-1", Kind.FIRING, (alert(),), "prod", "https://trimtab.example.com"
    )
    assert await rig.store.notices() == ()


async def test_what_is_not_taken_is_told_again_ever_later_under_the_same_name() -> None:
    rig = Rig(*[AWAY] * 20)
    await rig.put(alert())
    start_us = rig.clock.now_us()
    waits: list[float] = []
    for _ in range(20):
        await rig.pass_()
        [notice] = await rig.store.notices()
        assert (notice.error, notice.tries) == ("answer 503", len(rig.told.messages))
        waits.append((notice.due_us - rig.clock.now_us()) / 1e6)
        await rig.pass_(after_s=waits[-1] - 0.001)
        assert len(rig.told.messages) == notice.tries
        rig.clock.advance(0.001)
    await rig.pass_()

    assert set(rig.told.ids) == {f"{alert().id}-1"}
    assert await rig.store.notices() == ()
    [outcome] = await rig.store.outcomes([alert().id])
    assert (outcome.kind, outcome.error, outcome.at_us) == (FIRING, "", rig.clock.now_us())
    for n, wait in enumerate(waits):
        assert min(2.0**n, MOST_BACKOFF_S) / 2 <= wait <= min(2.0**n, MOST_BACKOFF_S)
    assert rig.clock.now_us() - start_us < 12 * MOST_BACKOFF_S * 1e6


async def test_a_receiver_that_asks_to_be_left_alone_is_but_no_longer_than_an_hour() -> None:
    for asked, waits in ((120.0, 120.0), (1e9, MOST_BACKOFF_S)):
        rig = Rig(AWAY._replace(wait_s=asked))
        await rig.put(alert())

        await rig.pass_()

        [notice] = await rig.store.notices()
        assert (notice.due_us - rig.clock.now_us()) / 1e6 == waits


async def test_a_route_that_is_down_holds_up_no_other() -> None:
    rig = Rig(AWAY)
    other = Told()
    rig.routes.append(Route("chat", ALL, other))
    rig.restart()
    await rig.put(alert())
    await rig.put(alert(), route="chat")

    await rig.pass_()

    assert len(other.messages) == 1
    assert [it.route for it in await rig.store.notices()] == ["ops"]


async def test_a_route_that_never_answers_holds_up_no_other() -> None:
    rig = Rig()
    told = asyncio.Event()

    class Silent:
        async def tell(self, message: Message, now_us: int) -> Answer:
            _ = message, now_us
            await told.wait()
            return TAKEN

    class Telling(Told):
        async def tell(self, message: Message, now_us: int) -> Answer:
            told.set()
            return await super().tell(message, now_us)

    rig.routes[:] = [Route("silent", ALL, Silent()), Route("ops", ALL, Telling())]
    rig.restart()
    await rig.put(alert(), route="silent")
    await rig.put(alert())

    async with asyncio.timeout(5):
        await rig.pass_()

    assert await rig.store.notices() == ()


async def test_that_an_alert_is_over_waits_behind_that_it_was() -> None:
    rig = Rig(AWAY)
    await rig.put(alert())
    await rig.put(alert(), kind=RESOLVED)

    await rig.pass_()
    assert [it.kind for it in rig.told.messages] == [Kind.FIRING]

    await rig.pass_(after_s=2)
    await rig.pass_()
    assert [it.kind for it in rig.told.messages] == [Kind.FIRING, Kind.FIRING, Kind.RESOLVED]


async def test_the_lines_of_a_report_are_one_message() -> None:
    rig = Rig()
    await rig.put(*alerts(3, Rule.SPEND_3X_28D), alert())

    await rig.pass_()

    assert sorted(len(it.alerts) for it in rig.told.messages) == [1, 3]
    assert await rig.store.notices() == ()


async def test_a_storm_is_one_message_and_twenty_are_twenty() -> None:
    calm, storm = Rig(), Rig()
    await calm.put(*alerts(STORM))
    await storm.put(*alerts(STORM + 1))

    await calm.pass_()
    await storm.pass_()

    assert len(calm.told.messages) == STORM
    assert [len(it.alerts) for it in storm.told.messages] == [STORM + 1]


async def test_who_keeps_every_alert_hears_of_each_alone() -> None:
    rig = Rig(keeps_state=True)
    await rig.put(*alerts(STORM + 1))

    await rig.pass_()

    assert [len(it.alerts) for it in rig.told.messages] == [1] * (STORM + 1)


async def test_what_waits_for_a_route_that_is_gone_is_let_go() -> None:
    rig = Rig()
    await rig.put(alert(), route="gone")

    await rig.pass_()

    assert await rig.store.notices() == ()
    assert rig.told.messages == []
    [lost] = await rig.store.outcomes([alert().id])
    assert (lost.route, lost.error) == ("gone", "the file names no such route any more")


async def test_a_receiver_that_stays_down_for_three_days_is_given_up_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(*[AWAY] * GIVE_UP_TRIES)
    await rig.put(alert())
    start_us = rig.clock.now_us()

    with caplog.at_level(logging.WARNING, "trimtab"):
        while notices := await rig.store.notices():
            rig.clock.advance((notices[0].due_us - rig.clock.now_us()) / 1e6)
            await rig.pass_()

    days = (rig.clock.now_us() - start_us) / 86_400e6
    assert 2.5 <= days <= 3.5
    assert [it.levelname for it in caplog.records] == ["WARNING", "ERROR"]
    assert "route 'ops' took nothing for three days: 1 notices are given up" in caplog.text
    [outcome] = await rig.store.outcomes([alert().id])
    assert (outcome.route, outcome.error) == ("ops", "answer 503")
