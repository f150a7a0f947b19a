"""The list of alerts."""

import re

import pytest
from msgspec.structs import replace
from tests.console.alerting import (
    BUDGET,
    HOSTILE,
    LOOP,
    RATE,
    UNPRICED,
    alert,
    fill_alerts,
    fill_hostile,
)
from tests.console.conftest import Site
from tests.jobs.conftest import ALL, Told

from trimtab.console.alerts import PAGE_SIZE
from trimtab.jobs.channels import Answer
from trimtab.jobs.delivery import Route
from trimtab.jobs.message import Kind

ALERTS = "/console/alerts"


async def listed(site: Site, query: str = "") -> list[str]:
    """Give the ids of the alerts that a page lists, in order."""
    html = (await site.client.get(ALERTS + query)).text
    return re.findall(r'class="row" href="/console/alerts/(\w+)"', html)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [RATE, LOOP]),
        ("?state=all", [RATE, LOOP, UNPRICED, BUDGET]),
        ("?state=silent", [UNPRICED]),
        ("?state=over", [BUDGET]),
        ("?state=all&severity=message", [UNPRICED, BUDGET]),
        ("?state=all&rule=loop", [LOOP]),
        ("?state=all&rule=loop&severity=message", []),
        ("?state=all&tenant=initech", [BUDGET]),
        ("?tenant=initech", []),
    ],
)
async def test_filters_are_in_the_url(site: Site, query: str, found: list[object]) -> None:
    await fill_alerts(site)
    await site.log_in("viewer")

    known = {RATE.alert_id: RATE, LOOP.alert_id: LOOP}
    known |= {UNPRICED.alert_id: UNPRICED, BUDGET.alert_id: BUDGET}
    assert [known[it] for it in await listed(site, query)] == found


@pytest.mark.parametrize(
    "query", ["?rule=none", "?severity=loud", "?state=odd", "?cursor=x", "?rule=%3Cscript%3E"]
)
async def test_a_filter_that_cannot_be_read_says_why(site: Site, query: str) -> None:
    await fill_alerts(site)
    await site.log_in("viewer")

    answer = await site.client.get(ALERTS + query)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "<script>" not in answer.text


async def test_a_long_list_goes_on_and_keeps_its_filter(site: Site) -> None:
    size = 2 * PAGE_SIZE + 7
    many = [alert(RATE, n * 1_000_000, is_over=True) for n in range(size)]
    made = [replace(it, id=f"al_{n:03d}") for n, it in enumerate(many)]
    await site.stores.alerts.save(made)
    await site.log_in("viewer")

    path, seen = "?state=over&tenant=acme", list[str]()
    while path:
        seen += await listed(site, path)
        html = (await site.client.get(ALERTS + path)).text
        older = re.search(r'href="/console/alerts(\?[^"]*)" rel="next"', html)
        path = older[1].replace("&amp;", "&") if older else ""
        assert not older or "tenant=acme" in path

    assert seen == [it.id for it in made]


async def test_a_row_says_how_each_route_stands(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("viewer")

    html = (await site.client.get(ALERTS)).text

    assert "ops delivered" in html
    assert 'chat retrying</span> <span class="quiet">answer 404: no_team' in html
    assert 'mail failed</span> <span class="quiet">answer 550: no such user' in html
    assert "2 wait: answer 404: no_team" in html


async def test_a_test_is_sent_to_one_route_and_its_answer_is_shown(site: Site) -> None:
    ops, chat = Told(), Told(Answer(taken=False, said=f"answer 500: {HOSTILE}"))
    site.stores.routes += [Route("ops", ALL, ops), Route("chat", ALL, chat)]
    await site.log_in("operator")
    form = {"csrf": await site.csrf()}

    taken = (await site.client.post(f"{ALERTS}/routes/ops/test", data=form)).text
    [message] = ops.messages
    refused = (await site.client.post(f"{ALERTS}/routes/chat/test", data=form)).text

    assert (message.kind, message.site, message.alerts) == (Kind.TEST, "prod", ())
    assert "The test was taken by route <strong>ops</strong>: answer 200" in taken
    assert "The test was not taken by route <strong>chat</strong>" in refused
    assert HOSTILE not in refused
    assert len(ops.messages) == 1


async def test_a_route_that_is_not_in_the_file_is_not_found(site: Site) -> None:
    await site.log_in("operator")

    form = {"csrf": await site.csrf()}
    answer = await site.client.post(f"{ALERTS}/routes/nobody/test", data=form)

    assert answer.status_code == 404
    assert "no route &#39;nobody&#39;" in answer.text


async def test_a_viewer_sees_no_buttons(site: Site) -> None:
    await fill_alerts(site)
    await site.log_in("viewer")

    assert "Send a test" not in (await site.client.get(ALERTS)).text


@pytest.mark.parametrize(
    ("query", "taught"),
    [
        ("", "trimtab alerts replay --days 28"),
        ("?state=silent", "trimtab alerts silence"),
        ("?state=all", "There was no alert yet"),
        ("?tenant=acme", "Show all alerts"),
    ],
)
async def test_an_empty_list_teaches_the_next_step(site: Site, query: str, taught: str) -> None:
    await site.log_in("viewer")

    html = (await site.client.get(ALERTS + query)).text

    assert taught in html
    assert "kind: slack, url: env:SLACK_URL" in html


async def test_what_is_open_is_seen_first_on_the_overview(site: Site) -> None:
    await site.log_in("viewer")
    assert 'id="alerts"' not in (await site.client.get("/console")).text
    await fill_alerts(site)

    html = (await site.client.get("/console")).text

    assert f'<a href="/console/alerts/{RATE.alert_id}">acme: money is being spent' in html
    assert UNPRICED.alert_id not in html
    assert html.index('id="alerts"') < html.index("last 1 h, live traffic")


async def test_no_name_is_markup(site: Site) -> None:
    hostile = await fill_hostile(site)
    await site.log_in("operator")

    for path in hostile:
        html = (await site.client.get(path)).text
        assert HOSTILE not in html, path
        assert "&lt;script&gt;alert(1)" in html, path
