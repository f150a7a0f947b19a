"""May a judge decide, and what to do if not."""

import re

from msgspec.structs import replace
from tests.console.conftest import Site
from tests.console.evaluated import JUDGED, LABEL, PEOPLE, RAG, calibrated, fill_evals, store
from tests.evals.labelled import DAY_US, JUDGE

from trimtab.console.calibration import LEFT, RIGHT, WIDTH, picture
from trimtab.evals.calibration import Figure

PATH = "/console/evals/calibration"


async def page(site: Site, role: str = "editor") -> str:
    await site.log_in(role)
    return (await site.client.get(PATH)).text


def panel(html: str, metric: str) -> str:
    """The part of a page that is about a metric."""
    return next(it for it in html.split("<section")[1:] if f">{metric}</h3>" in it)


async def test_where_nothing_ran_it_says_how_to_begin(site: Site) -> None:
    html = await page(site)

    assert "No judge has scored anything yet" in html
    assert "trimtab evals run evals/rag-golden.yaml" in html


async def test_a_valid_judge_shows_how_far_it_agrees(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())
    (made,) = site.desk.calibrations("rag-golden")

    html = panel(await page(site), "faithfulness")

    assert "valid, wide" in html
    assert (
        f"{made.agreement.value:.2f} [{made.agreement.low:.2f}, {made.agreement.high:.2f}]" in html
    )
    assert "200 on 100 cases, by ana, mia" in html
    assert JUDGE.resolved in html
    cells = [int(it) for it in re.findall(r'<td class="num[^"]*">(\d+)</td>', html)]
    assert cells == [it for row in made.confusion for it in row]
    assert "people 0." in html
    assert "What to do" not in html


async def test_a_refused_judge_says_why_and_what_to_do(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())

    html = panel(await page(site), "refuses")

    assert "refused" in html
    assert "The lower end of kappa, 0.000, is under 0.40." in html
    assert "What to do: read where judge and people differ" in html
    assert 'href="/console/evals/label/ev_01JXC4000B/refuses"' in html


async def test_one_that_nobody_looked_at_is_to_be_labelled(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())

    html = panel(await page(site), "rubric")

    assert "not calibrated" in html
    assert "Its judge was never held against people." in html
    assert 'href="/console/evals/label/ev_01JXC4000C/rubric"' in html


async def test_labels_made_here_are_counted(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())

    html = panel(await page(site), "faithfulness")

    assert "Labels made here: ana 7." in html


async def test_a_judge_whose_prompt_has_changed_is_outdated(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())
    judge = replace(JUDGE, prompts=dict.fromkeys(JUDGE.prompts, "0" * 64))
    store(site.desk, replace(RAG, run_id="ev_01JXC5", judge=judge))

    html = panel(await page(site), "faithfulness")

    assert "outdated" in html
    assert "has changed since it was calibrated." in html
    assert "What to do: calibrate it again." in html


async def test_after_ninety_days_it_is_outdated(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us() - 90 * DAY_US)

    html = panel(await page(site), "faithfulness")

    assert "outdated" in html
    assert "older than 90 days" in html


async def test_a_viewer_reads_and_does_not_label(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())

    html = await page(site, "viewer")

    assert "valid, wide" in html
    assert LABEL not in html


async def test_what_cannot_be_read_among_runs_is_passed_over(site: Site) -> None:
    fill_evals(site.desk, site.clock.now_us())
    (site.desk.folder / "ev_9.json").write_text("{")
    store(site.desk, replace(RAG, run_id="ev_8", suite="../etc"))

    html = await page(site)

    assert "faithfulness" in html
    assert "etc" not in html


def test_the_picture_reaches_from_zero_or_below_to_one() -> None:
    made = calibrated(RAG, "faithfulness", 0, JUDGED, PEOPLE)
    low = replace(made, agreement=Figure(value=-0.1, low=-0.35, high=0.2), humans=None)

    drawn, under = picture(made), picture(low)

    assert drawn is not None
    assert under is not None
    assert [it.name for it in drawn.marks] == ["people", "judge"]
    assert (drawn.ticks[0], drawn.ticks[-1]) == ((LEFT, "0.0"), (WIDTH - RIGHT, "1.0"))
    assert drawn.least == LEFT + (WIDTH - LEFT - RIGHT) / 2
    assert under.ticks[0] == (LEFT, "-0.4")
    (mark,) = under.marks
    assert LEFT < mark.low < mark.at < mark.high < under.least


def test_of_what_is_undefined_there_is_no_picture() -> None:
    made = calibrated(RAG, "faithfulness", 0, JUDGED)

    assert picture(replace(made, agreement=Figure(reason="constant scores"))) is None
