"""Writing a version: its plan, and publishing it."""

import html as markup

import httpx2
import pytest
from tests.console.conftest import Site
from tests.console.prompting import NEW, NEXT, fill_prompts, registry_of
from tests.console.test_prompts import words
from tests.registry.site import seed

PATH = "/console/prompts/new"
JINJA = """\
name: run
version: 1.0.0
description: Loop.
owner: team
engine: jinja
variables:
  who: {type: string, x-trust: author}
template: "Hello {{ who }}"
"""


@pytest.fixture
async def filled(site: Site) -> Site:
    await fill_prompts(site)
    await site.log_in("editor")
    return site


async def post(site: Site, file: str, act: str = "plan", reason: str = "new") -> httpx2.Response:
    form = {"csrf": await site.csrf(), "file": file, "act": act, "reason": reason}
    return await site.client.post(PATH, data=form)


def written(page: str) -> str:
    """Read what stands in the editor, as a browser does."""
    return markup.unescape(
        page.partition('aria-label="Prompt file">\n')[2].partition("</textarea")[0]
    )


async def test_a_new_prompt_begins_with_an_example_that_can_be_published(filled: Site) -> None:
    file = written((await filled.client.get(PATH)).text)

    answer = await post(filled, file)

    assert "may be published" in answer.text
    assert "Publish 1.0.0 for ever" in answer.text


async def test_an_edit_begins_with_the_file_of_a_version(filled: Site) -> None:
    page = (await filled.client.get(f"{PATH}?from=rag-answer@{NEW}")).text

    assert written(page) == seed(NEW, "Always cite")


async def test_a_plan_publishes_nothing_and_keeps_what_was_written(filled: Site) -> None:
    before = len(filled.control.changes)

    answer = await post(filled, NEXT.replace("\n", "\r\n"))

    assert answer.status_code == 200
    assert "minor" in words(answer.text)
    assert written(answer.text).replace("\r\n", "\n") == NEXT
    assert len(filled.control.changes) == before


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (seed(NEW, "Never cite"), "give it a number of its own, 3.3.1 or above"),
        (seed("3.3.1", "Never cite"), "3.4.0"),
        (seed("3.4.0", "Cite $nobody"), "R004"),
        ("name: rag-answer\nversion: 1\nvolume: 3", "volume"),
        ("", "add it"),
    ],
)
@pytest.mark.parametrize("act", ["plan", "publish"])
async def test_what_cannot_be_published_says_why_and_offers_no_button(
    filled: Site, file: str, told: str, act: str
) -> None:
    before = len(filled.control.changes)

    answer = await post(filled, file, act)

    assert answer.status_code == 400
    assert told in markup.unescape(answer.text)
    assert 'value="publish"' not in answer.text
    assert len(filled.control.changes) == before


async def test_publishing_leads_to_the_version_and_offers_no_undo(filled: Site) -> None:
    answer = await post(filled, NEXT, "publish", "shorter")
    page = (await filled.client.get(answer.headers["location"])).text

    change = filled.control.changes[-1]
    assert (change.author, change.reason) == ("editor", "shorter")
    assert f"change {change.seq}" in page
    assert "somebody else has to review it" in page
    assert "/undo" not in page
    assert (await registry_of(filled).prompts()).find("rag-answer", "3.4.0") is not None


async def test_publishing_asks_for_a_reason(filled: Site) -> None:
    answer = await post(filled, NEXT, "publish", " ")

    assert answer.status_code == 400
    assert "a reason is missing" in answer.text
    assert 'value="publish"' in answer.text


async def test_what_is_published_already_is_said_and_stays(filled: Site) -> None:
    before = len(filled.control.changes)

    plan = await post(filled, seed(NEW, "Always cite"))
    again = await post(filled, seed(NEW, "Always cite"), "publish")

    assert "published already" in plan.text
    assert 'value="publish"' not in plan.text
    assert again.headers["location"] == f"/console/prompts/rag-answer/versions/{NEW}"
    assert len(filled.control.changes) == before


async def test_what_runs_on_the_server_is_published_by_admins_only(filled: Site) -> None:
    refused = await post(filled, JINJA, "publish")
    await filled.log_in("admin")
    done = await post(filled, JINJA, "publish")

    assert "have an admin publish it" in refused.text
    assert done.status_code == 303


async def test_a_prompt_cannot_take_the_name_of_this_page(filled: Site) -> None:
    answer = await post(filled, NEXT.replace("name: rag-answer", "name: new"))

    assert "is no name" in markup.unescape(answer.text)
