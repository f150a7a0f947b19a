"""The job over rules that find what they are told to."""

from collections.abc import Sequence

import pytest
from tests.jobs.conftest import finding, listener

from trimtab.domain.alert import Alert, Finding, NoticeKind, Rule, Severity, Silence
from trimtab.domain.errors import TryLater
from trimtab.jobs.alerts import RESOLVE_US, AlertJob, Watch
from trimtab.jobs.delivery import Route
from trimtab.store.alerts import MemoryAlerts
from trimtab.testing import FrozenClock

MINUTE_S, REPEAT_S = 60.0, 4 * 3600.0
OPS = listener("ops", frozenset({Severity.PAGE}))
ONCALL = listener("oncall", frozenset({Severity.PAGE}), keeps_state=True)
MAIL = listener("mail", frozenset({Severity.REPORT, Severity.MESSAGE}))


class Rig:
    """A job whose rules find what `found` says. State: the job's, and how often it was judged."""

    def __init__(self, *audiences: Route, every_s: float = 0.0) -> None:
        self.clock = FrozenClock()
        self.store = MemoryAlerts()
        self.found: list[Finding] = []
        self.failure: TryLater | None = None
        self.judged = 0
        self.every_us = round(every_s * 1e6)
        self.audiences = audiences
        self.restart()

    def restart(self) -> None:
        watch = Watch(frozenset(Rule) - {Rule.LOOP}, self.every_us, self.find)
        loops = Watch(frozenset({Rule.LOOP}), 0, self.loops)
        self.job = AlertJob(
            [watch, loops], self.store, self.audiences, self.clock, repeat_s=REPEAT_S
        )

    async def find(self, now_us: int) -> Sequence[Finding]:
        assert now_us == self.clock.now_us()
        self.judged += 1
        if self.failure is not None:
            raise self.failure
        return [it for it in self.found if it.rule is not Rule.LOOP]

    async def loops(self, now_us: int) -> Sequence[Finding]:
        assert now_us == self.clock.now_us()
        return [it for it in self.found if it.rule is Rule.LOOP]

    async def judge(self, *found: Finding, after_s: float = MINUTE_S) -> None:
        self.found = list(found)
        self.clock.advance(after_s)
        await self.job.run()

    async def told(self) -> list[tuple[str, NoticeKind]]:
        """Give what came up to be told since the last time."""
        notices = await self.store.notices()
        await self.store.told(notices, self.clock.now_us())
        return [(it.route, it.kind) for it in notices]

    async def only(self) -> Alert:
        [alert] = await self.store.alerts()
        return alert


async def test_what_is_found_again_and_again_is_one_alert_that_is_told_once() -> None:
    rig = Rig(OPS)

    for _ in range(5):
        await rig.judge(finding())

    alert = await rig.only()
    assert alert.id == finding().alert_id
    assert alert.seen_us - alert.opened_us == 4 * MINUTE_S * 1e6
    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_another_rule_tenant_subject_or_window_is_another_alert() -> None:
    rig = Rig(OPS)
    others = [
        finding(Rule.LOOP),
        finding(tenant="globex"),
        finding(day=24),
        Finding(
            rule=Rule.SPEND_RATE, tenant_id="acme", window="day:2026-11-23", told="", subject="k"
        ),
    ]

    await rig.judge(finding(), *others)

    assert len(await rig.store.alerts(open_only=True)) == 5


async def test_an_alert_tells_what_was_found_last() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    worse = Finding(rule=Rule.SPEND_RATE, tenant_id="acme", window="day:2026-11-23", told="worse")

    await rig.judge(worse)

    assert (await rig.only()).finding == worse


async def test_what_is_not_found_for_ten_minutes_is_over_and_that_is_told() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    await rig.told()

    await rig.judge(after_s=RESOLVE_US / 1e6 - 1)
    assert (await rig.only()).is_open
    assert await rig.told() == []

    await rig.judge(after_s=1)
    assert (await rig.only()).resolved_us == rig.clock.now_us()
    assert await rig.told() == [("ops", NoticeKind.RESOLVED)]


