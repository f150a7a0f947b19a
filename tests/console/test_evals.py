"""The list of evaluation runs."""

import re

import pytest
from msgspec.structs import replace
from tests.console.conftest import HOUR_US, START_US, Site
from tests.console.evaluating import (
    ATTACK,
    EVALS,
    HOSTILE_RUN,
    NEW,
    OLD,
    UNDECIDED,
    fill_hostile_run,
    fill_runs,
    scored,
    store,
)

from trimtab.console.evals import PAGE_SIZE


async def listed(site: Site, query: str = "") -> list[str]:
    """Give the ids of the runs that a page lists, in order."""
    html = (await site.client.get(EVALS + query)).text
    return re.findall(r'class="row" href="/console/evals/(\w+)"', html)


async def test_runs_are_listed_newest_first_with_verdict_scores_and_cost(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    html = (await site.client.get(EVALS)).text
    found = await listed(site)

    assert found[:2] == [UNDECIDED, NEW]
    assert found[-1] == OLD
    newest = html.partition(f"/console/evals/{NEW}")[2].partition("</tr>")[0]
    for told in ("FAIL", "regression", "rag-answer@3.3.0", "against rag-answer@3.2.0", ".887"):
        assert told in newest
    assert "$1.61" in newest
    assert "not judged" in html.partition(f"/console/evals/{UNDECIDED}")[2].partition("</tr>")[0]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?suite=smoke", 1),
        ("?suite=rag-golden", 9),
        ("?verdict=FAIL", 1),
        ("?verdict=not+judged", 1),
        ("?verdict=PASS&suite=smoke", 0),
        ("?prompt=rag-answer", 10),
        ("?prompt=triage", 0),
    ],
)
async def test_filters_are_in_the_url(site: Site, query: str, count: int) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    assert len(await listed(site, query)) == count


@pytest.mark.parametrize("query", ["?verdict=MAYBE", "?cursor=x", "?verdict=%3Cscript%3E"])
async def test_a_filter_that_cannot_be_read_says_why(site: Site, query: str) -> None:
    await site.log_in("viewer")

    found = await site.client.get(EVALS + query)

    assert found.status_code == 400
    assert 'role="alert"' in found.text
    assert "<script>" not in found.text


async def test_pages_follow_each_other_without_gap_or_repeat(site: Site) -> None:
    ids = [f"ev_{at:03d}" for at in range(PAGE_SIZE + 3)]
    for at, run_id in enumerate(ids):
        store(site, scored(run_id, 1, START_US + at * HOUR_US, n=4))
    await site.log_in("viewer")

    first = await listed(site)
    html = (await site.client.get(EVALS)).text
    older = re.search(r'href="/console/evals(\?cursor=\w+)" rel="next"', html)
    assert older is not None
    second = await listed(site, older[1])

    assert first + second == ids[::-1]
    assert 'rel="next"' not in (await site.client.get(EVALS + older[1])).text


async def test_a_suite_is_drawn_over_its_runs_and_told_in_a_table(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}?suite=rag-golden")).text

    assert html.count("<tt-chart") == 2
    assert "faithfulness over 9 runs: from .910 to .887" in html
    assert "[.857, .917]" in html
    assert "latency" not in html.partition("over time")[2].partition("</h2>")[0]


async def test_a_decision_on_another_content_is_not_told(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")
    store(site, replace(scored(NEW, 2, START_US - 3 * HOUR_US)))

    html = (await site.client.get(EVALS)).text

    assert "not judged" in html.partition(f"/console/evals/{NEW}")[2].partition("</tr>")[0]


async def test_an_empty_page_teaches_the_next_step(site: Site) -> None:
    await site.log_in("viewer")

    assert "trimtab evals run" in (await site.client.get(EVALS)).text


async def test_what_a_suite_calls_itself_is_text(site: Site) -> None:
    fill_hostile_run(site)
    await site.log_in("viewer")

    html = (await site.client.get(EVALS)).text

    assert HOSTILE_RUN in html
    assert "<img src=x" not in html
    assert "\u202e" not in html
    assert "&lt;img src=x" in html
    assert ATTACK not in html
    assert "49" not in re.findall(r"script&gt;.{0,12}", html)
