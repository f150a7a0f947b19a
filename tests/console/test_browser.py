"""The console in a real browser: both schemes, keyboard, live figures, scripts off."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    Route,
    async_playwright,
    expect,
)
from tests.console.alerting import (
    HOSTILE,
    LOOP,
    PROPOSED,
    RATE,
    UNPRICED,
    fill_alerts,
    fill_hostile,
    fill_reports,
)
from tests.console.conftest import CONVERSATION, EXAMPLE, KEY, PHRASE, Site
from tests.console.evaluated import LABEL, fill_evals
from tests.console.evaluating import (
    ATTACK,
    EVALS,
    HOSTILE_RUN,
    UNDECIDED,
    fill_hostile_run,
    fill_runs,
)
from tests.console.evaluating import NEW as JUDGED
from tests.console.evaluating import OLD as EARLIER
from tests.console.prompting import HERE, NEW, fill_prompts, publish
from tests.services import lacking

from trimtab.console import conversation

pytestmark = pytest.mark.e2e

_SHOWS = """(chart, most) => {
  const [times, ...lines] = JSON.parse(chart.dataset.series);
  chart.dataset.series = JSON.stringify([times, ...lines.map(() => times.map(() => most))]);
  return new Promise(requestAnimationFrame);
}"""
_CUT_OFF = """(chart) => {
  const canvas = chart.querySelector("canvas");
  const edge = canvas.getContext("2d").getImageData(0, 0, 3, canvas.height).data;
  return edge.filter((value) => value > 0).length;
}"""

MARKUP = """\
name: markup
version: 1.0.0
description: </title><img src=x onerror=alert(1)>
owner: </textarea><script>alert(1)</script>
variables:
  ticket: {type: string, x-trust: user, description: "<script>alert(1)</script>"}
messages:
  - {role: system, content: "</p></textarea><img src=x onerror=alert(1)>"}
  - {role: user, content: "Ticket: $ticket"}
"""
AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text()
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = {
    "overview": "/console",
    "requests": "/console/requests",
    "nothing-found": "/console/requests?q=tenant%3Anobody",
    "bad-filter": "/console/requests?q=nonsense%3A1",
    "request": f"/console/requests/{EXAMPLE}",
    "missing": "/console/requests/r_000000",
    "conversation": conversation.path(CONVERSATION, "acme"),
    "conversation-choice": f"/console/conversations/{CONVERSATION}",
    "conversation-missing": "/console/conversations/nothing",
    "compare": "/console/compare?a=r_01KQ2Z61CT&b=r_01KQ2Z50000",
    "compare-one": f"/console/compare?a={EXAMPLE}",
    "compare-none": "/console/compare",
    "pipeline": "/console/pipeline",
    "tail": "/console/tail",
    "costs": "/console/costs",
    "costs-tenant": "/console/costs?tenant=acme&by=key_id",
    "costs-nothing": "/console/costs?month=2025-01",
    "costs-refused": "/console/costs?month=nonsense",
    "tenants": "/console/tenants",
    "tenant": "/console/tenants/acme",
    "tenant-missing": "/console/tenants/nobody",
    "suspend": "/console/tenants/acme/suspend",
    "throttle": "/console/tenants/acme/throttle",
    "suspend-all": "/console/site/suspend",
    "alerts": "/console/alerts",
    "alerts-all": "/console/alerts?state=all",
    "alerts-none": "/console/alerts?tenant=nobody",
    "alert": f"/console/alerts/{RATE.alert_id}",
    "alert-loop": f"/console/alerts/{LOOP.alert_id}",
    "alert-silent": f"/console/alerts/{UNPRICED.alert_id}",
    "reconcile": "/console/reconcile",
    "reconcile-day": f"/console/reconcile?day={PROPOSED.day}",
    "reconcile-book": f"/console/reconcile/adjustments/{PROPOSED.id}",
    "models": "/console/models",
    "move": "/console/models/chat/move",
    "move-preview": "/console/models/chat/move?to=sim/small%3D9,sim/huge%3D1",
    "move-refused": "/console/models/chat/move?to=nobody/m",
    "breaker": "/console/breaker?target=sim/small",
    "keys": "/console/keys",
    "key-new": "/console/keys/new",
    "key-rotate": f"/console/keys/{KEY}/rotate",
    "key-revoke": f"/console/keys/{KEY}/revoke",
    "key-suspend": f"/console/keys/{KEY}/suspend",
    "prompts": "/console/prompts",
    "prompt": f"{HERE}?tenant=acme",
    "prompt-nowhere": "/console/prompts/triage",
    "prompt-version": f"{HERE}/versions/{NEW}",
    "prompt-diff": f"{HERE}/diff",
    "prompt-move": f"{HERE}/move",
    "prompt-move-preview": f"{HERE}/move?scope=tenant%3Aacme&to={NEW}",
    "prompt-move-refused": f"{HERE}/move?scope=tenant%3Anobody&to={NEW}",
    "prompt-new": "/console/prompts/new",
    "prompt-edit": f"/console/prompts/new?from=rag-answer%40{NEW}",
    "evals": f"{EVALS}?suite=rag-golden",
    "eval-run": f"{EVALS}/{JUDGED}",
    "eval-case": f"{EVALS}/{JUDGED}?case=q-0059",
    "eval-undecided": f"{EVALS}/{UNDECIDED}",
    "eval-compare": f"{EVALS}/compare?a={EARLIER}&b={JUDGED}",
    "calibration": "/console/evals/calibration",
    "label": LABEL,
    "label-rubric": "/console/evals/label/ev_01JXC4000C/rubric",
    "audit": "/console/audit",
    "changes": "/console/changes",
    "change": "/console/changes/9",
}
PARTS = 3
"""Axe takes a second a page: each test looks at some of them."""


@pytest.fixture
async def address(site: Site) -> AsyncIterator[str]:
    """Where the console listens, on a port that the system chose."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(site.app, log_level="warning", ws="none"))
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture
def chromium() -> Path:
    if not CHROMIUM.exists():
        lacking("chromium")
    return CHROMIUM


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        await started.close()


