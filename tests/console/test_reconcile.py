"""The ledger against the bills."""

import re

import pytest
from msgspec.structs import replace
from tests.console.alerting import PROPOSED, TODAY, fill_reports, finding, put
from tests.console.conftest import Site

from trimtab.console import reconcile
from trimtab.console.reconcile import ADVICE, SPAN
from trimtab.cost.reconcile.report import Class
from trimtab.domain.adjustment import UNATTRIBUTED

HERE = "/console/reconcile"
BOOK = f"{HERE}/adjustments/{PROPOSED.id}"


async def page(site: Site, query: str = "") -> str:
    answer = await site.client.get(HERE + query)
    assert answer.status_code == 200
    return answer.text


def cells(html: str) -> list[list[str]]:
    """Read the table of a day as text."""
    table = html.partition('id="day"')[2]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    cut = [re.findall(r"<td.*?>(.*?)</td>", it, re.DOTALL) for it in rows]
    return [[" ".join(re.sub(r"<[^>]*>", " ", it).split()) for it in row] for row in cut]


async def test_nothing_compared_teaches_how(site: Site) -> None:
    await site.log_in("viewer")

    html = await page(site)

    assert "openai: {admin_key: env:OPENAI_ADMIN_KEY}" in html
    assert "trimtab reconcile --day today" in html
    assert "<dl" not in html.partition("<main")[2].partition("</main")[0]


async def test_the_newest_day_is_shown_in_full_what_needs_action_first(site: Site) -> None:
    fill_reports(site)
    await site.log_in("viewer")

    price, late, match = (it[:7] for it in cells(await page(site)))

    assert price[:6] == ["openai proj_apps", "gpt-5", "$101.02", "$90.92", "-$10.10", "price_drift"]
    assert price[6].startswith("gpt-5 output implied 9.00, lock says 10.00")
    assert "they take $9.00, the list says $10.00 per million" in price[6]
    assert late[:6] == ["openai proj_apps", "o4", "$12.40", "$11.90", "-$0.50", "late"]
    assert match[0] == "anthropic proj_apps"


async def test_models_that_are_equal_are_one_row(site: Site) -> None:
    equal = finding("", Class.MATCH, 10, 10)
    put(site, 1, equal, replace(equal, model="o4"), replace(equal, model="o5", account="lab"))
    await site.log_in("viewer")

    assert [it[:3] for it in cells(await page(site))] == [
        ["openai lab", "o5", "$10.00"],
        ["openai proj_apps", "2 models", "$20.00"],
    ]


async def test_every_day_of_the_picture_says_its_difference_and_how_it_stands(site: Site) -> None:
    fill_reports(site)
    await site.log_in("viewer")

    html = await page(site)
    drawn = html.partition('class="drift"')[2].partition("</ol>")[0]

    assert drawn.count("<li>") == SPAN
    assert '>24<span class="unseen">: -$10.60, needs action' in drawn
    assert re.search(r'>23<span class="unseen">: \+\$14\.\d\d, explained', drawn)
    assert '>20<span class="unseen">: $0.00, not fetched whole' in drawn
    assert '>03<span class="unseen"> not compared' in drawn
    assert drawn.count('aria-current="true"') == 1


async def test_up_is_what_they_bill_more_and_the_tallest_fills_its_half(site: Site) -> None:
    put(site, 1, finding("", Class.MISSING_OURS, 10, 50))
    put(site, 2, finding("", Class.MISSING_THEIRS, 50, 30))
    put(site, 3, finding("", Class.ROUNDING, 10, 10.01))
    put(site, 4, finding("", Class.MATCH, 10, 10))
    await site.log_in("viewer")

    drawn = re.findall(r'y="([\d.]+)" height="([\d.]+)"', await page(site))
    equal, least, down, up = [(float(y), float(height)) for y, height in drawn]

    assert up == (reconcile.LEAST, reconcile.MIDDLE - reconcile.LEAST)
    assert down == (reconcile.MIDDLE, (reconcile.MIDDLE - reconcile.LEAST) / 2)
    assert least == (reconcile.MIDDLE - reconcile.LEAST, reconcile.LEAST)
    assert equal == (reconcile.MIDDLE, 0.0)


async def test_figures_are_of_the_day_and_the_span(site: Site) -> None:
    fill_reports(site)
    await site.log_in("viewer")

    html = await page(site)

    assert "-0.8 % of their $1,306.93, 2026-04-24 UTC" in html
    assert '<dd class="figure tone-bad">2</dd>' in html
    assert "the last is 2026-04-24" in html
    # 14.55 of the other key, 6.50 that we have not
    assert "$21.05</span>" in html
    assert '<dd class="figure">2026-04-24</dd>' in html


async def test_one_provider_alone(site: Site) -> None:
    fill_reports(site)
    await site.log_in("viewer")

    html = await page(site, "?provider=anthropic")

    assert [it[0] for it in cells(html)] == ["anthropic proj_apps"]
    assert '<dd class="figure">0</dd>' in html
    assert "provider=anthropic&amp;day=2026-04-20" in html


