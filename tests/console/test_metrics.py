import re
from collections.abc import Mapping, Sequence
from dataclasses import replace as swapped

import httpx2
import pytest
from msgspec.structs import replace
from tests.console.conftest import BEARER, ORIGIN, Site, console_of

from trimtab.console import metrics
from trimtab.console.app import create_app
from trimtab.console.base import Flow
from trimtab.console.metrics import Form
from trimtab.console.samples import samples
from trimtab.domain.alert import Alert, Finding, Rule
from trimtab.store.base.ledger import CostRow
from trimtab.store.tally import Amount, Cell, Exemplar, Tally
from trimtab.telemetry.export import Counts
from trimtab.telemetry.metrics import METRICS

HERE = {"x-trimtab-client": "127.0.0.1"}
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)+)\})? (-?[0-9.e+-]+)')


async def scraped(site: Site) -> dict[tuple[str, str], float]:
    """Scrape, and read every line but the comments."""
    answer = await site.client.get("/metrics", headers=HERE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == Form.PLAIN.value
    found: dict[tuple[str, str], float] = {}
    for line in answer.text.splitlines():
        if not line.startswith("# "):
            sample = SAMPLE.fullmatch(line)
            assert sample is not None, line
            found[sample[1], sample[2] or ""] = float(sample[3])
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

    told = {of: value for (name, of), value in found.items() if name == "trimtab_alert_active"}
    assert told == {
        **{f'alert="{rule}",tenant=""': 0 for rule in Rule},
        'alert="loop",tenant="acme"': 2,
    }


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
    console = swapped(console_of(site.stores, site.control, site.clock), secure_cookies=True)
    transport = httpx2.ASGITransport(create_app(console))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        answer = await client.get("/metrics", headers=HERE)

    assert answer.status_code == 401


async def test_names_cannot_break_the_form_nor_grow_without_end(site: Site) -> None:
    text = await told_of(site, [_row(f'a"b\\c\n{number}', number) for number in range(4)], 1)

    lines = [it for it in text.splitlines() if it.startswith("trimtab_cost_nano_usd_total{")]
    assert lines == [
        'trimtab_cost_nano_usd_total{tenant="a\\"b\\\\c\\n3",feature="f",model="m"} 3',
        'trimtab_cost_nano_usd_total{tenant="__other__",feature="f",model="m"} 3',
    ]


async def test_ten_thousand_tenants_make_no_more_than_sixty_thousand_series(site: Site) -> None:
    rows = [
        replace(_row(f"t{tenant}", tenant), group=(f"t{tenant}", feature, model, status, "live"))
        for tenant in range(10_000)
        for feature in ("search", "chat", "mail")
        for model in ("small", "large")
        for status in ("ok", "error")
    ]
    site.stores.counted.update(
        {
            Cell(Tally.DURATION, ("chat", "sim", f"model-{model}", error), bucket): Amount(1, 1)
            for model in range(1_500)
            for error in ("", "timeout", "overloaded")
            for bucket in range(15)
        }
    )

    text = await told_of(site, rows, 500)

    series = [it for it in text.splitlines() if not it.startswith("#")]
    assert 16_000 < len(series) <= 60_000
    costs = [it for it in series if it.startswith("trimtab_cost_nano_usd_total{")]
    assert sum(int(it.rpartition(" ")[2]) for it in costs) == sum(it.cost_nano for it in rows)
    assert any('tenant="t9500"' in it for it in costs)
    assert not any('tenant="t9499"' in it for it in costs)
    counts = [
        it for it in series if it.startswith("gen_ai_client_operation_duration_seconds_count")
    ]
    assert sum(int(it.rpartition(" ")[2]) for it in counts) == 1_500 * 3 * 15


async def test_histograms_add_up_from_bucket_to_bucket(site: Site) -> None:
    site.stores.counted.update(
        {
            Cell(Tally.DURATION, ("chat", "sim", "large", ""), 0): Amount(2, 11_000),
            Cell(Tally.DURATION, ("chat", "sim", "large", ""), 14): Amount(1, 90_000_000),
        }
    )

    found = await scraped(site)

    name, labels = (
        "gen_ai_client_operation_duration_seconds",
        ('operation="chat",provider="sim",request_model="large",error_type=""'),
    )
    buckets = {of: n for (it, of), n in found.items() if it == f"{name}_bucket"}
    assert len(buckets) == 15
    assert buckets[f'{labels},le="0.01"'] == buckets[f'{labels},le="81.92"'] == 2
    assert buckets[f'{labels},le="+Inf"'] == found[f"{name}_count", labels] == 3
    assert found[f"{name}_sum", labels] == 90.011


async def test_who_asks_for_openmetrics_sees_a_trace_beside_a_bucket(site: Site) -> None:
    shown = Exemplar("ab" * 16, 9_000, 1_777_142_531_482_000)
    labels = ("chat", "sim", "large", "")
    site.stores.counted[Cell(Tally.DURATION, labels, 0)] = Amount(1, 9_000, shown)
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    answer = await site.client.get("/metrics", headers={**HERE, "accept": accept})

    assert answer.headers["content-type"] == Form.OPEN.value
    lines = answer.text.splitlines()
    assert lines[-1] == "# EOF"
    assert "# TYPE trimtab_requests counter" in lines
    [first] = [it for it in lines if 'le="0.01"' in it and "duration" in it]
    assert first.endswith(f' 1 # {{trace_id="{"ab" * 16}"}} 0.009 1777142531.482')
    plain = (await site.client.get("/metrics", headers=HERE)).text
    assert "trace_id" not in plain


async def test_a_worker_that_lags_behind_a_change_tells_for_how_long(site: Site) -> None:
    found = await scraped(site)

    newest = max(it.seq for it in await site.control.history())
    lags = {of: n for (name, of), n in found.items() if name == "trimtab_config_lag_seconds"}
    assert newest > 8
    assert lags['worker="w2"'] > 0


async def test_what_waits_and_what_became_of_exports_is_told(site: Site) -> None:
    flow = Flow({"w1": 2.5}, {"w1": 1}, {"w1": 3}, {"otlp": (7.0, Counts(5, 4, 3, 2, 1))})
    console = swapped(console_of(site.stores, site.control, site.clock), flow=lambda: flow)

    text = metrics.written(await samples(console), Form.PLAIN)

    for line in (
        'trimtab_spool_lag_seconds{worker="w1"} 2.5',
        'trimtab_spool_torn_tail_total{worker="w1"} 1',
        'trimtab_recorder_put_aside_total{worker="w1"} 3',
        'trimtab_export_lag_seconds{exporter="otlp"} 7.0',
        'trimtab_exported_total{exporter="otlp"} 5',
        'trimtab_export_rejected_total{exporter="otlp",reason="rejected"} 4',
        'trimtab_export_rejected_total{exporter="otlp",reason="put_aside"} 3',
        'trimtab_export_given_up_total{exporter="otlp",reason="age"} 2',
        'trimtab_export_given_up_total{exporter="otlp",reason="unreadable"} 1',
    ):
        assert line in text.splitlines()


async def told_of(site: Site, rows: Sequence[CostRow], max_tenants: int) -> str:
    class Rollups:
        async def costs(self, **_: object) -> Sequence[CostRow]:
            return sorted(rows, key=lambda it: -it.cost_nano)

        async def tallies(self) -> Mapping[Cell, Amount]:
            return site.stores.counted

    console = console_of(site.stores, site.control, site.clock)
    console = swapped(console, rollups=Rollups(), max_tenants=max_tenants)
    return metrics.written(await samples(console), Form.PLAIN)


def _row(tenant: str, cost_nano: int) -> CostRow:
    return CostRow(
        group=(tenant, "f", "m", "ok", "live"),
        n=1,
        n_estimated=0,
        n_unpriced=0,
        input_tokens=1,
        cached_tokens=0,
        output_tokens=1,
        cost_nano=cost_nano,
    )
