from datetime import timedelta

import pytest
from tests.jobs.site import TODAY, Site, at

from trimtab.cost.baseline import Terms
from trimtab.domain.alert import Alert, Finding, Rule
from trimtab.domain.budget import Budget, Period
from trimtab.domain.money import NANO_PER_USD as USD
from trimtab.jobs.replay import Replay
from trimtab.jobs.spending import DayRules, HourRules

TERMS = Terms()
YESTERDAY = TODAY - timedelta(days=1)
NIGHT = at(1)


@pytest.fixture
def site() -> Site:
    return Site()


async def by_day(site: Site, now_us: int = NIGHT) -> dict[tuple[str, Rule], Finding]:
    found = await DayRules(site.ledger, TERMS).find(now_us)
    return {(it.tenant_id, it.rule): it for it in found}


async def by_hour(site: Site, now_us: int) -> list[Finding]:
    return await HourRules(site.ledger, TERMS).find(now_us)


async def test_a_dear_day_is_found_by_both_rules_with_what_explains_it(site: Site) -> None:
    await site.spends_daily(10, 28, until=YESTERDAY)
    await site.spends(11, at(9, YESTERDAY))
    dear = [await site.spends(n, at(10, YESTERDAY), feature="bot") for n in (7, 9, 8, 6)]

    found = await by_day(site)

    assert set(found) == {("acme", Rule.SPEND_3X_28D), ("acme", Rule.SPEND_SPIKE)}
    spike = found["acme", Rule.SPEND_SPIKE]
    assert (spike.actual_nano, spike.expected_nano) == (41 * USD, 10 * USD)
    assert (spike.window, spike.told) == (
        "day:2026-11-22",
        "41.00 USD on 2026-11-22, 4.1 times the usual 10.00",
    )
    assert (spike.feature, spike.model, spike.share_pct) == ("bot", "answers", 96)
    assert spike.samples == (dear[1], dear[2], dear[0])


async def test_an_ordinary_day_is_not(site: Site) -> None:
    await site.spends_daily(10, 29)

    assert await by_day(site) == {}


async def test_a_day_counts_when_it_is_over_where_the_tenant_lives(site: Site) -> None:
    site.tenant("rome", zone="Europe/Rome")
    await site.spends_daily(10, 28, "rome", until=YESTERDAY)
    await site.spends(50, at(23.5, YESTERDAY, "Europe/Rome"), "rome")

    assert await by_day(site, at(0, zone="Europe/Rome") + 599_999_999) == {}
    found = await by_day(site, at(0, zone="Europe/Rome") + 600_000_000)

    assert found["rome", Rule.SPEND_SPIKE].window == "day:2026-11-22"


async def test_a_day_that_was_a_spike_is_no_measure(site: Site) -> None:
    await site.spends_daily(10, 27, until=YESTERDAY - timedelta(days=1))
    before = YESTERDAY - timedelta(days=1)
    await site.spends(300, at(12, before))
    await site.spends(45, at(12, YESTERDAY))
    assert ("acme", Rule.SPEND_3X_28D) not in await by_day(site)

    spike = Finding(rule=Rule.SPEND_SPIKE, tenant_id="acme", window=f"day:{before}", told="300 USD")
    await site.alerts.save([Alert(id="al_1", finding=spike, opened_us=1, seen_us=1)])

    assert (await by_day(site))["acme", Rule.SPEND_3X_28D].expected_nano == 10 * USD


async def test_a_new_tenant_is_measured_by_its_tier_and_no_other(site: Site) -> None:
    for name, usd, tier in (("a", 8, "smb"), ("b", 10, "smb"), ("c", 90, "smb"), ("d", 5, "large")):
        site.tenant(name, tier=tier)
        await site.spends_daily(usd, 28, name, until=YESTERDAY)
    await site.spends(29, at(12, YESTERDAY))
    assert await by_day(site) == {}

    await site.spends(2, at(13, YESTERDAY))

    assert (await by_day(site))["acme", Rule.SPEND_SPIKE].expected_nano == 10 * USD


async def test_nothing_is_found_in_the_first_week_of_a_site(site: Site) -> None:
    await site.spends_daily(10, 5, until=YESTERDAY)
    await site.spends(500, at(12, YESTERDAY))

    assert await by_day(site) == {}


async def test_two_hours_running_are_found_though_the_second_still_runs(site: Site) -> None:
    await site.spends_daily(24, 35, hour=2)
    await site.spends(2, at(14))
    assert await by_hour(site, at(14.5)) == []
    dear = await site.spends(3, at(15.1), feature="bot")

    [found] = await by_hour(site, at(15.2))

    assert (found.rule, found.window) == (Rule.SPEND_RATE, "day:2026-11-23")
    assert (found.actual_nano, found.expected_nano) == (5 * USD, 0)
    assert (found.feature, found.share_pct, found.samples) == ("bot", 60, (dear,))


async def test_an_hour_is_measured_by_the_same_hour_of_the_week_across_a_change_of_clocks(
    site: Site,
) -> None:
    # Rome leaves summer time on 25 October: before, 14 o'clock was an hour earlier in UTC.
    zone, day = "Europe/Rome", TODAY - timedelta(days=27)
    site.tenant("rome", zone=zone)
    for week in range(1, 5):
        midnight_us = at(0, day - timedelta(days=7 * week), zone)
        for hour, usd in ((13, 20), (14, 5)):
            await site.spends(usd, midnight_us + hour * 3_600_000_000, "rome")
    for hour, usd in ((13, 20), (14, 6)):
        await site.spends(usd, at(hour, day, zone), "rome")

    assert await by_hour(site, at(14.9, day, zone)) == []


async def test_an_hour_that_takes_a_quarter_of_the_month_is_found_at_once(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=100 * USD))
    await site.spends(25, at(14))
    assert await by_hour(site, at(14.5)) == []

    await site.spends(0.01, at(14.6))

    [found] = await by_hour(site, at(14.7))
    assert found.told == "25.01 USD in an hour or two, and nobody knows yet what is usual"


async def test_a_budget_of_a_day_is_no_measure_of_a_month(site: Site) -> None:
    site.tenant("acme", budget=Budget(nano=100 * USD, per=Period.DAY))
    await site.spends(90, at(14))

    assert await by_hour(site, at(14.5)) == []


async def test_a_replay_finds_what_the_rules_would_have_and_keeps_nothing(site: Site) -> None:
    await site.spends_daily(10, 40)
    for hour in (14, 15):
        await site.spends(15, at(hour, TODAY - timedelta(days=3)))
        await site.spends(100, at(hour, TODAY - timedelta(days=10)))

    # What was dear ten days ago is no measure, but a spike is the dearest day of all.
    found = await Replay(site.spend, site.snapshot, TERMS, 7).run(at(9))

    assert [(it.window, it.rule) for it in found] == [
        ("day:2026-11-20", Rule.SPEND_3X_28D),
        ("day:2026-11-20", Rule.SPEND_RATE),
    ]
    assert await site.alerts.alerts() == ()
