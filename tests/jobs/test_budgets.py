from datetime import timedelta

import pytest
from tests.jobs.site import TODAY, Site, at

from trimtab.domain.alert import Finding, Rule
from trimtab.domain.budget import Budget, Period
from trimtab.domain.money import NANO_PER_USD as USD
from trimtab.domain.tenant import Tier
from trimtab.jobs.budgets import BudgetRule

NOON = at(12)


@pytest.fixture
def site() -> Site:
    return Site()


async def judged(site: Site, now_us: int = NOON) -> list[Finding]:
    return await BudgetRule(site.ledger).find(now_us)


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
