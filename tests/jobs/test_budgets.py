from datetime import timedelta

import msgspec
import pytest
from tests.jobs.conftest import listener
from tests.jobs.site import TODAY, Site, at

from trimtab.domain.alert import Finding, NoticeKind, Rule
from trimtab.domain.budget import Budget, Period, WhenEmpty
from trimtab.domain.money import NANO_PER_USD as USD
from trimtab.domain.tenant import Tier
from trimtab.jobs.alerts import AlertJob, Watch
from trimtab.jobs.budgets import BudgetRule
from trimtab.testing import FrozenClock

NOON = at(12)


@pytest.fixture
def site() -> Site:
    return Site()


async def judged(site: Site, now_us: int = NOON) -> list[Finding]:
    return await BudgetRule(site.ledger, site.spent).find(now_us)


async def test_a_month_that_will_not_last_is_told_with_when_it_is_empty(site: Site) -> None:
    # 22 days of 10 in November, at 70 in seven and a half days: 40 last until the 27th.
    site.tenant("acme", budget=Budget(nano=260 * USD))
    await site.spends_daily(10, 30)

    [found] = await judged(site)

    assert found == Finding(
        rule=Rule.BUDGET_FORECAST,
        tenant_id="acme",
        window="month:2026-11",
        told="the budget of 260.00 USD a month will be empty on 27 Nov 18:51 (UTC) at this pace;"
        " 220.00 USD are spent",
        actual_nano=220 * USD,
        expected_nano=260 * USD,
    )


async def test_a_month_that_lasts_is_not_told(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=310 * USD))
    await site.spends_daily(10, 30)

    assert await judged(site) == []


async def test_a_month_begins_where_the_tenant_lives_and_with_nothing_spent(site: Site) -> None:
    site.tenant("acme", zone="Asia/Tokyo", budget=Budget(nano=270 * USD))
    first = TODAY.replace(day=1) + timedelta(days=30)
    await site.spends_daily(9, 30, until=first)
    midnight_us = at(0, first, "Asia/Tokyo")

    [last] = await judged(site, midnight_us - 1)
    [new] = await judged(site, midnight_us)

    assert (last.window, last.actual_nano) == ("month:2026-11", 270 * USD)
    assert (new.window, new.actual_nano) == ("month:2026-12", 0)


async def test_an_empty_budget_says_so(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=5 * USD))
    await site.spends(5, at(9))

    [found] = await judged(site)

    assert found.told == "the budget of 5.00 USD a month is empty; 5.00 USD are spent"


async def test_a_day_is_told_at_the_pace_of_the_last_hours(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=20 * USD, per=Period.DAY))
    await site.spends(4, at(3))
    assert await judged(site) == []

    await site.spends(4, at(11))

    [found] = await judged(site)
    assert found.window == "day:2026-11-23"
    assert "will be empty on 23 Nov 18:00 (UTC)" in found.told


async def test_a_budget_of_an_hour_is_over_before_anybody_reads_of_it(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=1, per=Period.HOUR))
    await site.spends(4, at(11.9))

    assert await judged(site) == []


async def test_features_have_budgets_of_their_own(site: Site) -> None:
    site.tenant("acme", features={"bot": Budget(nano=5 * USD), "search": Budget(nano=500 * USD)})
    await site.spends(6, at(9), feature="bot")
    await site.spends(6, at(9), feature="search")

    [found] = await judged(site)

    assert (found.feature, found.subject) == ("bot", "feature bot")
    assert found.told.startswith("the budget of feature 'bot' of 5.00 USD a month is empty")


async def test_the_budget_of_a_tier_is_that_of_its_tenants(site: Site) -> None:
    site.tiers["smb"] = Tier(name="smb", budget=Budget(nano=USD))
    await site.spends(2, at(9))

    assert len(await judged(site)) == 1


async def test_the_pace_of_a_feature_is_its_own(site: Site) -> None:
    site.tenant("acme", features={"bot": Budget(nano=20 * USD, per=Period.DAY)})
    await site.spends(1, at(11), feature="bot")
    await site.spends(100, at(11), feature="search")

    assert await judged(site) == []


def crossed(found: list[Finding]) -> list[Finding]:
    return [it for it in found if it.rule is Rule.BUDGET_THRESHOLD]