async def log_in(context: BrowserContext, address: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{address}/console/login")
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(PHRASE)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/console")
    return page


async def violations(page: Page) -> list[str]:
    """Run axe and name what it finds."""
    await page.evaluate(AXE)
    found: list[dict[str, object]] = await page.evaluate(
        """async () => (await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a",
           "wcag21aa", "wcag22aa", "best-practice"]})).violations.map(
             ({id, nodes}) => ({id, where: nodes.map((node) => node.html)}))"""
    )
    return [str(violation) for violation in found]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 400)])
async def test_every_page_loads_clean_and_accessible(  # noqa: PLR0913, PLR0917 -- a fixture each
    site: Site,
    address: str,
    browser: Browser,
    scheme: Literal["light", "dark"],
    width: int,
    part: int,
    tmp_path: Path,
) -> None:
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    page = await log_in(context, address)
    empty_at = ("prompts", "alerts", "reconcile", "evals", "evals/calibration")
    for empty in empty_at[part::PARTS]:
        await page.goto(f"{address}/console/{empty}")
        assert await violations(page) == [], empty
    await fill_prompts(site)
    await fill_alerts(site)
    fill_reports(site)
    fill_runs(site)
    fill_evals(site.desk, site.clock.now_us())
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    for name, path in [*PAGES.items()][part::PARTS]:
        await page.goto(address + path)
        assert await violations(page) == [], name
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is wider than the window"
        await page.screenshot(path=tmp_path / f"{name}.png", full_page=True)

    unexpected = [line for line in said if not re.search(r"status of (400|404)", line)]
    assert unexpected == []
    await context.clear_cookies()
    await page.goto(f"{address}/console/login")
    assert await violations(page) == []


