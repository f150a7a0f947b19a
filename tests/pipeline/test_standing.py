from dataclasses import replace

import msgspec
from tests.pipeline.conftest import ACME, GRANT, TIER

from trimtab.control.snapshot import Snapshot
from trimtab.domain.budget import Budget, Downgrade, Period, WhenEmpty
from trimtab.domain.ids import TenantId
from trimtab.pipeline.standing import all_windows, standing, then, windows

USD = 10**9
HOUR_US = 3_600_000_000
NEW_YEAR_US = 1_767_225_600_000_000


def snapshot(budget: Budget) -> Snapshot:
    tenant = msgspec.structs.replace(
        ACME, budget=budget, features={"search": Budget(nano=2 * USD, when_empty=WhenEmpty.WARN)}
    )
    key = msgspec.structs.replace(GRANT.key, budget=Budget(nano=3 * USD, per=Period.DAY))
    return Snapshot(
        tiers={TIER.name: msgspec.structs.replace(TIER, budget=Budget(per=Period.DAY))},
        tenants={ACME.id: tenant},
        grants={key.id: replace(GRANT, key=key, tenant=tenant)},
        site_budget=Budget(nano=9 * USD),
    )


def test_names_every_budget_that_a_request_could_meet() -> None:
    cheaper = Downgrade(to="small", nano=USD)
    known = snapshot(Budget(nano=USD, when_empty=cheaper))

    found = list(windows(known, ACME.id, NEW_YEAR_US + HOUR_US))

    assert [(it.need.name, it.need.size // USD, then(it)) for it in found] == [
        ("budget of tenant 'acme' for this day", 1, "then small"),
        ("budget of feature 'search' of tenant 'acme' for this month", 2, "warn"),
        ("budget of key 'acme-ci' for this day", 3, "block"),
        ("budget of the whole site for this month", 9, "block"),
    ]


def test_names_every_budget_of_the_site_once() -> None:
    known = snapshot(Budget(nano=USD))
    other = msgspec.structs.replace(ACME, id=TenantId("globex"), features={})
    known = replace(known, tenants={**known.tenants, other.id: other})

    assert list(all_windows(known, NEW_YEAR_US)) == list(windows(known, ACME.id, NEW_YEAR_US))


def test_tells_when_it_will_be_empty_at_this_pace() -> None:
    (day, *_) = windows(snapshot(Budget(nano=10 * USD)), ACME.id, NEW_YEAR_US)
    noon_us = NEW_YEAR_US + 12 * HOUR_US

    fast, slow, none, less = (standing(day, it * USD, noon_us) for it in (6, 5, 0, -1))
    empty = standing(day, 11 * USD, noon_us)

    assert fast.empties_us == NEW_YEAR_US + 20 * HOUR_US
    assert (slow.empties_us, none.empties_us, less.empties_us) == (None, None, None)
    assert less.left_nano == 11 * USD
    assert (empty.empties_us, empty.left_nano) == (noon_us, -USD)


def test_the_pace_of_the_first_minutes_is_that_of_an_hour() -> None:
    (day, *_) = windows(snapshot(Budget(nano=10 * USD)), ACME.id, NEW_YEAR_US)

    assert standing(day, USD, NEW_YEAR_US + 60_000_000).empties_us == (
        NEW_YEAR_US + 60_000_000 + 9 * HOUR_US
    )
