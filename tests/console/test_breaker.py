"""Breakers by hand, in the console and the admin API."""

import re

import httpx2
import pytest
from tests.console.conftest import HOUR_US, START_US, V1, Site
from tests.console.test_models import row_of

from trimtab.domain.health import BreakerOrder


async def post(site: Site, **members: str) -> httpx2.Response:
    form = {"csrf": await site.csrf(), "reason": "slow", "target": "sim/small", **members}
    return await site.client.post("/console/breaker", data=form)


async def order(site: Site) -> BreakerOrder | None:
    return (await site.control.snapshot()).breakers.get("sim/small")


async def test_a_held_breaker_is_shown_beside_its_target_and_can_be_undone(site: Site) -> None:
    await site.log_in("operator")

    answer = await post(site, state="open", hours="1")
    html = (await site.client.get(answer.headers["location"])).text

    assert re.search(r"held open +slow, until 2026", row_of(html, "chat-small"))
    assert html.count("held open") == 1
    change = site.control.changes[-1]
    assert (str(change.pointer), change.author) == ("breaker/sim/small", "operator")
    assert f'action="/console/changes/{change.seq}/undo"' in html
    made = await order(site)
    assert made is not None
    assert made.until_us == START_US + HOUR_US

    undone = {"csrf": await site.csrf(), "reason": "too early"}
    await site.client.post(f"/console/changes/{change.seq}/undo", data=undone)
    assert await order(site) is None


async def test_closing_is_a_change_each_time(site: Site) -> None:
    await site.log_in("operator")

    for _ in range(2):
        site.clock.advance(1)
        assert (await post(site, state="closed")).status_code == 303

    said = [it for it in site.control.changes if str(it.pointer) == "breaker/sim/small"]
    assert len(said) == 2
    assert ">closed</td>" in (await site.client.get("/console/changes")).text


async def test_asks_with_who_is_concerned_and_whom_they_would_ask(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/breaker?target=sim/small")).text

    assert "<dt>chat-small</dt><dd>has no other target</dd>" in html
    assert "at w2" in html


@pytest.mark.parametrize(
    ("members", "problem"),
    [({"reason": " "}, "a reason is missing"), ({"hours": "7"}, "is not a period")],
)
async def test_what_cannot_be_done_is_said_on_the_form(
    site: Site, members: dict[str, str], problem: str
) -> None:
    await site.log_in("operator")

    answer = await post(site, state="open", **members)

    assert answer.status_code == 400
    assert problem in answer.text
    assert await order(site) is None


@pytest.mark.parametrize("target", ["", "small", "nobody/m"])
async def test_a_target_that_is_none_has_no_page(site: Site, target: str) -> None:
    await site.log_in("operator")

    answer = await site.client.get(f"/console/breaker?target={target}")

    assert answer.status_code == 404


async def test_the_api_opens_and_closes_and_lists(site: Site, api: httpx2.AsyncClient) -> None:
    body = {"target": "sim/small", "reason": "slow", "until_us": START_US + HOUR_US}
    opened = await api.post(f"{V1}/breakers/open", json=body)
    assert opened.json()["change"]["pointer"] == "breaker/sim/small"
    listed = (await api.get(f"{V1}/models")).json()["models"]
    assert [list(it["breakers"]) for it in listed] == [[], ["sim/small"]]

    await api.post(f"{V1}/breakers/close", json={"target": "sim/small", "reason": "over"})
    listed = (await api.get(f"{V1}/models")).json()["models"]
    assert [it["breakers"] for it in listed] == [{}, {}]

    gone = await api.post(f"{V1}/breakers/open", json={**body, "until_us": START_US - 1})
    assert gone.status_code == 400
    assert (await order(site)) is not None
