"""One tenant."""

import pytest
from tests.console.conftest import START_US, Site
from tests.console.test_costs import alert

from trimtab.domain.alert import Rule
from trimtab.domain.billing import AT_COST, Closing
from trimtab.domain.change import PointerKind
from trimtab.domain.errors import TryLater
from trimtab.domain.suspension import Scope, ScopeKind

PATH = "/console/tenants/acme"
ACME = Scope(ScopeKind.TENANT, "acme")


async def page(site: Site, role: str = "viewer") -> str:
    await site.log_in(role)
    return (await site.client.get(PATH)).text


async def test_it_says_what_the_month_cost_and_of_what(site: Site) -> None:
    html = await page(site)

    assert "Cost, April 2026" in html
    assert "Each day, by feature" in html
    assert "<td>support-bot" in html
    assert "/console/costs?tenant=acme" in html
    assert "No budget bounds it" in html


async def test_a_viewer_is_shown_no_switch(site: Site) -> None:
    viewer, operator = await page(site), await page(site, "operator")

    assert f"{PATH}/suspend" not in viewer
    assert "/console/keys" not in viewer
    assert f"{PATH}/suspend" in operator
    assert f"{PATH}/throttle" in operator
    assert "/console/keys" in operator


async def test_a_kill_switch_that_is_on_is_seen_with_its_reason(site: Site) -> None:
    await site.suspend(ACME, until_us=START_US + 1_000_000)

    html = await page(site, "operator")

    assert "suspended" in html
    assert "loop, until 2026-04-25 18:42:12 UTC" in html
    assert f"{PATH}/resume" in html
    assert f"{PATH}/suspend" not in html


async def test_its_alerts_are_listed_with_those_for_the_report_only(site: Site) -> None:
    await site.stores.alerts.save(
        [alert(rule=Rule.SPEND_3X_28D, told="25 Apr cost 9 USD"), alert("globex")]
    )

    html = await page(site)

    assert "25 Apr cost 9 USD" in html
    assert "report only" in html
    assert "132 calls" not in html


async def test_closed_bills_are_listed_the_newest_first(site: Site) -> None:
    for month in ("2026-02", "2026-03"):
        closing = Closing(
            tenant="acme",
            month=month,
            plan=AT_COST,
            plan_seq=0,
            price_versions=(),
            groups=(),
            n_unpriced=0,
            total_cents=123_456,
        )
        site.control.write(PointerKind.BILL, f"acme:{month}", closing, reason="sent")

    html = await page(site)

    assert "1234.56" in html
    assert html.index("<td>2026-03") < html.index("<td>2026-02")


async def test_the_switch_is_there_without_any_figures(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(**_: object) -> None:
        raise TryLater("the disk is full")

    monkeypatch.setattr(site.stores, "costs", away)

    html = await page(site, "operator")

    assert "No figures: the disk is full" in html
    assert f"{PATH}/suspend" in html


async def test_without_traffic_it_teaches_the_first_step(site: Site) -> None:
    site.stores.records.clear()

    assert "trimtab keys create --tenant acme" in await page(site)


async def test_a_tenant_that_is_not_there_is_missing(site: Site) -> None:
    await site.log_in("viewer")

    assert (await site.client.get("/console/tenants/nobody")).status_code == 404
