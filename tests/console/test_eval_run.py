"""One evaluation run."""

import gzip
import re
import shlex
from html import unescape

import pytest
from msgspec.structs import replace
from tests.console.conftest import START_US, Site
from tests.console.evaluating import (
    ATTACK,
    EVALS,
    HOSTILE_RUN,
    NEW,
    UNDECIDED,
    fill_hostile_run,
    fill_runs,
    line,
    scored,
    store,
)
from tests.evals.runs import run as one_arm

from trimtab.console.eval_run import PAGE_SIZE
from trimtab.evals.decided import Decided
from trimtab.evals.result import Stop


def cases(html: str) -> list[str]:
    return re.findall(r'case=(q-\d+)#case"', html)


async def test_a_run_tells_its_verdict_and_every_figure_of_its_metrics(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{NEW}")).text

    for told in (
        "FAIL",
        "the candidate is worse than the baseline",
        ".887",
        "-.063",
        "[-.113, -.013]",
        ".040",
        ".85",
        "not known to agree with people",
        "Warning: the price of one model is unknown",
        "1 without a score, q-0058",
        "faithfulness[billing]",
        "/console/requests/r_candidate_0",
        "trimtab evals run evals/rag-golden.yaml --candidate rag-answer@3.3.0",
        "/console/prompts/rag-answer/versions/3.3.0",
    ):
        assert told in html, told
    assert html.count('class="whisker') == 3


async def test_what_became_worse_is_shown_side_by_side_the_gravest_first(site: Site) -> None:
    made = scored(NEW, 2, START_US)
    deeper = [
        replace(
            it, scores={**it.scores, "faithfulness": replace(it.scores["faithfulness"], value=0.1)}
        )
        if it.case == "q-0001" and it.arm == "candidate"
        else it
        for it in made.samples
    ]
    store(site, replace(made, samples=tuple(deeper)))
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{NEW}")).text
    worst = html.partition('id="worst"')[2].partition("</section>")[0]

    assert re.findall(r'<summary><span class="any">(q-\d+)', worst) == ["q-0001", "q-0000"]
    assert "baseline says 1" in worst
    assert "candidate says 1" in worst
    assert "because" in worst
    assert cases(html)[:4] == ["q-0001", "q-0000", "q-0058", "q-0059"]


async def test_cases_come_in_pages_without_gap_or_repeat(site: Site) -> None:
    store(site, scored(NEW, 3, START_US, n=2 * PAGE_SIZE + 5))
    await site.log_in("viewer")
    path, found = f"{EVALS}/{NEW}", list[str]()

    for _ in range(3):
        html = (await site.client.get(path)).text
        found += cases(html)
        older = re.search(r'href="([^"]+)" rel="next"', html)
        path = older[1].replace("&amp;", "&") if older else ""

    assert not path
    assert sorted(found) == [f"q-{at:04d}" for at in range(2 * PAGE_SIZE + 5)]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("worse", ["q-0000", "q-0001"]),
        ("error", ["q-0058"]),
        ("better", ["q-0059"]),
    ],
)
async def test_cases_are_narrowed_to_a_kind(site: Site, kind: str, found: list[str]) -> None:
    store(site, scored(NEW, 2, START_US))
    await site.log_in("viewer")

    assert cases((await site.client.get(f"{EVALS}/{NEW}?show={kind}")).text) == found


async def test_one_case_is_shown_in_full(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{NEW}?case=q-0059")).text

    one = html.partition('id="case"')[2].partition("</section>")[0]
    assert ".50 → 1.000" in one or ".50 → 1.00" in one
    assert "What of 59?" in one
    assert 'id="worst"' not in html


@pytest.mark.parametrize(
    ("query", "status"),
    [("?show=odd", 400), ("?cursor=nobody", 400), ("?case=nobody", 404), ("?figures=odd", 200)],
)
async def test_what_cannot_be_shown_says_why(site: Site, query: str, status: int) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    assert (await site.client.get(f"{EVALS}/{NEW}{query}")).status_code == status


async def test_a_run_that_is_not_there_is_not_found(site: Site) -> None:
    await site.log_in("viewer")

    for name in ("ev_0", "x", "..%2f..%2fetc"):
        assert (await site.client.get(f"{EVALS}/{name}")).status_code == 404


async def test_without_a_decision_it_says_who_makes_one_and_computes_when_asked(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    plain = (await site.client.get(f"{EVALS}/{UNDECIDED}")).text
    figured = (await site.client.get(f"{EVALS}/{UNDECIDED}?figures=now")).text

    assert f"trimtab evals gate {UNDECIDED}" in plain
    assert "whisker" not in plain
    assert 'class="whisker' in figured
    assert "the gate gives the verdict" in figured
    assert ">Verdict<" not in figured


async def test_a_run_that_was_stopped_says_how_to_go_on(site: Site) -> None:
    store(site, replace(scored(NEW, 2, START_US), stopped=Stop.BUDGET))
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{NEW}")).text

    assert "not complete: budget" in html
    assert f"--resume {NEW}" in html


async def test_without_a_baseline_the_lowest_scores_come_first(site: Site) -> None:
    store(site, one_arm({"faithfulness": [1.0, 0.2, 0.6]}, run_id=NEW))
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{NEW}")).text

    assert "What scored lowest" in html
    assert cases(html) == ["q-0001", "q-0002", "q-0000"]


async def test_nothing_that_a_model_or_a_suite_says_is_markup(site: Site) -> None:
    fill_hostile_run(site)
    await site.log_in("viewer")

    listed = (await site.client.get(f"{EVALS}/{HOSTILE_RUN}")).text
    case = ATTACK + "q-0000"
    one = (await site.client.get(f"{EVALS}/{HOSTILE_RUN}", params={"case": case})).text

    for html in (listed, one):
        assert "<img src=x" not in html
        assert "<script>alert" not in html
        assert "\u202e" not in html
        assert "{{ 7*7 }}" in html
        assert html.count("&lt;img src=x") > 5
    assert 'id="case"' in one


async def test_a_command_to_copy_runs_nothing_of_what_a_suite_says(site: Site) -> None:
    fill_hostile_run(site)
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{HOSTILE_RUN}")).text
    told = html.partition("command that runs it again")[2].partition("<code>")[2]
    words = shlex.split(unescape(told.partition("</code>")[0]))

    assert words[:3] == ["trimtab", "evals", "run"]
    assert words[3].startswith("'; rm -rf ~ #")
    assert words[4:5] == ["--candidate"]


async def test_a_thousand_cases_stay_a_small_page(site: Site) -> None:
    made = scored(NEW, 300, START_US, n=1000)
    texts = tuple(
        replace(it, text=" ".join(f"{hash((it.case, it.arm, n)):x}" for n in range(120)))
        for it in made.samples
    )
    store(site, replace(made, samples=texts), Decided(verdict="PASS", lines=(line(0.9),)))
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/{NEW}")).text

    assert len(gzip.compress(html.encode())) < 50_000
    assert len(cases(html)) == PAGE_SIZE