async def test_the_keyboard_reaches_everything(address: str, browser: Browser) -> None:
    page = await log_in(await browser.new_context(), address)

    await page.keyboard.press("/")
    await expect(page.locator("#q")).to_be_focused()
    await page.keyboard.type("tenant:acme")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/requests?q=tenant%3Aacme")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await expect(page.locator("a.row").first).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/requests/{EXAMPLE}")
    await page.keyboard.press("t")
    await expect(page.locator("#messages")).to_be_focused()
    await page.keyboard.press("t")
    await expect(page.locator("#time")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#help")).to_be_hidden()


async def test_the_first_tab_stop_skips_the_navigation(address: str, browser: Browser) -> None:
    page = await log_in(await browser.new_context(), address)

    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.locator("main")).to_be_focused()


async def test_figures_refresh_in_place_and_say_when_they_cannot(
    site: Site, address: str, browser: Browser
) -> None:
    context = await browser.new_context()
    page = await log_in(context, address)
    await page.clock.install()
    await page.goto(f"{address}/console")
    figure = page.locator(".figure").first
    await expect(figure).to_have_text("171")
    await page.evaluate("document.querySelector('tt-chart canvas').id = 'kept'")

    site.stores.records.pop()
    await page.clock.run_for(5_000)
    await expect(figure).to_have_text("170")
    await expect(page.locator("canvas#kept")).to_be_visible()

    await page.route("**/console/live**", lambda route: route.abort())
    await page.clock.run_for(5_000)
    await expect(page.get_by_text("Connection lost")).to_be_visible()


async def test_a_session_that_ended_leads_to_the_login(address: str, browser: Browser) -> None:
    context = await browser.new_context()
    page = await log_in(context, address)
    await page.clock.install()
    await page.goto(f"{address}/console")

    await context.clear_cookies()
    await page.clock.run_for(5_000)

    await page.wait_for_url("**/console/login?next=**")


async def test_a_tenant_is_suspended_and_resumed_without_scripts(
    site: Site, address: str, browser: Browser
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await log_in(context, address)
    await expect(page.locator("tt-chart svg rect").first).to_be_visible()

    await page.get_by_role("link", name="Tenants", exact=True).first.click()
    await page.get_by_role("row", name="acme").get_by_role("link", name="Suspend").click()
    await page.get_by_label("Reason").fill("loop, INC-31")
    await page.get_by_role("button", name="Suspend acme").click()
    await expect(page.get_by_role("status")).to_contain_text("suspension/tenant:acme")
    assert (await site.control.snapshot()).suspensions
    await page.get_by_role("button", name="Undo").click()

    await expect(page.get_by_role("status")).to_contain_text("Done")
    assert not (await site.control.snapshot()).suspensions


async def test_an_alert_is_silenced_and_told_again_without_scripts(
    site: Site, address: str, browser: Browser
) -> None:
    await fill_alerts(site)
    context = await browser.new_context(java_script_enabled=False)
    page = await log_in(context, address)

    await page.get_by_role("link", name="acme: money is being spent").click()
    await page.get_by_label("Reason").fill("known, INC-31")
    await page.get_by_role("button", name="Tell nobody").click()
    await expect(page.get_by_role("status")).to_contain_text("admin silenced it: known, INC-31")
    await page.get_by_label("Reason").fill("is over")
    await page.get_by_role("button", name="Tell again").click()

    await expect(page.get_by_role("button", name="Tell nobody")).to_be_visible()


async def test_a_line_is_booked_by_keyboard_from_the_picture_on(
    site: Site, address: str, browser: Browser
) -> None:
    fill_reports(site)
    page = await log_in(await browser.new_context(), address)

    await page.goto(f"{address}/console/reconcile")
    await page.get_by_role("link", name=re.compile(r"^23\W+14\.\d\d, explained")).press("Enter")
    await page.get_by_role("link", name="Book +$14.55").press("Enter")
    await page.get_by_label("Reason").fill("load test, ticket 812")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_contain_text("load test, ticket 812")
    assert [it.cost_nano for it in site.stores.adjusted] == [PROPOSED.cost_nano]


async def test_nothing_in_an_alert_or_a_bill_is_markup(
    site: Site, address: str, browser: Browser
) -> None:
    hostile = await fill_hostile(site)
    page = await log_in(await browser.new_context(), address)
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))

    for path in hostile:
        await page.goto(address + path)
        assert HOSTILE in await page.locator("body").inner_text(), path
        assert await page.locator("main img[src=x], main script").count() == 0, path

    assert said == []


