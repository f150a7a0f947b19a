"""Whether every record is on its way."""

import re
from dataclasses import replace
from html import unescape

import httpx2
import pytest
from tests.console.conftest import FLOW, ORIGIN, PHRASE, Site, console_of

from trimtab.console.app import create_app
from trimtab.console.base import Flow, Lag
from trimtab.console.pipeline import read
from trimtab.telemetry.pressure import TOLD, Level


async def test_workers_exporters_and_what_became_of_spans_are_told(site: Site) -> None:
    health = await read(console_of(site.stores, site.control, site.clock))

    assert [(it.lag, it.config_seq, it.torn) for it in health.workers] == [
        (Lag("w1", 0), 9, 0),
        (Lag("w2", 18_432, running=3), 8, 1),
    ]
    assert [(it.name, it.signal, it.counts.exported, it.lost) for it in health.exports] == [
        ("honeycomb", "traces", 90, 9),
        ("phoenix", "traces", 1_234, 0),
        ("phoenix", "logs", 7, 0),
    ]
    assert health.exports[0].lane.note == "answers 401; paused"
    assert (health.behind_s, health.dropped, health.not_exported) == (12.5, 0, 9)


async def test_the_picture_is_longer_and_redder_the_farther_behind(site: Site) -> None:
    health = await read(console_of(site.stores, site.control, site.clock))
    lanes = [it.lane for it in (*health.workers, *health.exports)]

    by_lag = sorted(lanes, key=lambda it: it.behind_s)
    assert [it.place for it in by_lag] == sorted(it.place for it in lanes)
    assert [it.tone for it in by_lag] == ["good", "good", "good", "warn", "bad"]
    assert all(0 < it.place <= 96 for it in lanes)


async def test_an_exporter_that_is_held_up_is_never_shown_as_well(site: Site) -> None:
    flow = replace(FLOW, exports={"phoenix": FLOW.exports["phoenix"]}, troubles={"phoenix": 0})
    console = replace(console_of(site.stores, site.control, site.clock), flow=lambda: flow)

    lane = (await read(console)).exports[0].lane

    assert (lane.tone, lane.note) == ("warn", "does not answer; tried again")


async def test_a_worker_that_is_gone_is_told_of_while_something_of_it_waits(site: Site) -> None:
    console = replace(console_of(site.stores, site.control, site.clock), health=list)
    flow = Flow(aside={"w9": 2})

    assert [it.lag.worker_id for it in (await read(console)).workers] == ["w1", "w2"]
    health = await read(replace(console, flow=lambda: flow))
    assert [(it.lag.worker_id, it.aside) for it in health.workers[2:]] == [("w9", 2)]
    assert health.dropped == 2


async def test_that_nothing_was_dropped_is_large_and_green(site: Site) -> None:
    await site.log_in("viewer")

    page = (await site.client.get("/console/pipeline")).text
    rows = (await site.client.get("/console/pipeline/live")).text

    assert '<dd class="figure big tone-good">0</dd>' in page
    assert 'hx-get="/console/pipeline/live"' in page
    assert "<html" not in rows
    assert "answers 401; paused" in rows
    assert "12.5 s behind" in rows


@pytest.mark.parametrize("path", ["/console", "/console/changes"])
async def test_every_page_says_what_workers_leave_out(site: Site, path: str) -> None:
    console = replace(
        console_of(site.stores, site.control, site.clock),
        levels=lambda: {"w1": Level(0), "w2": Level.BARE, "w3": Level.LATE, "w4": Level.BARE},
    )
    transport = httpx2.ASGITransport(create_app(console))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        await client.post("/console/login", data={"name": "viewer", "password": PHRASE})
        html = unescape((await client.get(path)).text)

    found = re.findall(
        r"Backpressure (\d):</strong> (.*?) <span class=\"quiet\">(.*?)</span>", html
    )
    assert found == [
        ("4", TOLD[Level.BARE], "w2, w4"),
        ("1", TOLD[Level.LATE], "w3"),
    ]


async def test_without_backpressure_there_is_no_banner(site: Site) -> None:
    await site.log_in("viewer")

    assert "Backpressure" not in (await site.client.get("/console")).text