async def test_a_day_may_be_asked_for_and_one_that_was_not_compared_says_so(site: Site) -> None:
    fill_reports(site)
    await site.log_in("viewer")

    assert "1.2 M tokens more" in await page(site, "?day=2026-04-16")
    assert "2026-04-02 was not compared" in await page(site, "?day=2026-04-02")


@pytest.mark.parametrize("query", ["?day=soon", "?until=2026-13-01", "?day=%3Cscript%3E"])
async def test_what_is_no_day_is_refused(site: Site, query: str) -> None:
    await site.log_in("viewer")

    answer = await site.client.get(HERE + query)

    assert answer.status_code == 400
    assert "is no day" in answer.text
    assert "<script>" not in answer.text


async def test_older_days_are_on_pages_of_their_own_however_far_apart(site: Site) -> None:
    for ago in (1, SPAN, SPAN + 1, 5 * SPAN):
        put(site, ago, finding("", Class.MATCH, ago, ago))
    await site.log_in("viewer")

    path, seen = "?provider=openai", list[str]()
    while path:
        html = await page(site, path)
        seen += re.findall(r'<a class="column" href="[^"]*;day=([\d-]+)"', html)
        older = re.search(r'href="/console/reconcile(\?[^"]*)" rel="next"', html)
        path = older[1].replace("&amp;", "&") if older else ""
        assert not older or "provider=openai" in path

    assert [(TODAY - it).days for it in map(type(TODAY).fromisoformat, seen)] == [
        *(SPAN, 1, SPAN + 1, 5 * SPAN),
    ]
    assert "older ones" in await page(site, "?until=2026-01-20")


async def test_a_line_is_shown_before_it_is_booked(site: Site) -> None:
    fill_reports(site)
    await site.log_in("operator")
    day = await page(site, f"?day={PROPOSED.day}")

    html = (await site.client.get(BOOK)).text

    assert f'href="{BOOK}"' in day
    for told in ("$14.550000000", "4,000,000", UNATTRIBUTED, "proj_apps", PROPOSED.day):
        assert told in html
    assert f"trimtab reconcile --accept {PROPOSED.id} --reason" in html


async def test_a_line_is_booked_once_with_author_and_reason(site: Site) -> None:
    fill_reports(site)
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": "load test, ticket 812"}

    first = await site.client.post(BOOK, data=form)
    html = (await site.client.get(first.headers["location"])).text
    again = await site.client.post(BOOK, data=form)

    change = site.control.changes[-1]
    assert (change.author, change.source, change.reason) == (
        "operator",
        "console",
        "load test, ticket 812",
    )
    assert str(change.pointer) == f"adjustment/{PROPOSED.id}"
    line = site.stores.adjusted[0]
    assert (line.cost_nano, line.tenant_id) == (PROPOSED.cost_nano, UNATTRIBUTED)
    assert {it.line_id for it in site.stores.adjusted} == {line.line_id}
    assert f'by <a href="/console/changes/{change.seq}">change {change.seq}' in html
    assert "load test, ticket 812" in html
    assert "/undo" not in html
    assert BOOK not in html
    assert again.status_code == 303
    assert "done=" not in again.headers["location"]
    assert site.control.changes[-1] is change
    assert "to book it again does nothing" in (await site.client.get(BOOK)).text


async def test_a_day_whose_line_is_booked_needs_no_action(site: Site) -> None:
    adjustment = replace(PROPOSED, day=(TODAY).isoformat())
    put(site, 1, finding("", Class.MISSING_OURS, 10, 24.55, adjustment=adjustment))
    await site.log_in("operator")
    assert "needs action</span></span>" in await page(site)

    await site.client.post(BOOK, data={"csrf": await site.csrf(), "reason": "known"})

    html = await page(site)
    assert "needs action</span></span>" not in html
    assert ADVICE[Class.MISSING_OURS] not in html


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
async def test_without_a_reason_nothing_is_booked(site: Site, reason: str) -> None:
    fill_reports(site)
    await site.log_in("operator")
    before = len(site.control.changes)

    answer = await site.client.post(BOOK, data={"csrf": await site.csrf(), "reason": reason})

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert (site.stores.adjusted, len(site.control.changes)) == ([], before)


async def test_what_was_not_proposed_is_not_found(site: Site) -> None:
    fill_reports(site)
    await site.log_in("operator")
    path = f"{HERE}/adjustments/adj_0"

    shown = await site.client.get(path)
    posted = await site.client.post(path, data={"csrf": await site.csrf(), "reason": "known"})

    assert (shown.status_code, posted.status_code) == (404, 404)
    assert "run `trimtab reconcile` for its day" in shown.text


async def test_a_viewer_is_given_the_id_to_ask_with(site: Site) -> None:
    fill_reports(site)
    await site.log_in("viewer")

    html = await page(site, f"?day={PROPOSED.day}")

    assert f"<code>{PROPOSED.id}</code>" in html
    assert BOOK not in html


def test_every_class_says_what_to_do() -> None:
    assert ADVICE.keys() == set(Class)
    assert all(ADVICE[it] for it in Class if it.needs_action)