async def test_nothing_in_an_evaluation_is_markup(
    site: Site, address: str, browser: Browser
) -> None:
    fill_hostile_run(site)
    page = await log_in(await browser.new_context(), address)
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("pageerror", lambda error: said.append(str(error)))

    compared = f"/compare?a={HOSTILE_RUN}&b={HOSTILE_RUN}&show=all"
    for path in ("", f"/{HOSTILE_RUN}", compared):
        await page.goto(f"{address}{EVALS}{path}")
        assert ATTACK[:40] in await page.locator("main").inner_text(), path
        assert await page.locator("main img[src=x]").count() == 0, path

    assert said == []


async def test_a_case_is_reached_from_the_list_of_runs_by_keyboard_without_scripts(
    site: Site, address: str, browser: Browser
) -> None:
    fill_runs(site)
    page = await log_in(await browser.new_context(java_script_enabled=False), address)

    await page.goto(f"{address}{EVALS}?verdict=FAIL")
    await page.locator("a.row").first.press("Enter")
    await page.get_by_role("link", name="Errors").press("Enter")
    await page.locator("a.row").first.press("Enter")

    await expect(page.locator("#case")).to_contain_text("What of 58?")
    await expect(page.locator("#case")).to_contain_text("judge_refused")


async def test_a_plan_is_shown_and_published_by_keyboard_without_scripts(
    address: str, browser: Browser
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await log_in(context, address)

    await page.get_by_role("link", name="Prompts").click()
    await page.get_by_role("link", name="Or write one here").click()
    await page.get_by_role("button", name="Plan").press("Enter")
    await expect(page.get_by_text("may be published")).to_be_visible()
    await page.get_by_label("Reason").fill("first of all")
    await page.get_by_role("button", name="Publish 1.0.0 for ever").press("Enter")

    await expect(page.get_by_role("status")).to_contain_text("prompt/my-prompt@1.0.0")
    await expect(page.locator("[data-key]")).to_be_hidden()


async def test_the_playground_asks_the_gateway_and_keeps_the_key_to_itself(
    site: Site, address: str, browser: Browser
) -> None:
    await publish(site, MARKUP)
    context = await browser.new_context()
    page = await log_in(context, address)
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    page.on("request", note)

    async def answer(route: Route) -> None:
        told = {"choices": [{"message": {"role": "assistant", "content": "<b>42</b>"}}]}
        await route.fulfill(json=told, headers={"x-trimtab-request-id": "r_01"})

    await page.route("**/v1/chat/completions", answer)
    await page.goto(f"{address}/console/prompts/markup/versions/1.0.0")
    await page.locator("[data-variable=ticket]").fill("late")
    await page.locator("[data-key]").fill("tt_secret")
    await page.get_by_role("button", name="Send").click()

    await expect(page.locator("[data-answer]")).to_contain_text("<b>42</b>")
    link = page.get_by_role("link", name="r_01")
    assert await link.get_attribute("href") == "/console/requests/r_01"
    (call,) = [it for it in asked if it.method == "POST"]
    assert call.url == f"{address}/v1/chat/completions"
    assert call.headers["authorization"] == "Bearer tt_secret"
    assert call.post_data_json == {
        "model": "chat",
        "trimtab": {
            "prompt": {"id": "markup", "version": "1.0.0", "variables": {"ticket": "late"}}
        },
    }
    await page.get_by_role("button", name="Preview the messages").click()
    await expect(page.locator(".rendered")).to_contain_text("Ticket: late")
    assert "tt_secret" not in (asked[-1].post_data or "") + await page.content()


async def test_nothing_in_a_prompt_is_markup(site: Site, address: str, browser: Browser) -> None:
    await publish(site, MARKUP)
    page = await log_in(await browser.new_context(), address)
    here = "/console/prompts/markup"
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))

    for path in (
        here,
        f"{here}/versions/1.0.0",
        f"{here}/diff",
        f"{here}/move",
        "/console/prompts",
    ):
        await page.goto(address + path)
        assert await page.locator("main img[src=x], main script").count() == 0, path
    await page.goto(f"{address}/console/prompts/new?from=markup@1.0.0")

    assert "<img src=x onerror=alert(1)>" in await page.get_by_label("Prompt file").input_value()
    assert said == []


