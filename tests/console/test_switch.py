"""The kill switch."""

from urllib.parse import urlsplit

import pytest
from tests.console.conftest import HOUR_US, KEY, Site

from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind, Suspension

ACME = Scope(ScopeKind.TENANT, "acme")


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


async def test_the_streams_that_run_are_ended_if_the_box_is_ticked(site: Site) -> None:
    await site.log_in("operator")

    await suspend(site, running="yes")

    assert (await site.control.snapshot()).suspensions[ACME].running


async def test_a_tenant_is_slowed_down_and_restored(site: Site) -> None:
    await site.log_in("operator")
    preview = (await site.client.get("/console/tenants/acme/throttle")).text
    form = {"csrf": await site.csrf(), "reason": "loop", "rate": "10", "hours": "1"}

    await site.client.post("/console/tenants/acme/throttle", data=form)

    listed = (await site.client.get("/console/tenants")).text
    changes = (await site.client.get("/console/changes")).text
    assert "Who is slowed down" in preview
    assert (await site.control.snapshot()).suspensions[ACME] == Suspension(
        reason="loop", until_us=site.clock.now_us() + HOUR_US, requests_per_minute=10
    )
    assert "throttled" in listed
    assert "10/min: loop" in listed
    assert "throttled" in changes
    await site.client.post("/console/tenants/acme/resume", data=form)
    assert not (await site.control.snapshot()).suspensions


@pytest.mark.parametrize("rate", ["", "0", "-1", "ten", "1e3", "²", "12345678"])
async def test_a_rate_that_is_none_changes_nothing(site: Site, rate: str) -> None:
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": "loop", "rate": rate}

    answer = await site.client.post("/console/tenants/acme/throttle", data=form)

    assert answer.status_code == 400
    assert "whole number above 0" in answer.text
    assert not (await site.control.snapshot()).suspensions


async def test_a_suspended_tenant_is_not_throttled_by_mistake(site: Site) -> None:
    await site.log_in("operator")
    await site.suspend(ACME)
    form = {"csrf": await site.csrf(), "reason": "loop", "rate": "10"}

    answer = await site.client.post("/console/tenants/acme/throttle", data=form)

    assert answer.status_code == 400
    assert "a throttle would let it in" in answer.text


async def test_the_whole_site_is_stopped_and_says_so(site: Site) -> None:
    await site.log_in("operator")
    preview = (await site.client.get("/console/site/suspend")).text
    form = {"csrf": await site.csrf(), "reason": "bill shock"}

    await site.client.post("/console/site/suspend", data=form)

    listed = (await site.client.get("/console/tenants")).text
    assert "in the last hour" in preview
    assert list((await site.control.snapshot()).suspensions) == [WHOLE_SITE]
    assert "Every tenant is suspended: bill shock" in listed
    await site.client.post("/console/site/resume", data=form)
    assert not (await site.control.snapshot()).suspensions


async def test_a_key_is_stopped_for_a_while(site: Site) -> None:
    await site.log_in("operator")
    preview = (await site.client.get(f"/console/keys/{KEY}/suspend")).text
    form = {"csrf": await site.csrf(), "reason": "leak?", "hours": "4"}

    answer = await site.client.post(f"/console/keys/{KEY}/suspend", data=form)

    (scope,) = (await site.control.snapshot()).suspensions
    assert "Suspend key acme-prod" in preview
    assert scope == Scope(ScopeKind.KEY, KEY)
    assert answer.headers["location"].startswith("/console/keys?done=")


async def test_only_the_suspension_that_was_seen_is_taken_back(site: Site) -> None:
    await site.log_in("operator")
    seen = await site.suspend(ACME)
    await site.suspend(ACME, running=True)
    form = {"csrf": await site.csrf(), "reason": "fixed", "seq": str(seen.seq)}

    answer = await site.client.post("/console/tenants/acme/resume", data=form)

    assert answer.status_code == 400
    assert ACME in (await site.control.snapshot()).suspensions
