"""Is it healthy."""

import pytest
from tests.console.conftest import EXAMPLE, MINUTE_US, START_US, Site

from trimtab.console.overview import traffic
from trimtab.store.base.sums import SeriesPoint


def point(minute: int, p95_us: int | None, n: int = 1) -> SeriesPoint:
    return SeriesPoint(
        bucket_us=START_US + minute * MINUTE_US,
        n=n,
        n_error=1,
        cost_nano=7,
        p50_us=p95_us,
        p95_us=p95_us,
    )


def test_percentiles_of_minutes_are_ranked_and_never_averaged() -> None:
    seen = traffic([point(0, 10), point(1, 30), point(2, 9_000), point(3, None)])

    assert (seen.n, seen.n_error, seen.cost_nano) == (4, 4, 28)
    assert (seen.typical_p95_us, seen.worst_p95_us) == (30, 9_000)


def test_a_window_without_traffic_has_no_latency() -> None:
    assert traffic([]).worst_p95_us is None


async def test_the_figures_say_their_window(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console?window=6h")).text

    assert "last 6 h, live traffic" in html
    assert '<dd class="figure">171</dd>' in html
    assert "As of" in html
    assert "UTC" in html


async def test_an_unknown_window_is_the_shortest(site: Site) -> None:
    await site.log_in("viewer")

    assert "last 1 h" in (await site.client.get("/console?window=9y")).text


async def test_it_names_errors_changes_workers_and_spenders(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console")).text

    assert "provider_timeout" in html
    assert "to.model: large → large-2026" in html
    assert "1/2 on config" in html
    assert "18.0 KiB" in html
    assert "tenant%3Aglobex" in html


async def test_changes_older_than_a_day_are_not_what_changed(site: Site) -> None:
    await site.log_in("viewer")

    assert "first apply" not in (await site.client.get("/console")).text


async def test_a_suspended_tenant_is_seen_first(site: Site) -> None:
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": "loop"}
    await site.client.post("/console/tenants/acme/suspend", data=form)

    html = (await site.client.get("/console")).text

    assert "1 tenant suspended" in html
    assert html.index("1 tenant suspended") < html.index("last 1 h, live traffic")


async def test_the_live_fragment_is_the_page_without_its_frame(site: Site) -> None:
    await site.log_in("viewer")

    fragment = (await site.client.get("/console/live?window=1h")).text
    page = (await site.client.get("/console?window=1h")).text

    assert "<html" not in fragment
    assert fragment.strip() in page


async def test_an_empty_console_teaches_the_first_request(site: Site) -> None:
    site.stores.records.clear()
    await site.log_in("viewer")

    html = (await site.client.get("/console")).text

    assert "curl http://console.test/v1/chat/completions" in html


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/console", {"series": 1, "costs": 1, "page": 1, "acknowledgements": 1}),
        ("/console?window=24h", {"series": 1, "costs": 1, "page": 1, "acknowledgements": 1}),
        ("/console/requests", {"page": 1, "facets": 1}),
        (f"/console/requests/{EXAMPLE}", {"find": 1, "content": 2, "outline": 1}),
        ("/console/alerts", {}),
        ("/console/reconcile", {}),
        ("/console/tenants", {"costs": 1}),
        ("/console/costs", {"costs": 2}),
        ("/console/costs?tenant=acme", {"costs": 2}),
        ("/console/tenants/acme", {"costs": 1}),
        ("/console/tenants/acme/suspend", {"series": 1, "page": 1}),
        ("/console/models", {"costs": 1, "tried": 1}),
        ("/console/models/chat/move?to=sim/small", {"used": 1}),
        ("/console/changes", {}),
    ],
)
async def test_a_page_asks_each_store_once_however_much_it_shows(
    site: Site, path: str, asked: dict[str, int]
) -> None:
    await site.log_in("admin")
    site.stores.asked.clear()
    site.control.asked.clear()

    answer = await site.client.get(path)

    assert answer.status_code == 200
    assert dict(site.stores.asked) == asked
    assert all(times == 1 for times in site.control.asked.values())
