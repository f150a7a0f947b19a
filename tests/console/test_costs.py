"""What did they cost."""

import re

import httpx2
import pytest
from msgspec.structs import replace
from tests.console.conftest import START_US, V1, Site

from trimtab.console.failure import STATUS
from trimtab.domain.alert import Alert, Finding, Rule
from trimtab.domain.budget import Budget
from trimtab.domain.change import PointerKind
from trimtab.domain.errors import TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import Tenant
from trimtab.store.base.recording import StoredRecord

PATH = "/console/costs"
DAY_US = 86_400_000_000


async def page(site: Site, query: str = "") -> str:
    await site.log_in("viewer")
    return (await site.client.get(PATH + query)).text


def alert(tenant: str = "acme", rule: Rule = Rule.LOOP, told: str = "132 calls") -> Alert:
    finding = Finding(
        rule=rule, tenant_id=tenant, window="day:2026-04-25", told=told, samples=("r_01",)
    )
    return Alert(id=finding.alert_id, finding=finding, opened_us=START_US, seen_us=START_US)


def moved(stored: StoredRecord, ts_us: int) -> StoredRecord:
    return replace(stored, record=replace(stored.record, ts_us=ts_us))


async def test_it_begins_with_this_month_of_everybody_by_tenant(site: Site) -> None:
    html = await page(site)

    assert "Costs of all tenants, April 2026" in html
    assert "month to date, USD" in html
    assert '<td><a class="row" href="/console/tenants/globex">globex</a>' in html
    assert 'aria-label="Costs by feature"' in html
    assert "reconciled with the providers to 2026-04-24" in html
    assert "18.0 KiB that workers wrote are not in it yet as of" in html


async def test_of_one_tenant_it_is_by_feature_in_its_own_days(site: Site) -> None:
    tenant = Tenant(id=TenantId("acme"), tier="smb", timezone="Pacific/Kiritimati")
    site.control.write(PointerKind.TENANT, "acme", tenant, reason="moved")

    html = await page(site, "?tenant=acme")

    assert "Costs of acme, April 2026" in html
    assert "Each day, by feature" in html
    assert "Days begin at midnight, Pacific/Kiritimati" in html
    assert 'aria-label="Costs by model"' in html


@pytest.mark.parametrize(
    ("zone", "month"), [("Pacific/Kiritimati", "May"), ("Pacific/Honolulu", "April")]
)
async def test_this_month_is_that_of_the_tenant(site: Site, zone: str, month: str) -> None:
    site.clock.advance((1_777_593_600_000_000 - START_US) / 1e6)  # 2026-05-01 00:00 UTC
    tenant = Tenant(id=TenantId("acme"), tier="smb", timezone=zone)
    site.control.write(PointerKind.TENANT, "acme", tenant, reason="moved")

    assert f"Costs of acme, {month} 2026" in await page(site, "?tenant=acme")


async def test_a_key_goes_by_its_name(site: Site) -> None:
    html = await page(site, "?by=key_id")

    assert 'acme-prod <span class="quiet">7hq2m9xkd4wp</span>' in html


async def test_the_chart_and_each_table_say_the_same_total(site: Site) -> None:
    html = await page(site, "?by=feature")

    total = sum(it.record.cost_nano or 0 for it in site.stores.records)
    exact = f"${total // 10**9}.{total % 10**9:09d}"
    tables = re.findall(r"<tfoot>.*?</tfoot>", html, re.DOTALL)
    assert len(tables) == 2
    assert all(exact in it for it in tables)
    assert f'<dd class="figure"><span class="num" title="{exact}">' in html


async def test_the_month_end_is_told_with_how_it_was_guessed(site: Site) -> None:
    for stored in list(site.stores.records):
        for n in (1, 2):
            site.stores.records.append(moved(stored, stored.record.ts_us - n * DAY_US))

    html = await page(site)

    assert "mean of 2 complete days for each day left" in html
    assert re.search(r"≈ \$[0-9.]+ if all are like the cheapest", html)


async def test_a_month_that_is_over_has_no_forecast(site: Site) -> None:
    html = await page(site, "?month=2026-03")

    assert "Month end" not in html
    assert "Nothing was spent in March 2026" in html
    assert "trimtab costs --month 2026-02" in html
    assert "month=2026-04" in html


