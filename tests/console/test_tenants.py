"""The kill switch."""

from urllib.parse import urlsplit

import pytest
from tests.console.conftest import HOUR_US, Site

from trimtab.domain.ids import TenantId

ACME = TenantId("acme")


async def suspend(site: Site, **members: str) -> str:
    """Suspend acme and give the page that follows."""
    form = {"csrf": await site.csrf(), "reason": "loop, INC-31", **members}
    answer = await site.client.post("/console/tenants/acme/suspend", data=form)
    return (await site.client.get(answer.headers["location"])).text


async def test_the_preview_names_who_is_stopped(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/tenants/acme/suspend")).text

    assert "acme-prod <code>7hq2m9xkd4wp</code>" in html
    assert "in the last hour" in html
    assert "support-bot" in html


async def test_a_suspension_is_a_change_with_author_reason_and_undo(site: Site) -> None:
    await site.log_in("operator")

    html = await suspend(site)

    change = site.control.changes[-1]
    assert (await site.control.snapshot()).suspensions[ACME].reason == "loop, INC-31"
    assert (change.author, change.reason) == ("operator", "loop, INC-31")
    assert f'action="/console/changes/{change.seq}/undo"' in html
    assert "suspended" in html


async def test_the_undo_of_the_confirmation_is_one_click(site: Site) -> None:
    await site.log_in("operator")
    await suspend(site)
    seq = site.control.changes[-1].seq
    form = {"csrf": await site.csrf(), "reason": f"undo of change {seq}"}

    answer = await site.client.post(f"/console/changes/{seq}/undo", data=form)

    assert urlsplit(answer.headers["location"]).path == "/console/changes"
    assert (await site.control.snapshot()).suspensions == {}


async def test_a_suspension_may_end_by_itself(site: Site) -> None:
    await site.log_in("operator")

    await suspend(site, hours="4")

    suspension = (await site.control.snapshot()).suspensions[ACME]
    assert suspension.until_us == site.clock.now_us() + 4 * HOUR_US


async def test_resuming_takes_it_back(site: Site) -> None:
    await site.log_in("operator")
    await suspend(site)
    preview = (await site.client.get("/console/tenants/acme/resume")).text

    form = {"csrf": await site.csrf(), "reason": "fixed"}
    await site.client.post("/console/tenants/acme/resume", data=form)

    assert "Who may call again" in preview
    assert (await site.control.snapshot()).suspensions == {}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"reason": "  "}, "a reason is missing"),
        ({"reason": "x" * 501}, "more than 500 characters"),
        ({"hours": "9"}, "is not a period"),
    ],
)
async def test_a_form_filled_in_badly_changes_nothing_and_says_why(
    site: Site, members: dict[str, str], problem: str
) -> None:
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": "loop", **members}

    answer = await site.client.post("/console/tenants/acme/suspend", data=form)

    assert answer.status_code == 400
    assert problem in answer.text
    assert (await site.control.snapshot()).suspensions == {}


async def test_an_unknown_tenant_is_not_found(site: Site) -> None:
    await site.log_in("operator")

    assert (await site.client.get("/console/tenants/nobody/suspend")).status_code == 404


async def test_a_viewer_sees_no_switch(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/tenants")).text

    assert "600,000 tokens/min" in html
    assert "/suspend" not in html
