"""Models: how their targets are doing, and moving them."""

import re

import httpx2
import pytest
from msgspec.structs import replace
from tests.console.conftest import BEARER, Site

from trimtab.domain.change import PointerKind
from trimtab.domain.errors import TryLater
from trimtab.domain.model import Model, ModelKind, Target
from trimtab.store.base.reading import Tried

V1 = "/admin/v1/models"


async def target(site: Site, name: str = "chat") -> Target:
    return (await site.control.snapshot()).models[name].to


async def post(site: Site, **members: str) -> httpx2.Response:
    form = {"csrf": await site.csrf(), "reason": "cheaper", "to": "sim/small", **members}
    return await site.client.post("/console/models/chat/move", data=form)


def row_of(html: str, name: str) -> str:
    """Cut one model out of the page, as words."""
    (row,) = [it for it in html.split("<tbody>") if f">{name}</a>" in it]
    return re.sub(r"<[^>]*>|\s+", " ", row)


async def test_lists_targets_with_their_figures_prices_and_breakers(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/models")).text

    assert re.search(r"sim/large-2026 +closed +\d+ +\d+\.\d %", row_of(html, "chat"))
    assert "$3 / $15" in row_of(html, "chat")
    assert "change 9 by ana" in row_of(html, "chat")
    assert "w2, 5.00 s left, told 2.00 s ago" in row_of(html, "chat-small")
    assert "Move…" not in html


async def test_a_failed_attempt_counts_though_another_target_answered(site: Site) -> None:
    await site.log_in("viewer")
    to = Target("sim-us", "large")
    sim = (await site.control.snapshot()).providers["sim"]
    site.control.write(PointerKind.PROVIDER, "sim-us", replace(sim, name="sim-us"), reason="x")
    alias = Model(name="backed", kind=ModelKind.ALIAS, to=to)
    site.control.write(PointerKind.MODEL, "backed", alias, reason="x")

    html = (await site.client.get("/console/models")).text

    assert re.search(r"sim-us/large +closed +1 +100 % ", row_of(html, "backed"))


async def test_without_figures_the_models_are_listed_all_the_same(site: Site) -> None:
    async def away(**_: object) -> tuple[Tried, ...]:
        raise TryLater("the records are away")

    await site.log_in("viewer")
    site.stores.tried = away

    html = (await site.client.get("/console/models")).text

    assert "No figures: the records are away" in html
    assert ">chat</a>" in html


async def test_a_preview_shows_where_it_would_lead_and_at_what_price(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/models/chat/move?to=sim/small")).text

    words = re.sub(r"<[^>]*>|\s+", " ", html)
    assert re.search(r"input +\$3 +\$0\.15 +-\$2\.85", words)
    assert re.search(r"Called by +acme *, *globex *, *initech", words)
    assert "tiers smb" in words
    assert await target(site) == Target("sim", "large-2026")


async def test_a_preview_warns_of_a_target_without_a_price(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/models/chat/move?to=sim/small=9,sim/huge=1")).text

    assert "&#39;sim/huge&#39; has no price" in html
    assert "10.0 % of requests" in html


@pytest.mark.parametrize(
    ("to", "problem"),
    [("small", "is no target"), ("nobody/m", "needs provider"), ("sim/a=0", "above 0")],
)
async def test_a_preview_says_what_cannot_be(site: Site, to: str, problem: str) -> None:
    await site.log_in("operator")

    answer = await site.client.get(f"/console/models/chat/move?to={to}")

    assert answer.status_code == 400
    assert problem in answer.text
    assert "Move chat</button>" not in answer.text


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
    assert moved.json()["warnings"] == []
    assert await target(site) == Target("sim", "small")

    await site.client.post(f"{V1}/chat/undo", json={"reason": "worse"})
    assert await target(site) == Target("sim", "large-2026")

    body = {"fallback": {"when_error": ["chat-small"]}, "reason": "flaky"}
    await site.client.post(f"{V1}/chat/fallback", json=body)
    fallback = (await site.control.snapshot()).models["chat"].fallback
    assert fallback.when_error == ("chat-small",)
