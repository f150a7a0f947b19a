"""The console in a real browser: both schemes, keyboard, live figures, scripts off."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from tests.console.conftest import EXAMPLE, KEY, PHRASE, Site
from tests.services import lacking

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
    "tenants": "/console/tenants",
    "suspend": "/console/tenants/acme/suspend",
    "throttle": "/console/tenants/acme/throttle",
    "suspend-all": "/console/site/suspend",
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
    "audit": "/console/audit",
    "changes": "/console/changes",
    "change": "/console/changes/9",
}


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


@pytest.mark.parametrize("width", [1360, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_loads_clean_and_accessible(
    address: str,
    browser: Browser,
    scheme: Literal["light", "dark"],
    width: int,
    tmp_path: Path,
) -> None:
    context = await browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
    )
    page = await log_in(context, address)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    for name, path in PAGES.items():
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
