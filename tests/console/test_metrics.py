import re
from dataclasses import replace

import httpx2
import pytest
from tests.console.conftest import BEARER, ORIGIN, Site, console_of

from trimtab.console import metrics
from trimtab.console.app import create_app
from trimtab.console.metrics import METRICS
from trimtab.domain.alert import Alert, Finding, Rule
from trimtab.store.base import CostRow

HERE = {"x-trimtab-client": "127.0.0.1"}
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)+)\})? ([0-9]+)')


async def scraped(site: Site) -> dict[tuple[str, str], int]:
    """Scrape, and read every line but the comments."""
    answer = await site.client.get("/metrics", headers=HERE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == metrics.MEDIA_TYPE
    found: dict[tuple[str, str], int] = {}
    for line in answer.text.splitlines():
        if not line.startswith("# "):
            sample = SAMPLE.fullmatch(line)
            assert sample is not None, line
            found[sample[1], sample[2] or ""] = int(sample[3])
    return found


async def test_counters_equal_the_sums_of_the_ledger(site: Site) -> None:
    rows = await site.stores.costs(since_us=0, until_us=1 << 62, group_by=("tenant_id",))

    found = await scraped(site)

    for name, expected in (
        ("trimtab_requests_total", sum(row.n for row in rows)),
        ("trimtab_cost_nano_usd_total", sum(row.cost_nano for row in rows)),
        (
            "trimtab_tokens_total",
            sum(row.input_tokens + row.cached_tokens + row.output_tokens for row in rows),
        ),
    ):
        told = [value for (metric, _), value in found.items() if metric == name]
        assert sum(told) == expected > 0, name


async def test_every_worker_tells_its_configuration_and_its_spool(site: Site) -> None:
    found = await scraped(site)

    assert found["trimtab_worker_up", 'worker="w1"'] == 1
    assert found["trimtab_config_seq", 'worker="w1"'] == 9
    assert found["trimtab_spool_bytes", 'worker="w2"'] == 18_432
    assert found["trimtab_requests_open", 'worker="w2"'] == 3


async def test_every_target_that_a_worker_leaves_alone_is_told(site: Site) -> None:
    found = await scraped(site)

    labels = 'worker="w2",target="sim/small",state="open"'
    assert found["trimtab_target_left_alone", labels] == 1


async def test_every_webhook_tells_what_waits_and_one_that_fails_why(site: Site) -> None:
    found = await scraped(site)

    assert found["trimtab_webhook_waiting", 'name="ci"'] == 3
    assert found["trimtab_webhook_waiting", 'name="chat"'] == 0
    assert [of for name, of in found if name == "trimtab_webhook_failing"] == [
        'name="ci",error="answer 503"'
    ]


async def test_every_rule_tells_how_many_of_its_alerts_hold(site: Site) -> None:
    alerts = [
        Alert(
            id=f"al_{n}",
            finding=Finding(rule=Rule.LOOP, tenant_id="acme", window="day:2026-04-25", told="-"),
            opened_us=n,
            seen_us=n,
            resolved_us=resolved_us,
        )
        for n, resolved_us in enumerate((None, 7, None))
    ]
    await site.stores.alerts.save(alerts)

    found = await scraped(site)

    told = {of: value for (name, of), value in found.items() if name == "trimtab_alert_open"}
    assert told == {f'rule="{rule}"': 2 if rule is Rule.LOOP else 0 for rule in Rule}


async def test_a_host_does_not_tell_of_the_workers_of_others(site: Site) -> None:
    site.stores.elsewhere = (("web-2/gateway-1", 9),)

    found = await scraped(site)

    assert [of for name, of in found if name == "trimtab_worker_up"] == [
        'worker="w1"',
        'worker="w2"',
    ]


async def test_feedback_that_was_dropped_is_counted(site: Site) -> None:
    text = (await site.client.get("/metrics", headers=HERE)).text

    assert 'trimtab_feedback_dropped_total{reason="other_tenant"} 3\n' in text
    assert 'trimtab_feedback_dropped_total{reason="unknown"} 4\n' in text


async def test_every_metric_says_what_it_is(site: Site) -> None:
    text = (await site.client.get("/metrics", headers=HERE)).text

    for name, metric in METRICS.items():
        assert f"# HELP {name} {metric.told}\n# TYPE {name} {metric.kind}\n" in text
        assert (metric.kind == "counter") == name.endswith("_total")


@pytest.mark.parametrize(
    ("client", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 401), ("", 401), ("localhost", 401)],
)
async def test_from_elsewhere_a_token_is_needed(site: Site, client: str, status: int) -> None:
    headers = {"x-trimtab-client": client}

    alone = await site.client.get("/metrics", headers=headers)
    opened = await site.client.get(
        "/metrics", headers={**headers, "authorization": f"Bearer {BEARER}"}
    )

    assert (alone.status_code, opened.status_code) == (status, 200)


async def test_behind_a_proxy_nobody_is_from_here(site: Site) -> None:
    console = replace(console_of(site.stores, site.control, site.clock), secure_cookies=True)
    transport = httpx2.ASGITransport(create_app(console))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        answer = await client.get("/metrics", headers=HERE)

    assert answer.status_code == 401


async def test_names_cannot_break_the_form_nor_grow_without_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_GROUPS", 1)
    rows = tuple(_row(f'a"b\\c\n{number}', number) for number in range(4))

    class Rollups:
        async def costs(self, **_: object) -> tuple[CostRow, ...]:
            return rows

    console = replace(console_of(site.stores, site.control, site.clock), rollups=Rollups())

    text = await metrics.exposition(console)

    lines = [it for it in text.splitlines() if it.startswith("trimtab_cost_nano_usd_total{")]
    assert lines == [
        'trimtab_cost_nano_usd_total{tenant="a\\"b\\\\c\\n0",model="m"} 0',
        'trimtab_cost_nano_usd_total{tenant="__other__",model="__other__"} 6',
    ]


def _row(tenant: str, cost_nano: int) -> CostRow:
    return CostRow(
        group=(tenant, "m", "ok"),
        n=1,
        n_estimated=0,
        n_unpriced=0,
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        cost_nano=cost_nano,
    )