async def test_what_comes_back_is_the_same_alert_and_told_when_it_may_be_repeated() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    await rig.judge(after_s=700)
    await rig.told()

    await rig.judge(finding())
    assert (await rig.only()).is_open
    assert await rig.told() == []

    await rig.judge(finding(), after_s=REPEAT_S)
    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_what_stays_open_is_told_again_after_the_time_that_is_set() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    await rig.told()

    await rig.judge(finding(), after_s=REPEAT_S - 1)
    assert await rig.told() == []

    await rig.judge(finding(), after_s=1)
    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_a_day_that_is_over_is_told_once_however_long_it_is_open() -> None:
    rig = Rig(OPS)
    for _ in range(3):
        await rig.judge(finding(Rule.SPEND_SPIKE), after_s=REPEAT_S)

    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_that_a_day_is_no_longer_the_last_is_told_only_to_who_keeps_the_alert() -> None:
    rig = Rig(OPS, ONCALL)
    await rig.judge(finding(Rule.SPEND_SPIKE))
    await rig.told()

    await rig.judge(after_s=3600)

    assert await rig.told() == [("oncall", NoticeKind.RESOLVED)]


async def test_routes_are_told_of_the_severities_that_they_name() -> None:
    rig = Rig(OPS, MAIL)

    await rig.judge(finding(), finding(Rule.SPEND_3X_28D), finding(Rule.BUDGET_FORECAST))

    assert sorted(await rig.told()) == [
        ("mail", NoticeKind.FIRING),
        ("mail", NoticeKind.FIRING),
        ("ops", NoticeKind.FIRING),
    ]


async def test_an_open_alert_is_told_to_a_route_that_comes_later() -> None:
    rig = Rig()
    await rig.judge(finding())
    assert await rig.told() == []

    rig.audiences = (OPS,)
    rig.restart()
    await rig.judge(finding())

    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_a_restart_tells_nothing_twice() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    rig.restart()

    await rig.judge(finding())

    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_a_silent_alert_is_not_told_until_its_silence_ends() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    await rig.told()
    until_us = rig.clock.now_us() + round((REPEAT_S + 60) * 1e6)
    await rig.store.silence(
        finding().alert_id, Silence(until_us=until_us, author="ana", reason="known")
    )

    await rig.judge(finding(), after_s=REPEAT_S)
    assert await rig.told() == []

    await rig.judge(finding(), after_s=60)
    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_that_a_silent_alert_is_over_is_not_told() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    await rig.told()
    await rig.store.silence(
        finding().alert_id, Silence(until_us=1 << 62, author="ana", reason="known")
    )

    await rig.judge(after_s=3600)

    assert not (await rig.only()).is_open
    assert await rig.told() == []


async def test_what_cannot_be_judged_stays_and_the_others_are_judged() -> None:
    rig = Rig(OPS)
    await rig.judge(finding())
    await rig.told()
    rig.failure = TryLater("the records are away; wait")

    with pytest.raises(TryLater, match="away"):
        await rig.judge(finding(Rule.LOOP), after_s=3600)

    assert {it.finding.rule for it in await rig.store.alerts(open_only=True)} == {
        Rule.SPEND_RATE,
        Rule.LOOP,
    }
    assert await rig.told() == [("ops", NoticeKind.FIRING)]


async def test_rules_are_judged_as_often_as_they_say_and_first_at_once() -> None:
    rig = Rig(OPS, every_s=300)

    for _ in range(6):
        await rig.judge(finding())

    assert rig.judged == 2


async def test_that_an_alert_is_over_is_not_told_if_nobody_was_told_of_it() -> None:
    rig = Rig()
    await rig.judge(finding())
    rig.audiences = (OPS,)
    rig.restart()

    await rig.judge(after_s=3600)

    assert not (await rig.only()).is_open
    assert await rig.told() == []