async def test_a_span_shows_both_its_days(site: Site) -> None:
    html = await page(site, "?from=2026-04-25&to=2026-04-25")

    assert "Costs of all tenants, 2026-04-25" in html
    assert 'name="from" value="2026-04-25"' in html
    assert "from=2026-04-25&amp;to=2026-04-25" in html


async def test_what_runs_away_is_seen(site: Site) -> None:
    await site.stores.alerts.save([alert(), alert("globex", Rule.SPEND_3X_28D, "<b>26 Nov</b>")])

    everybody, one = await page(site), await page(site, "?tenant=globex")

    assert "calls repeat themselves" in everybody
    assert '<a href="/console/requests/r_01">' in everybody
    assert "calls repeat themselves" not in one
    assert "&lt;b&gt;26 Nov" in one
    assert "report only" in one


async def test_budgets_are_drawn(site: Site) -> None:
    tenant = Tenant(id=TenantId("acme"), tier="smb", budget=Budget(nano=1))
    site.control.write(PointerKind.TENANT, "acme", tenant, reason="bound")

    html = await page(site, "?tenant=acme")

    assert "Budget of tenant &#39;acme&#39; for this month" in html
    assert "100 % is spent, 83 % of the time is over" in html
    assert "trimtab budgets set" in await page(site, "?tenant=globex")


async def test_a_tenant_that_is_gone_is_still_asked_about(site: Site) -> None:
    html = await page(site, "?tenant=%3Cb%3Egone")

    assert "Costs of &lt;b&gt;gone" in html
    assert 'href="/console/tenants/&lt;b' not in html


@pytest.mark.parametrize(
    "query",
    [
        "?month=nonsense",
        "?by=mood",
        "?by=day",
        "?from=2026-04-02&to=2026-04-01",
        "?from=2020-01-01",
    ],
)
async def test_what_cannot_be_read_is_refused(site: Site, query: str) -> None:
    await site.log_in("viewer")

    assert (await site.client.get(PATH + query)).status_code == 400


async def test_without_figures_the_page_says_why(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(**_: object) -> None:
        raise TryLater("the disk is full")

    monkeypatch.setattr(site.stores, "costs", away)

    html = await page(site)

    assert "No figures: the disk is full" in html
    assert dict(STATUS)[TryLater] == 503
    assert (await site.client.get(f"{PATH}.csv")).status_code == 503


async def test_csv_is_what_is_shown_whole(site: Site) -> None:
    html = await page(site, "?tenant=acme")
    href = re.findall(r'href="(/console/costs\.csv[^"]*)">CSV<', html)[0].replace("&amp;", "&")

    answer = await site.client.get(href)

    assert answer.headers["content-type"].startswith("text/csv")
    name = "costs-acme-2026-04-01-2026-04-30.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.text.startswith("feature,requests,input_tokens")
    by_day = await site.client.get(f"{PATH}.csv?by=day,feature&tenant=%22%0Ax")
    assert by_day.headers["content-disposition"].endswith('"costs-2026-04-01-2026-04-30.csv"')


async def test_programs_get_the_days_up_to_and_without_the_last(api: httpx2.AsyncClient) -> None:
    path = f"{V1}/costs?tenant=acme&group_by=feature,model"
    half_open = (await api.get(f"{path}&from=2026-04-01&to=2026-05-01")).json()
    month = (await api.get(f"{path}&month=2026-04")).json()

    assert half_open == month
    assert month["group_by"] == ["feature", "model"]
    assert month["cost_nano"] == sum(row["cost_nano"] for row in month["rows"]) > 0
    assert {"feature", "model", "requests", "cost_usd"} < month["rows"][0].keys()
    assert month["as_of_us"] == START_US
    assert (month["waiting_bytes"], month["reconciled_to"]) == (18_432, "2026-04-24")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("by=feature", "cannot be asked with 'by'"),
        ("q=since%3A1h", "cannot be asked with 'q'"),
        ("group_by=mood", "cannot group by 'mood'"),
        ("from=2026-04-01&to=2026-04-01", "'to' is the first day that is not asked for"),
    ],
)
async def test_programs_are_told_what_cannot_be_asked(
    api: httpx2.AsyncClient, query: str, told: str
) -> None:
    answer = await api.get(f"{V1}/costs?{query}")

    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]
