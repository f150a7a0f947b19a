"""One alert."""

import pytest
from msgspec.structs import replace
from tests.console.alerting import BUDGET, LOOP, QUIET, RATE, UNPRICED, alert, fill_alerts
from tests.console.conftest import EXAMPLE, HOUR_US, KEY, Site

from trimtab.console.alert import WHY, key_of
from trimtab.domain.alert import SITE, Finding, Rule, Silence
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.store.alerts import AlertState, state_of


def path(finding: Finding) -> str:
    return f"/console/alerts/{finding.alert_id}"


async def page(site: Site, finding: Finding) -> str:
    return (await site.client.get(path(finding))).text


async def post(site: Site, finding: Finding, verb: str, **form: str) -> int:
    sent = {"csrf": await site.csrf(), **form}
    answer = await site.client.post(f"{path(finding)}/{verb}", data=sent)
    return answer.status_code


async def kept(site: Site, finding: Finding) -> Silence | None:
    found = await site.stores.alerts.find(finding.alert_id)
    assert found is not None
    return found.silence


async def test_it_says_what_why_who_and_which_requests(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("operator")

    html = await page(site, RATE)

    assert RATE.told in html
    assert WHY[Rule.SPEND_RATE] in html
    assert "$41.20" in html
    assert "83 % of the excess" in html
    assert f'href="/console/requests/{EXAMPLE}"' in html
    assert "q=tenant%3Aacme%20feature%3Asearch%20model%3Achat" in html
    for stage in ("retrying", "7 tries", "answer 404: no_team", "delivered"):
        assert stage in html


async def test_its_buttons_lead_to_the_pages_that_help(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("operator")

    html = await page(site, LOOP)

    for place in ("tenants/acme/throttle", "tenants/acme/suspend", f"keys/{KEY}/suspend"):
        assert f'href="/console/{place}"' in html
        assert (await site.client.get(f"/console/{place}")).status_code == 200
    assert 'href="/console/tenants/acme"' in html
    assert "/keys/" not in (await page(site, RATE)).partition("<main")[2]


async def test_a_tenant_that_is_throttled_is_resumed(site: Site) -> None:
    await fill_alerts(site)
    await site.suspend(Scope(ScopeKind.TENANT, "acme"), requests_per_minute=10)
    await site.log_in("operator")

    html = await page(site, RATE)

    assert 'href="/console/tenants/acme/resume"' in html
    assert 'href="/console/tenants/acme/throttle"' not in html
    assert 'href="/console/tenants/acme/suspend"' in html


async def test_a_tenant_that_is_gone_has_no_buttons(site: Site) -> None:
    gone = replace(RATE, tenant_id="gone")
    await site.stores.alerts.save([alert(gone)])
    await site.log_in("operator")

    html = await page(site, gone)

    assert "Tenant gone is not in the file any more" in html
    assert "/console/tenants/gone" not in html


async def test_what_is_about_the_whole_site_leads_to_its_switch(site: Site) -> None:
    of_all = replace(BUDGET, tenant_id=SITE)
    await site.stores.alerts.save([alert(of_all)])
    await site.log_in("operator")

    html = await page(site, of_all)

    assert 'href="/console/site/suspend"' in html
    assert "not in the file any more" not in html


async def test_a_budget_is_named_as_what_may_be_spent(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("viewer")

    html = await page(site, BUDGET)

    assert "<dt>Budget</dt>" in html
    assert "<dt>Usual</dt>" not in html
    assert "$861.00" in html
    assert "<form" not in html.partition("<main")[2]


async def test_a_silence_has_author_reason_and_end(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("operator")

    assert await post(site, RATE, "silence", reason=" known batch ", hours="4") == 303

    until_us = site.clock.now_us() + 4 * HOUR_US
    assert await kept(site, RATE) == Silence(
        until_us=until_us, author="operator", reason="known batch"
    )
    html = await page(site, RATE)
    assert "operator silenced it: known batch" in html
    assert f'action="{path(RATE)}/tell"' in html


async def test_a_silence_is_ended_and_says_by_whom_and_why(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("operator")

    assert await post(site, UNPRICED, "tell", reason="batch is over") == 303

    found = await site.stores.alerts.find(UNPRICED.alert_id)
    assert found is not None
    assert state_of(found, site.clock.now_us()) is AlertState.OPEN
    assert found.silence == replace(
        QUIET, until_us=site.clock.now_us(), author="operator", reason="batch is over"
    )
    assert "batch is over (operator)" in await page(site, UNPRICED)


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"reason": " ", "hours": "4"}, "a reason is missing"),
        ({"reason": "x" * 501, "hours": "4"}, "more than 500 characters"),
        ({"reason": "known", "hours": "9000"}, "is no period"),
        ({"reason": "known"}, "is no period"),
    ],
)
async def test_a_form_filled_in_badly_silences_nothing(
    site: Site, form: dict[str, str], problem: str
) -> None:
    await fill_alerts(site)
    await site.log_in("operator")

    sent = {"csrf": await site.csrf(), **form}
    answer = await site.client.post(f"{path(RATE)}/silence", data=sent)

    assert answer.status_code == 400
    assert problem in answer.text
    assert await kept(site, RATE) is None


@pytest.mark.parametrize(("role", "status"), [("editor", 403), ("operator", 303)])
async def test_operators_silence_and_nobody_below(site: Site, role: str, status: int) -> None:
    await fill_alerts(site)
    await site.log_in(role)

    assert await post(site, RATE, "silence", reason="known", hours="1") == status
    assert (await kept(site, RATE) is not None) == (status == 303)


async def test_another_page_silences_nothing(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("operator")

    form = {"csrf": "0" * 64, "reason": "known", "hours": "1"}
    answer = await site.client.post(f"{path(RATE)}/silence", data=form)

    assert answer.status_code == 403
    assert await kept(site, RATE) is None


async def test_an_unknown_alert_is_not_found(site: Site) -> None:
    await site.log_in("viewer")

    assert (await site.client.get("/console/alerts/al_0")).status_code == 404


async def test_only_a_key_that_is_there_is_offered(site: Site) -> None:
    snapshot = await site.control.snapshot()

    assert key_of(LOOP, snapshot) == KEY
    assert key_of(replace(LOOP, subject=f"key {KEY}"), snapshot) == KEY
    assert key_of(replace(LOOP, subject="key ../suspend"), snapshot) is None
    assert key_of(RATE, snapshot) is None


def test_every_rule_says_why() -> None:
    assert WHY.keys() == set(Rule)
