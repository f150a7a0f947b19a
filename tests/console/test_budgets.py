"""Budgets as bars."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from tests.console.conftest import KEY, START_US, Site, console_of
from tests.records import finish

from trimtab.console.base import Console
from trimtab.console.budgets import Bar, bars_of, bars_of_all
from trimtab.control.snapshot import SITE_BUDGET
from trimtab.domain.budget import Budget, Downgrade, Period, WhenEmpty
from trimtab.domain.change import PointerKind
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.tenant import Key, Tenant
from trimtab.store.base.recording import Batch

DOLLAR = 1_000_000_000
MONTH = Budget(nano=100 * DOLLAR)
HONOLULU = "Pacific/Honolulu"


def bound(site: Site, name: str, budget: Budget, *, timezone: str = "UTC", **more: Budget) -> None:
    tenant = Tenant(id=TenantId(name), tier="smb", timezone=timezone, budget=budget, features=more)
    site.control.write(PointerKind.TENANT, name, tenant, reason="budget")


async def spend(site: Site, *spent: tuple[str, str, str, int]) -> Console:
    """Book dollars: whose, on which local day, for which feature."""
    finishes = [
        finish(
            n,
            tenant_id=tenant,
            day_local=day,
            ts_us=round(datetime.fromisoformat(f"{day}T12:00Z").timestamp()) * 1_000_000,
            feature=feature,
            key_id=KEY if feature == "search" else "other",
            cost_nano=usd * DOLLAR,
        )
        for n, (tenant, day, feature, usd) in enumerate(spent)
    ]
    await site.stores.ledger.commit(Batch(finishes=tuple(finishes)))
    console = console_of(site.stores, site.control, site.clock)
    return replace(console, rollups=site.stores.ledger)


async def of(site: Site, console: Console, name: str) -> list[Bar]:
    snapshot = await site.control.snapshot()
    return await bars_of(console, snapshot, snapshot.tenants[TenantId(name)], {}, START_US)


def told(bars: list[Bar]) -> list[tuple[str, int, str]]:
    return [
        (it.standing.claim.need.name, it.standing.spent_nano // DOLLAR, it.state) for it in bars
    ]


async def test_each_budget_of_a_tenant_counts_its_own_lines(site: Site) -> None:
    bound(site, "acme", MONTH, search=Budget(nano=50 * DOLLAR, per=Period.DAY))
    key = Key(id=KeyId(KEY), name="prod", tenant=TenantId("acme"), sha256="0" * 64, budget=MONTH)
    site.control.write(PointerKind.KEY, KEY, key, reason="budget")
    site.control.write(PointerKind.SITE, SITE_BUDGET, Budget(nano=900 * DOLLAR), reason="bound")
    console = await spend(
        site,
        ("acme", "2026-03-31", "search", 400),
        ("acme", "2026-04-02", "search", 7),
        ("acme", "2026-04-25", "search", 20),
        ("acme", "2026-04-25", "chat", 3),
        ("globex", "2026-04-25", "search", 60),
    )

    assert told(await of(site, console, "acme")) == [
        ("budget of tenant 'acme' for this month", 30, "will last"),
        ("budget of feature 'search' of tenant 'acme' for this day", 20, "will last"),
        ("budget of key 'prod' for this month", 27, "will last"),
        ("budget of the whole site for this month", 90, "will last"),
    ]


async def test_what_an_hour_allows_is_asked_to_the_moment(site: Site) -> None:
    bound(site, "acme", Budget(nano=DOLLAR, per=Period.HOUR))
    site.stores.booked = DOLLAR // 2
    console = await spend(site)

    (bar,) = await of(site, console, "acme")

    assert bar.standing.spent_nano == DOLLAR // 2
    assert site.stores.asked["spent"] == 1


async def test_a_month_is_that_of_the_tenant_s_own_calendar(site: Site) -> None:
    site.clock.advance((datetime(2026, 5, 1, 4, tzinfo=UTC).timestamp()) - START_US / 1e6)
    now_us = site.clock.now_us()
    bound(site, "acme", MONTH, timezone=HONOLULU)
    bound(site, "globex", MONTH)
    bound(site, "initech", MONTH, timezone="Pacific/Kiritimati")
    console = await spend(
        site,
        ("initech", "2026-04-30", "search", 60),
        ("initech", "2026-05-01", "search", 2),
        ("acme", "2026-04-01", "search", 30),
        ("acme", "2026-04-30", "search", 40),
        ("globex", "2026-04-30", "search", 90),
        ("globex", "2026-05-01", "search", 5),
    )
    snapshot = await site.control.snapshot()

    bars = await bars_of_all(console, snapshot, now_us)

    assert [(it.standing.claim.spending.tenant_id, it.spent_pct) for it in bars] == [
        ("acme", 70.0),
        ("globex", 5.0),
        ("initech", 2.0),
    ]


async def test_the_emptiest_come_first_and_a_site_s_is_among_them(site: Site) -> None:
    bound(site, "acme", MONTH)
    bound(site, "globex", Budget(nano=10 * DOLLAR, per=Period.DAY))
    bound(site, "initech", Budget(nano=DOLLAR, per=Period.HOUR))
    site.control.write(PointerKind.SITE, SITE_BUDGET, Budget(nano=50 * DOLLAR), reason="bound")
    console = await spend(
        site, ("acme", "2026-04-25", "search", 30), ("globex", "2026-04-25", "chat", 9)
    )
    snapshot = await site.control.snapshot()

    bars = await bars_of_all(console, snapshot, START_US)

    assert [round(it.spent_pct) for it in bars] == [90, 78, 30]
    assert bars[1].standing.claim.need.name == "budget of the whole site for this month"


@pytest.mark.parametrize(
    ("usd", "state", "pct"),
    [
        (0, "will last", 0),
        (82, "nearly empty", 82),
        (83, "will not last", 83),
        (100, "empty", 100),
        (140, "empty", 100),
        (-5, "will last", 0),
    ],
)
async def test_a_state_is_a_word_too(site: Site, usd: int, state: str, pct: int) -> None:
    # 82.6 % of the month are over.
    bound(site, "acme", MONTH)
    console = await spend(site, ("acme", "2026-04-20", "search", usd))

    (bar,) = await of(site, console, "acme")

    assert (bar.state, bar.spent_pct) == (state, pct)
    assert round(bar.passed_pct, 1) == 82.6


@pytest.mark.parametrize(
    ("when_empty", "then"),
    [
        (None, "then requests are refused"),
        (WhenEmpty.WARN, "then it only warns"),
        (Downgrade(to="chat-small", nano=1), "then chat-small answers"),
    ],
)
async def test_it_says_what_becomes_of_requests(
    site: Site, when_empty: WhenEmpty | Downgrade | None, then: str
) -> None:
    bound(site, "acme", msgspec.structs.replace(MONTH, when_empty=when_empty))

    (bar,) = await of(site, await spend(site), "acme")

    assert bar.then == then


async def test_who_has_no_budget_has_no_bar(site: Site) -> None:
    console = await spend(site)
    site.stores.asked.clear()

    assert await of(site, console, "acme") == []
    assert await bars_of_all(console, await site.control.snapshot(), START_US) == []
    assert not site.stores.asked
