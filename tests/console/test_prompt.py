"""One prompt: its labels, figures and versions, and the way back."""

import re

import httpx2
import pytest
from tests.console.conftest import Site
from tests.console.prompting import (
    ANA,
    HERE,
    NEW,
    NEXT,
    OLD,
    at,
    fill_prompts,
    point,
    publish,
    registry_of,
    vouch,
)
from tests.console.test_prompts import words

from trimtab.domain.change import PointerKind
from trimtab.domain.prompt import Label, Place
from trimtab.store.base.reading import Took


@pytest.fixture
async def filled(site: Site) -> Site:
    await fill_prompts(site)
    await site.log_in("operator")
    return site


async def roll_back(site: Site, **members: str) -> httpx2.Response:
    html = (await site.client.get(HERE)).text
    seq = re.findall(r'name="seq" value="(\d+)"', html)[0]
    form = {"csrf": await site.csrf(), "label": "production", "scope": "default", "seq": seq}
    form |= {"reason": "citations missing", **members}
    return await site.client.post(f"{HERE}/rollback", data=form)


async def test_shows_labels_figures_callers_and_versions(filled: Site) -> None:
    await vouch(filled, NEW)
    filled.stores.asked.clear()
    filled.control.asked.clear()

    told = words((await filled.client.get(HERE)).text)

    assert re.search(rf"production +asks for eval, review +tenant:acme +{OLD}", told)
    assert re.search(rf"production +asks for eval, review +default +{NEW}", told)
    assert re.search(rf"{NEW} +2 +50\.0 % +\$0\.01883 +\$0\.009414 +2\.33 s +2\.33 s", told)
    assert re.search(rf"globex +{NEW} +2. +{NEW} +by +default", told)
    assert re.search(rf"acme +{OLD} +1. +{OLD} +by +tenant:acme", told)
    assert re.search(r"passed +ben", told)
    assert filled.stores.asked == {"prompted": 2, "took": 1}
    assert filled.control.asked["history"] == 1


async def test_figures_lead_to_the_requests_behind_them(filled: Site) -> None:
    html = (await filled.client.get(HERE)).text

    assert f"/console/requests?q=prompt%3Arag-answer%20version%3A{NEW}%20since%3A24h" in html


async def test_the_ladder_shows_what_a_tenant_gets(filled: Site) -> None:
    of_acme = words((await filled.client.get(f"{HERE}?tenant=acme&env=prod")).text)
    of_all = words((await filled.client.get(HERE)).text)

    assert re.search(rf"tenant:acme +{OLD}, which they get", of_acme)
    assert re.search(rf"env:prod +says nothing +default +{NEW} +not reached", of_acme)
    assert re.search(rf"default +{NEW}, which they get", of_all)


async def test_a_yank_an_override_and_a_move_back_are_marked(filled: Site) -> None:
    await publish(filled, NEXT)
    await registry_of(filled).yank("rag-answer", "3.4.0", ANA, block=True)
    place = Place("rag-answer", "staging")
    label = Label(version=NEW, override=True, rolled_back=True)
    filled.control.write(PointerKind.LABEL, str(place), label, reason="incident")

    told = words((await filled.client.get(HERE)).text)

    assert re.search(rf"staging +default +{NEW} +override +rolled back", told)
    assert "blocked for all from the repository" in told


async def test_a_rollback_says_where_it_goes_and_forwards_again_is_a_promotion(
    filled: Site,
) -> None:
    html = (await filled.client.get(HERE)).text

    answer = await roll_back(filled)
    done = (await filled.client.get(answer.headers["location"])).text

    assert f"Roll back to {OLD}</button>" in html
    assert await at(filled) == Label(version=OLD, rolled_back=True)
    change = filled.control.changes[-1]
    assert (change.author, change.reason) == ("operator", "citations missing")
    assert "/undo" not in done
    assert "Roll back to" not in done


async def test_a_scope_goes_back_to_saying_nothing(filled: Site) -> None:
    html = (await filled.client.get(f"{HERE}?label=production&scope=tenant:acme")).text
    seq = re.findall(r'name="seq" value="(\d+)"', html)[0]

    await roll_back(filled, scope="tenant:acme", seq=seq)

    assert "Roll back to nothing, so that the next scope counts" in html
    assert await at(filled, Place("rag-answer", scope="tenant:acme")) is None


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"reason": " "}, "a reason is missing"),
        ({"seq": "13"}, "and no longer by 13"),
        ({"label": "staging"}, "points nowhere"),
        ({"scope": "tenant:globex"}, "points nowhere"),
    ],
)
async def test_what_cannot_be_rolled_back_is_said_on_the_page(
    filled: Site, members: dict[str, str], problem: str
) -> None:
    before = len(filled.control.changes)

    answer = await roll_back(filled, **members)

    assert answer.status_code == 400
    assert problem in answer.text
    assert len(filled.control.changes) == before


async def test_a_prompt_that_nobody_asks_for_tells_how_to(filled: Site) -> None:
    html = (await filled.client.get("/console/prompts/triage")).text

    assert "No label points at a version" in html
    assert "move?to=1.0.0" in html
    assert "triage@production" in html


async def test_viewers_see_no_way_to_change_anything(filled: Site) -> None:
    await filled.log_in("viewer")

    html = (await filled.client.get(HERE)).text

    assert "Roll back to" not in html
    assert f"{HERE}/move" not in html
    assert "/console/prompts/new" not in html


async def test_a_long_history_is_cut(filled: Site) -> None:
    for number in range(30):
        point(filled, (OLD, NEW)[number % 2], reason=f"flip {number}")

    html = (await filled.client.get(HERE)).text

    assert html.count('class="reason"') == 20
    assert "flip 29" in html


async def test_latency_is_left_out_where_no_record_is(filled: Site) -> None:
    async def took(**_: object) -> tuple[Took, ...]:
        return ()

    filled.stores.took = took

    told = words((await filled.client.get(HERE)).text)

    assert re.search(r"\$0\.009414 +– +–", told)  # noqa: RUF001


async def test_no_such_prompt_is_a_page_that_says_so(filled: Site) -> None:
    answer = await filled.client.get("/console/prompts/nobody")

    assert answer.status_code == 404
    assert "there is no prompt" in answer.text
