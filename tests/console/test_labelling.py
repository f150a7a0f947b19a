"""Answers are labelled blind, one after the other."""

import re
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from tests.console.conftest import Site
from tests.console.evaluated import JUDGED, LABEL, RAG, store
from tests.evals.labelled import run_of, values

from trimtab.evals.labels import in_force


@pytest.fixture(autouse=True)
async def editor(site: Site) -> None:
    store(site.desk, RAG)
    await site.log_in("editor")


async def page(site: Site, path: str = LABEL) -> str:
    return (await site.client.get(path)).text


def shown(html: str) -> dict[str, str]:
    return dict(re.findall(r'name="(case|answer)" value="([^"]*)"', html))


async def press(site: Site, key: str, form: dict[str, str] | None = None) -> str:
    """Press a key as a browser does; gives the page that follows."""
    if form is None:
        form = shown(await page(site))
    sent = {**form, "key": key, "csrf": await site.csrf()}
    answer = await site.client.post(LABEL, data=sent)
    if answer.status_code != 303:
        return answer.text
    return await page(site, answer.headers["location"])


def said(site: Site) -> list[float | None]:
    return [it.value for it in site.desk.labels("rag-golden")]


async def test_an_answer_is_shown_with_what_the_judge_saw(site: Site) -> None:
    html = await page(site)

    number = shown(html)["case"].removeprefix("q-")
    assert f"What of {number}?" in html
    assert f"Text of {number}." in html
    assert f"nswer {number}." in html
    assert "0 of 200 labelled" in html
    assert "How much of what it claims do the texts support?" in html
    assert re.findall(r'data-press="(.)"', html) == ["1", "2", "3", "4", "5", "s"]


async def test_nothing_on_it_says_how_the_judge_scored_or_which_arm_it_is(site: Site) -> None:
    for _ in range(12):
        html = await press(site, "3")
        for word in ("baseline", "candidate", "0.123456", "rag-answer", "claude"):
            assert word not in html


async def test_a_value_is_kept_under_the_raters_name_and_the_next_answer_shown(
    site: Site,
) -> None:
    first = shown(await page(site))

    html = await press(site, "4")

    (label,) = site.desk.labels("rag-golden")
    assert (label.case_id, label.answer_hash) == (first["case"], first["answer"])
    assert (label.value, label.rater, label.metric) == (0.75, "editor", "faithfulness")
    assert label.at.timestamp() == site.clock.now_us() / 1e6
    assert shown(html) != first
    assert "1 of 200 labelled" in html


async def test_the_last_value_is_taken_back_and_given_anew(site: Site) -> None:
    first = shown(await page(site))
    await press(site, "1")
    site.clock.advance(1)

    html = await press(site, "u")

    assert shown(html) == first
    assert "0 of 200 labelled" in html
    site.clock.advance(1)
    await press(site, "5", shown(html))
    assert said(site) == [0, None, 1]
    assert [it.value for it in in_force(site.desk.labels("rag-golden")).values()] == [1]


async def test_where_nothing_was_said_nothing_is_taken_back(site: Site) -> None:
    assert 'value="u"' not in await page(site)

    await press(site, "u")

    assert said(site) == []


async def test_what_cannot_be_told_is_skipped_and_shown_at_the_end(site: Site) -> None:
    run = replace(run_of(values(JUDGED[:2])), run_id=RAG.run_id)
    store(site.desk, run)
    first = shown(await page(site))

    await press(site, "s")
    html = await press(site, "1")

    assert "You have seen every answer" in html
    assert "1 of 2 labelled, 1 skipped" in html
    link: str = re.findall(r'href="([^"]*)">Show a skipped one', html)[0]
    again = link.replace("&amp;", "&")
    assert urlsplit(again).path == LABEL
    assert shown(await page(site, again)) == first
    assert f"trimtab evals calibrate {run.file} --run {run.run_id}" in html


async def test_a_key_without_a_value_is_refused(site: Site) -> None:
    html = await press(site, "9")

    assert "no value has the key &#39;9&#39;; choose of 1, 2, 3, 4, 5" in html
    assert said(site) == []


async def test_an_answer_of_another_run_is_not_found(site: Site) -> None:
    form = {"case": "q-1", "answer": "0" * 64, "key": "1", "csrf": await site.csrf()}

    answer = await site.client.post(LABEL, data=form)

    assert answer.status_code == 404
    assert said(site) == []


@pytest.mark.parametrize(
    "path",
    [
        "/console/evals/label/ev_nobody/faithfulness",
        "/console/evals/label/..%2Fetc/faithfulness",
        f"/console/evals/label/{RAG.run_id}/exact_match",
        f"{LABEL}?case=q-1&answer=x",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert (await site.client.get(path)).status_code == 404


async def test_it_takes_an_editor_and_the_sessions_own_form(site: Site) -> None:
    form = {**shown(await page(site)), "key": "1"}
    assert (await site.client.post(LABEL, data=form)).status_code == 403

    await site.log_in("viewer")

    assert (await site.client.get(LABEL)).status_code == 403
    sent = {**form, "csrf": await site.csrf()}
    assert (await site.client.post(LABEL, data=sent)).status_code == 403
    assert said(site) == []


async def test_what_a_model_wrote_is_text(site: Site) -> None:
    samples = [replace(it, text="<script>alert(1)</script>") for it in RAG.samples]
    store(site.desk, replace(RAG, samples=tuple(samples)))

    html = await page(site)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert" not in html


async def test_a_run_without_scores_says_so(site: Site) -> None:
    store(site.desk, replace(RAG, samples=()))

    assert "There is nothing to label" in await page(site)
