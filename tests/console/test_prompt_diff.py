"""Two versions side by side."""

import pytest
from tests.console.conftest import Site
from tests.console.prompting import HERE, NEW, NEXT, OLD, fill_prompts, publish
from tests.console.test_prompts import words
from tests.registry.site import seed

CHAT = """\
name: chat
version: {version}
description: Talk.
owner: team
messages:
  - {{role: system, content: "{text}"}}
  - {{role: user, content: hello}}
{more}"""


@pytest.fixture
async def filled(site: Site) -> Site:
    await fill_prompts(site)
    await site.log_in("viewer")
    return site


async def test_words_that_changed_stand_on_their_side_only(filled: Site) -> None:
    html = (await filled.client.get(f"{HERE}/diff?from={OLD}&to={NEW}")).text

    before, after = html.split('class="line"')[2].split("</div><div>", 1)
    assert "<del>Cite</del>" in before
    assert "<ins>" not in before
    assert "<ins>Always cite</ins>" in after
    assert "<del>" not in after


async def test_the_verdict_is_that_of_publishing(filled: Site) -> None:
    forth = words((await filled.client.get(f"{HERE}/diff?from={OLD}&to={NEW}")).text)

    assert f"minor at least, and {OLD} → {NEW} is minor: enough" in forth
    assert "instructs otherwise" in forth


async def test_a_number_that_says_too_little_is_said(filled: Site) -> None:
    file = NEXT.replace("[persona]", "[persona, tone]").replace("$question\n", "$question $tone\n")
    file = file.replace("template:", "defaults: {tone: dry}\ntemplate:")
    await publish(filled, file)

    back = words((await filled.client.get(f"{HERE}/diff?from=3.4.0&to={NEW}")).text)

    assert f"major at least, and 3.4.0 → {NEW} is minor: too small" in back


async def test_messages_are_paired_added_and_taken_out(filled: Site) -> None:
    more = '  - {role: assistant, content: "hi"}\n'
    await publish(filled, CHAT.format(version="1.0.0", text="Be brief.", more=more))
    await publish(filled, CHAT.format(version="1.1.0", text="Be long.", more=""))

    html = (await filled.client.get("/console/prompts/chat/diff?from=1.0.0&to=1.1.0")).text

    lines = html.split('<div class="line')[2:]
    assert "<del>brief</del>" in lines[0]
    assert lines[1].startswith(" same")
    assert "<del>hi</del>" in lines[2]
    assert "not there" in lines[2]


async def test_by_itself_it_compares_production_with_the_newest(filled: Site) -> None:
    await publish(filled, NEXT)

    newest = words((await filled.client.get(f"{HERE}/diff")).text)
    below = words((await filled.client.get(f"{HERE}/diff?to={NEW}")).text)

    assert f"{NEW} → 3.4.0" in newest
    assert f"{OLD} → {NEW}" in below


async def test_the_same_content_under_two_numbers_is_said(filled: Site) -> None:
    file = seed("3.3.1", "Always cite").replace("owner: search-team", "owner: other-team")
    await publish(filled, file)

    told = words((await filled.client.get(f"{HERE}/diff?from={NEW}&to=3.3.1")).text)

    assert "they say the same" in told
    assert "Only what stands beside the content changed" in told


async def test_a_version_that_is_not_there_is_a_page_that_says_so(filled: Site) -> None:
    assert (await filled.client.get(f"{HERE}/diff?from=9.9.9")).status_code == 404
