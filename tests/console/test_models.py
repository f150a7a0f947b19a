"""Models: how their targets are doing, and moving them."""

import httpx2
import pytest
from tests.console.conftest import BEARER, Site

from trimtab.domain.model import Target

V1 = "/admin/v1/models"


async def target(site: Site, name: str = "chat") -> Target:
    return (await site.control.snapshot()).models[name].to


async def post(site: Site, **members: str) -> httpx2.Response:
    form = {"csrf": await site.csrf(), "reason": "cheaper", "to": "sim/small", **members}
    return await site.client.post("/console/models/chat/move", data=form)


async def test_lists_targets_with_their_figures_prices_and_breakers(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/models")).text

    assert "<code>sim/small</code>" in html
    assert "0.15 / 0.6" in html
    assert "w2, until" in html
    assert "Move…" not in html


async def test_a_preview_shows_where_it_would_lead_and_at_what_price(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/models/chat/move?to=sim/small=9,sim/huge=1")).text

    assert "Would lead to" in html
    assert "$0.15 in, $0.6 out per million tokens" in html
    assert "no price is known" in html
    assert await target(site) == Target("sim", "large-2026")


async def test_a_move_is_a_change_with_reason_and_undo(site: Site) -> None:
    await site.log_in("operator")

    answer = await post(site)
    html = (await site.client.get(answer.headers["location"])).text

    change = site.control.changes[-1]
    assert await target(site) == Target("sim", "small")
    assert (change.author, change.reason) == ("operator", "cheaper")
    assert f'action="/console/changes/{change.seq}/undo"' in html


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"to": "small"}, "is no target"),
        ({"reason": " "}, "a reason is missing"),
        ({"seq": "1"}, "and no longer at 1"),
        ({"to": "sim/large-2026"}, "is so already"),
    ],
)
async def test_what_cannot_be_done_is_said_on_the_form(
    site: Site, members: dict[str, str], problem: str
) -> None:
    await site.log_in("operator")
    before = len(site.control.changes)

    answer = await post(site, **members)

    assert answer.status_code == 400
    assert problem in answer.text
    assert len(site.control.changes) == before


async def test_the_api_lists_moves_and_takes_back(site: Site) -> None:
    site.client.headers["authorization"] = f"Bearer {BEARER}"
    listed = (await site.client.get(V1)).json()["models"]
    assert [it["model"]["name"] for it in listed] == ["chat", "chat-small"]
    assert listed[1]["ailing"][0]["state"] == "open"

    moved = await site.client.post(f"{V1}/chat/move", json={"to": "sim/small", "reason": "x"})
    assert moved.json()["change"]["pointer"] == "model/chat"
    assert await target(site) == Target("sim", "small")

    await site.client.post(f"{V1}/chat/undo", json={"reason": "worse"})
    assert await target(site) == Target("sim", "large-2026")

    body = {"fallback": {"when_error": ["chat-small"]}, "reason": "flaky"}
    await site.client.post(f"{V1}/chat/fallback", json=body)
    fallback = (await site.control.snapshot()).models["chat"].fallback
    assert fallback.when_error == ("chat-small",)