async def test_each_part_that_is_spent_is_told_with_when_the_rest_will_be(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=260 * USD, warn_at=(50, 84, 85)))
    await site.spends_daily(10, 30)

    half, most = crossed(await judged(site))

    assert half == Finding(
        rule=Rule.BUDGET_THRESHOLD,
        tenant_id="acme",
        window="month:2026-11",
        subject="50 %",
        told="50 % of the budget of 260.00 USD a month: 220.00 USD are spent; it will be empty on"
        " 27 Nov 18:51 (UTC) at this pace",
        actual_nano=220 * USD,
        expected_nano=260 * USD,
    )
    assert most.subject == "84 %"
    assert half.alert_id != most.alert_id


async def test_a_part_is_told_when_exactly_that_much_is_spent_and_not_a_nano_sooner(
    site: Site,
) -> None:
    site.tenant("acme", budget=Budget(nano=4 * USD, warn_at=(50,)))
    await site.spends(1.999999999, at(9))
    assert crossed(await judged(site)) == []

    await site.spends(0.000000001, at(10))

    [found] = crossed(await judged(site))
    assert "it will last at this pace" in found.told


async def test_an_empty_budget_that_refuses_nothing_is_told_without_being_asked_to(
    site: Site,
) -> None:
    site.tenant("acme", budget=Budget(nano=USD, when_empty=WhenEmpty.WARN))
    await site.spends(1, at(9))

    [found] = crossed(await judged(site))

    assert found.told == "100 % of the budget of 1.00 USD a month: 1.00 USD are spent; it is empty"


async def test_keys_features_hours_and_the_whole_site_have_parts_too(site: Site) -> None:
    warned = Budget(nano=2 * USD, warn_at=(50,))
    site.tenant(
        "acme", features={"bot": warned}, budget=msgspec.structs.replace(warned, per=Period.HOUR)
    )
    site.key("ci", warned)
    site.key("old", warned, revoked=True)
    site.site_budget = msgspec.structs.replace(warned, nano=4 * USD)
    await site.spends(1, at(11.5), feature="bot", key_id="ci")
    await site.spends(1, at(10.5), feature="search", key_id="old")

    found = crossed(await judged(site))

    assert [(it.tenant_id, it.subject, it.window, it.actual_nano) for it in found] == [
        ("(site)", "the whole site, 50 %", "month:2026-11", 2 * USD),
        ("acme", "feature bot, 50 %", "month:2026-11", USD),
        ("acme", "key ci, 50 %", "month:2026-11", USD),
    ]
    [hour] = [it for it in crossed(await judged(site, at(11.75))) if it.subject == "50 %"]
    assert hour.window == "hour:2026-11-23T11Z00"
    assert found[0].told.startswith("50 % of the budget of the whole site of 4.00 USD a month")
    assert found[2].told.startswith("50 % of the budget of key 'ci' of 2.00 USD a month")


async def test_a_part_is_told_once_a_window_and_again_in_the_next(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=2 * USD, per=Period.DAY, warn_at=(50,)))
    clock = FrozenClock()
    clock.advance((at(9) - clock.now_us()) / 1e6)
    rules = frozenset({Rule.BUDGET_FORECAST, Rule.BUDGET_THRESHOLD})
    watch = Watch(rules, 0, BudgetRule(site.ledger, site.spent).find)
    job = AlertJob([watch], site.alerts, [listener("ops")], clock, repeat_s=600)

    for hour in (8, 34):
        await site.spends(1.5, at(hour))
        for _ in range(3):
            await job.run()
            clock.advance(3600)
        clock.advance(23 * 3600)

    told = [it for it in await site.alerts.notices() if it.kind is NoticeKind.FIRING]
    parts = [it.finding for it in await site.alerts.alerts(rule=Rule.BUDGET_THRESHOLD)]
    assert sorted(it.window for it in parts) == ["day:2026-11-23", "day:2026-11-24"]
    assert sorted(it.alert_id for it in told if it.alert_id in {one.alert_id for one in parts}) == (
        sorted(it.alert_id for it in parts)
    )


async def test_that_an_hour_a_key_or_the_site_is_empty_is_told_as_a_part_and_no_forecast(
    site: Site,
) -> None:
    empty = Budget(nano=USD, warn_at=(95,))
    site.tenant("acme", budget=msgspec.structs.replace(empty, per=Period.HOUR))
    site.key("ci", empty)
    site.site_budget = empty
    await site.spends(1, at(11.5), key_id="ci")

    found = await judged(site, at(11.75))

    assert [it.rule for it in found] == [Rule.BUDGET_THRESHOLD] * 3
