"""The page in Chromium, with the network off."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.evals.report.hostile import hostile
from tests.evals.runs import even, name_of, worse
from tests.services import lacking

from trimtab.evals.judgement import judged
from trimtab.evals.report.page import page
from trimtab.evals.result import Run

pytestmark = pytest.mark.e2e

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        lacking("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def shown(browser: Browser, folder: Path, *runs: Run) -> tuple[Page, list[str]]:
    path = folder / "eval.html"
    path.write_text(page([judged(it, {}) for it in runs]), "utf-8")
    said = list[str]()
    opened = browser.new_context(offline=True).new_page()
    opened.on("console", lambda message: said.append(message.text))
    opened.on("request", lambda it: said.append(it.url) if it.url != path.as_uri() else None)
    opened.goto(path.as_uri())
    return opened, said


def test_cases_are_found_and_chosen(browser: Browser, tmp_path: Path) -> None:
    opened, said = shown(browser, tmp_path, worse(60, 5))

    cases = opened.locator("details.case")
    assert cases.count() == 60
    assert cases.first.locator(".id").inner_text() == name_of(0)
    opened.locator("select").select_option("worse")
    assert opened.locator("[role=status]").inner_text() == "5 of 60"
    opened.locator("select").select_option("")
    opened.locator("input").fill("candidate says 17")
    assert opened.locator("details.case:visible .id").all_inner_texts() == [name_of(17)]
    opened.locator("details.case:visible summary").click()
    assert opened.locator(".said:visible pre").all_inner_texts() == [
        "baseline says 17",
        "candidate says 17",
    ]
    assert said == []


def test_answers_are_inert_and_nothing_is_fetched(browser: Browser, tmp_path: Path) -> None:
    opened, said = shown(browser, tmp_path, hostile())

    assert said == []
    assert "owned" not in opened.title()
    assert opened.locator("img, iframe, a, form").count() == 0
    assert opened.locator("script").count() == 1
    assert "<script>" in opened.content() or "&lt;script&gt;" in opened.content()


def test_a_script_that_got_in_would_not_run(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "eval.html"
    text = page([judged(even(3), {})])
    bad = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    path.write_text(text.replace("<main>", f"<main>{bad}"))
    opened = browser.new_context(offline=True).new_page()

    opened.goto(path.as_uri())

    assert "owned" not in opened.title()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_never_wider_than_the_screen(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    opened, _ = shown(browser, tmp_path, hostile())

    opened.set_viewport_size({"width": width, "height": 900})

    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_each_colour_scheme_has_its_own_paper(browser: Browser, tmp_path: Path) -> None:
    opened, _ = shown(browser, tmp_path, even(3))
    papers = set[str]()

    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        papers.add(opened.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(papers) == 2
