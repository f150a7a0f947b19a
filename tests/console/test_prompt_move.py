"""Moving a label: the preview, what is missing, and the move."""

import re

import httpx2
import pytest
from tests.console.conftest import Site
from tests.console.prompting import (
    ANA,
    HERE,
    NEW,
    OLD,
    at,
    fill_prompts,
    point,
    registry_of,
    vouch,
)
from tests.console.test_prompts import words

from trimtab.domain.errors import TryLater
from trimtab.domain.prompt import Label, Place
from trimtab.store.base.sums import PromptRow


@pytest.fixture
async def filled(site: Site) -> Site:
    await fill_prompts(site)
    await site.log_in("operator")
    return site


async def preview(site: Site, to: str = OLD, scope: str = "default") -> str:
    query = {"label": "production", "scope": scope, "to": to}
    return (await site.client.get(f"{HERE}/move", params=query)).text


async def post(site: Site, html: str, **members: str) -> httpx2.Response:
    """Send the form of a page."""
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', html))
    form |= {"csrf": await site.csrf(), "reason": "TICKET-812", **members}
    return await site.client.post(f"{HERE}/move", data=form)


async def test_a_preview_shows_both_ends_and_who_is_affected(filled: Site) -> None:
    await vouch(filled, OLD)

    told = words(await preview(filled))

    assert re.search(rf"Says +{NEW} +since +change 15 +by ana: shorter answers", told)
    assert re.search(rf"Would say +{OLD}", told)
    assert re.search(r"Difference +minor", told)
    assert re.search(r"Tenants affected +globex +of those", told)
    assert re.search(r"Asks for +eval, review", told)
    assert "Missing" not in told
    assert await at(filled) == Label(version=NEW)


@pytest.mark.parametrize(
    ("scope", "affected"),
    [("tenant:acme", "acme"), ("cohort:tier-smb", "globex"), ("env:prod", "globex")],
)
async def test_who_is_affected_depends_on_the_scope(
    filled: Site, scope: str, affected: str
) -> None:
    told = words(await preview(filled, NEW, scope))

    assert re.search(rf"Tenants affected +{affected} +of those", told)


async def test_a_tier_that_has_its_own_is_not_affected_by_the_default(filled: Site) -> None:
    point(filled, OLD, scope="cohort:tier-smb", reason="pilot")

    assert "nobody that named it in the last hour" in await preview(filled)


async def test_without_figures_a_label_moves_all_the_same(filled: Site) -> None:
    async def away(**_: object) -> tuple[PromptRow, ...]:
        raise TryLater("the records are away")

    await vouch(filled, OLD)
    filled.stores.prompted = away

    html = await preview(filled)

    assert "cannot be told now" in html
    assert (await post(filled, html)).status_code == 303


async def test_a_move_is_a_change_with_reason_and_undo(filled: Site) -> None:
    await vouch(filled, OLD)

    answer = await post(filled, await preview(filled))
    html = (await filled.client.get(answer.headers["location"])).text

    change = filled.control.changes[-1]
    assert await at(filled) == Label(version=OLD)
    assert (change.author, change.reason) == ("operator", "TICKET-812")
    assert f'action="/console/changes/{change.seq}/undo"' in html


async def test_what_is_missing_stops_all_but_admins(filled: Site) -> None:
    html = await preview(filled)

    refused = await post(filled, html, override="yes", label="production", to=OLD, seq="15")
    bare = await post(filled, html, label="production", to=OLD, seq="15")

    assert "Only an admin may go without" in html
    assert "Move production to" not in html
    assert "only an admin may override" in refused.text
    assert "requires eval, review" in bare.text
    assert refused.status_code == bare.status_code == 400
    assert await at(filled) == Label(version=NEW)


async def test_an_admin_overrides_and_it_stays_marked(filled: Site) -> None:
    await filled.log_in("admin")
    html = await preview(filled)

    without = await post(filled, html, override="")
    done = await post(filled, html, override="yes")
    page = (await filled.client.get(done.headers["location"])).text

    assert without.status_code == 400
    assert await at(filled) == Label(version=OLD, override=True)
    assert re.search(rf"default +{OLD} +override", words(page))


async def test_a_preview_that_was_overtaken_moves_nothing(filled: Site) -> None:
    await vouch(filled, OLD)
    html = await preview(filled)
    point(filled, OLD, reason="first")
    point(filled, NEW, reason="second")

    answer = await post(filled, html)

    assert answer.status_code == 400
    assert "no longer at 15" in answer.text
    assert await at(filled) == Label(version=NEW)


async def test_a_label_of_a_scope_can_say_nothing_again(filled: Site) -> None:
    html = await preview(filled, "nothing", "tenant:acme")

    await post(filled, html)

    assert "Have production say nothing here" in html
    assert await at(filled, Place("rag-answer", scope="tenant:acme")) is None


@pytest.mark.parametrize(
    ("to", "scope", "problem"),
    [
        ("9.9.9", "default", "has no version"),
        (NEW, "tenant:nobody", "is no scope"),
        (NEW, "moon", "is no scope"),
    ],
)
async def test_a_preview_says_what_cannot_be(
    filled: Site, to: str, scope: str, problem: str
) -> None:
    html = await preview(filled, to, scope)

    assert problem in html
    assert "Reason, for the change log" not in html


async def test_where_it_points_already_there_is_nothing_to_decide(filled: Site) -> None:
    html = await preview(filled, NEW)

    assert f"It says {NEW} already" in html
    assert "Reason, for the change log" not in html


async def test_what_is_yanked_is_not_offered(filled: Site) -> None:
    await registry_of(filled).yank("rag-answer", NEW, ANA, and_rollback=True)

    html = await preview(filled, NEW)

    assert "is yanked: from the repository" in html
    assert f"<option>{NEW}" not in html


async def test_a_form_without_where_the_label_stood_moves_nothing(filled: Site) -> None:
    await vouch(filled, OLD)

    answer = await post(filled, await preview(filled), seq="")

    assert answer.status_code == 400
    assert "reload the page" in answer.text
