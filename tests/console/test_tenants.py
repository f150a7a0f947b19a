"""The list of tenants."""

from tests.console.conftest import Site

from trimtab.domain.suspension import Scope, ScopeKind

ACME = Scope(ScopeKind.TENANT, "acme")


async def test_a_switch_that_has_ended_is_shown_as_off(site: Site) -> None:
    await site.suspend(ACME, until_us=site.clock.now_us() + 1_000_000)
    site.clock.advance(1)
    await site.log_in("operator")

    html = (await site.client.get("/console/tenants")).text

    assert "/console/tenants/acme/suspend" in html
    assert "/console/tenants/acme/resume" not in html


async def test_a_viewer_sees_no_switch(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/tenants")).text

    assert "600,000 tokens/min" in html
    assert "/suspend" not in html
    assert "/throttle" not in html