@pytest.mark.parametrize("most", [0.25, 90_000.0])
async def test_the_scale_of_a_chart_has_room_for_its_numbers(
    address: str, browser: Browser, most: float
) -> None:
    page = await log_in(await browser.new_context(), address)
    chart = page.locator("tt-chart[data-kind=lines]").first
    await chart.locator(".u-over").wait_for()

    await chart.evaluate(_SHOWS, most)

    assert await chart.evaluate(_CUT_OFF) == 0


async def test_pointing_at_a_chart_reads_its_values(address: str, browser: Browser) -> None:
    page = await log_in(await browser.new_context(), address)

    await page.locator("tt-chart .u-over").first.hover()

    await expect(page.locator(".legend output").first).to_contain_text("at 18:1")


async def test_pointing_at_a_stack_reads_what_a_day_cost(address: str, browser: Browser) -> None:
    page = await log_in(await browser.new_context(), address)
    await page.goto(f"{address}/console/costs")

    await page.locator("tt-chart .u-over").hover()

    middle = re.compile(r"^0\.00 USD at 1[56] Apr$")
    await expect(page.locator(".legend output").first).to_have_text(middle)
    await expect(page.locator(".legend output").last).to_have_text("0.00 USD ")


async def test_costs_are_asked_for_and_drawn_without_scripts(
    address: str, browser: Browser
) -> None:
    page = await log_in(await browser.new_context(java_script_enabled=False), address)
    await page.get_by_role("link", name="Costs").click()
    await expect(page.locator("tt-chart svg rect").first).to_be_visible()

    await page.locator("select[name=tenant]").select_option("globex")
    await page.locator("select[name=by]").select_option("model")
    await page.get_by_role("button", name="Show").press("Enter")

    await expect(page.get_by_role("heading", level=1)).to_have_text("Costs of globex, April 2026")
    await expect(page.get_by_role("region", name="Costs by model")).to_be_visible()
    await page.get_by_text("Each day in figures").click()
    await expect(page.get_by_role("cell", name="2026-04-25")).to_be_visible()


async def test_answers_are_labelled_from_the_keyboard(
    site: Site, address: str, browser: Browser
) -> None:
    fill_evals(site.desk, site.clock.now_us())
    page = await log_in(await browser.new_context(), address)
    await page.goto(f"{address}/console/evals/calibration")
    await page.get_by_role("link", name="Label answers").first.click()
    await expect(page.locator(".progress")).to_contain_text("0 of 200 labelled")

    for key, done in (("5", 1), ("1", 2), ("3", 3), ("u", 2), ("4", 3)):
        site.clock.advance(1)
        # Keys mean something once the script of the page, each time a new one, has run.
        await page.wait_for_load_state()
        await page.keyboard.press(key)
        await expect(page.locator(".progress")).to_contain_text(f"{done} of 200 labelled")

    said = [it.value for it in site.desk.labels("rag-golden") if it.rater == "admin"]
    assert said == [1, 0, 0.5, None, 0.75]


async def test_answers_are_labelled_without_scripts(
    site: Site, address: str, browser: Browser
) -> None:
    fill_evals(site.desk, site.clock.now_us())
    page = await log_in(await browser.new_context(java_script_enabled=False), address)
    await page.goto(address + LABEL)

    await page.get_by_role("button", name="three quarters").press("Enter")
    await expect(page.locator(".progress")).to_contain_text("1 of 200 labelled")
    await page.get_by_role("button", name="Take the last one back").click()

    await expect(page.locator(".progress")).to_contain_text("0 of 200 labelled")
