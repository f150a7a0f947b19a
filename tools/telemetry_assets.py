# A program of its own, outside any package; it holds sentences and queries.
# ruff: noqa: E501
"""Write `src/trimtab/telemetry/assets/` from the metric table: alert rules with their tests, and dashboards.

A query that names a metric or a label that is not in the table is refused.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from trimtab.telemetry.metrics import METRICS, Kind

TARGET = Path(__file__).parents[1] / "src/trimtab/telemetry/assets"
NOTICE = "# Written by tools/telemetry_assets.py: change that, then run `make docs`."

FAILED = 'status=~"error|truncated|lost"'
SERVED = 'origin="live",status!~"rejected|blocked|cancelled"'
BAD = 'outcome!~"ok|cancelled"'
OF_ALL = {"job", "instance", "le", "alertname"}
ABOVE_METRICS = {"up": ("job", "instance")}
"""What Prometheus itself tells."""

_NAME = re.compile(r"\b(?:trimtab|gen_ai)_[a-z_]+|\bup\b")
_SELECTOR = re.compile(r"((?:trimtab|gen_ai)_[a-z_]+|\bup\b)\{([^}]*)\}")
_BY = re.compile(r"\b(?:by|on|without|ignoring) ?\(([^)]*)\)")
_LABEL = re.compile(r"([a-z_]+) ?(?:=~|!~|!=|=)")


class Alert(NamedTuple):
    """An alert, and a fault that raises it.

    Attributes:
        fault: Series and their values, a minute apart, under which it fires at `at`.
        quiet: The same without the fault.
        labels: Labels of the alert that fires, but for its name and severity.
    """

    name: str
    severity: str
    expr: str
    lasts: str
    told: str
    fault: Mapping[str, str]
    quiet: Mapping[str, str]
    labels: Mapping[str, str]
    at: str


def burn(ratio: str, long: str, short: str) -> str:
    """Tell whether errors eat the budget of 1 %, for long and still."""

    def share(window: str) -> str:
        bad = f'sum(rate(trimtab_requests_total{{origin="live",{FAILED}}}[{window}]))'
        return f"{bad} / sum(rate(trimtab_requests_total{{{SERVED}}}[{window}]))"

    return f"{share(long)} > {ratio} * 0.01 and {share(short)} > {ratio} * 0.01"


def bad_share(window: str) -> str:
    """Give the share of a target's attempts that did not answer."""
    return (
        f"(sum by (target) (rate(trimtab_attempts_total{{{BAD}}}[{window}]))"
        f" / sum by (target) (rate(trimtab_attempts_total[{window}])))"
    )


def mean_score(window: str) -> str:
    """Give the mean score of a judge, by prompt."""
    by = "sum by (name, prompt_name)"
    total, count = (
        f"{by} (increase(trimtab_eval_score_{it}[{window}]))" for it in ("sum", "count")
    )
    return f"({total} / {count})"


_OK = 'trimtab_requests_total{tenant="acme",feature="f",model="m",status="ok",origin="live"}'
_ERROR = _OK.replace('"ok"', '"error"')
_TRIED = 'trimtab_attempts_total{target="sim/large",outcome="ok"}'
_FAILED = _TRIED.replace('"ok"', '"overloaded"')
_SCORE = '{name="faithfulness",prompt_name="rag",prompt_version="1.0.0"}'
_REPLAY = 'trimtab_replayable_total{feature="f",replay="full"}'
_NO_REPLAY = _REPLAY.replace('"full"', '"none"')


def verdict(rule: str) -> Mapping[str, Mapping[str, str]]:
    """Give the series of a rule of the keeper's own, with and without its alert."""
    nothing = {f'trimtab_alert_active{{alert="{rule}",tenant=""}}': "0x10"}
    series = f'trimtab_alert_active{{alert="{rule}",tenant="acme"}}'
    return {"fault": {**nothing, series: "1x10"}, "quiet": {**nothing, series: "0x10"}}


ALERTS: Sequence[Alert] = (
    Alert(
        "TenantSpendHigh", "page", 'trimtab_alert_active{alert="spend_spike"} > 0', "0m",
        "a tenant's day cost far more than such days do; `trimtab alerts` says what explains it",
        **verdict("spend_spike"), labels={"alert": "spend_spike", "tenant": "acme"}, at="5m",
    ),
    Alert(
        "TenantRunRate", "page", 'trimtab_alert_active{alert="spend_rate"} > 0', "0m",
        "a tenant spends far faster than usual; `trimtab alerts` says what explains it",
        **verdict("spend_rate"), labels={"alert": "spend_rate", "tenant": "acme"}, at="5m",
    ),
    Alert(
        "ErrorBudgetBurnFast", "page", burn("14.4", "1h", "5m"), "2m",
        "of live requests that were served, more than 14.4 % failed for an hour",
        {_OK: "0+60x90", _ERROR: "0+20x90"}, {_OK: "0+60x90", _ERROR: "0+1x90"}, {}, "80m",
    ),
    Alert(
        "ErrorBudgetBurnSlow", "message", burn("6", "6h", "30m"), "2m",
        "of live requests that were served, more than 6 % failed for six hours",
        {_OK: "0+60x400", _ERROR: "0+5x400"}, {_OK: "0+60x400", _ERROR: "0+1x400"}, {}, "390m",
    ),
    Alert(
        "ProviderDegraded", "page",
        f"{bad_share('5m')} > 0.02 and {bad_share('5m')} > 3 * {bad_share('1w')}", "5m",
        "a target fails three times as often as in its week, and more than 2 % of the time",
        {_TRIED: "0+100x600", _FAILED: "0x590 10 20 30 40 50 60 70 80 90 100 110 120"},
        {_TRIED: "0+100x600", _FAILED: "0+1x600"}, {"target": "sim/large"}, "600m",
    ),
    Alert(
        "ReconcileDrift", "message", "abs(trimtab_reconcile_drift_ratio) > 0.01", "0m",
        "a provider billed more than 1 % more, or less, than the ledger says; `trimtab reconcile`",
        {'trimtab_reconcile_drift_ratio{provider="p"}': "-0.02x10"},
        {'trimtab_reconcile_drift_ratio{provider="p"}': "0.005x10"}, {"provider": "p"}, "5m",
    ),
    Alert(
        "JudgeScoreDrop", "message",
        f"{mean_score('1d')} < {mean_score('7d')} - 0.05"
        " and sum by (name, prompt_name) (increase(trimtab_eval_score_count[1d])) > 30", "30m",
        "a judge's mean score of a prompt is 0.05 lower today than in its week",
        {f"trimtab_eval_score_sum{_SCORE}": "0+90x260 23400.5+0.5x1480", f"trimtab_eval_score_count{_SCORE}": "0+100x260 26001+1x1480"},
        {f"trimtab_eval_score_sum{_SCORE}": "0+0.9x1740", f"trimtab_eval_score_count{_SCORE}": "0+1x1740"},
        {"name": "faithfulness", "prompt_name": "rag"}, "1740m",
    ),
    Alert(
        "SpoolLag", "page", "trimtab_spool_lag_seconds > 60", "5m",
        "what a worker wrote is not stored: see that the disk has room, and that the store is there",
        {'trimtab_spool_lag_seconds{worker="w1"}': "0+60x20"},
        {'trimtab_spool_lag_seconds{worker="w1"}': "2x20"}, {"worker": "w1"}, "15m",
    ),
    Alert(
        "Backpressure", "page", "trimtab_backpressure_level >= 3", "1m",
        "the disk of a worker fills up, and content is left out: make room",
        {'trimtab_backpressure_level{worker="w1"}': "0 0 0 0 0 3x15"},
        {'trimtab_backpressure_level{worker="w1"}': "2x20"}, {"worker": "w1"}, "15m",
    ),
    Alert(
        "RecorderDeadLetter", "page", "increase(trimtab_recorder_put_aside_total[1h]) > 0", "0m",
        "a record cannot be stored; it is in `dead/recorder/` of the state directory, report it",
        {'trimtab_recorder_put_aside_total{worker="w1"}': "0x10 1x10"},
        {'trimtab_recorder_put_aside_total{worker="w1"}': "1x20"}, {"worker": "w1"}, "15m",
    ),
    Alert(
        "ExporterDown", "message", "trimtab_export_lag_seconds > 300", "5m",
        "traces wait for an exporter: see that its receiver is there and takes its key",
        {'trimtab_export_lag_seconds{exporter="otlp"}': "0+60x30"},
        {'trimtab_export_lag_seconds{exporter="otlp"}': "1x30"}, {"exporter": "otlp"}, "20m",
    ),
    Alert(
        "ExporterGivesUp", "message",
        'increase(trimtab_export_given_up_total[1h]) > 0 or increase(trimtab_export_rejected_total{reason="put_aside"}[1h]) > 0',
        "0m", "traces were given up or put aside; the store has all of them",
        {'trimtab_export_given_up_total{exporter="otlp",reason="age"}': "0x10 7x10"},
        {'trimtab_export_given_up_total{exporter="otlp",reason="age"}': "7x20"},
        {"exporter": "otlp", "reason": "age"}, "15m",
    ),
    Alert(
        "ConfigLag", "page", "trimtab_config_lag_seconds > 60", "2m",
        "a worker does not run what is live: a kill switch may not reach it",
        {'trimtab_config_lag_seconds{worker="w1"}': "0+60x10"},
        {'trimtab_config_lag_seconds{worker="w1"}': "0x10"}, {"worker": "w1"}, "10m",
    ),
    Alert(
        "ReplayableShareLow", "message",
        'sum by (feature) (increase(trimtab_replayable_total{replay="full"}[1d]))'
        " / sum by (feature) (increase(trimtab_replayable_total[1d])) < 0.9"
        " and sum by (feature) (increase(trimtab_replayable_total[1d])) > 100", "30m",
        "of a feature's requests, more than 10 % cannot be asked again byte for byte",
        {_REPLAY: "0+8x200", _NO_REPLAY: "0+2x200"}, {_REPLAY: "0+99x200", _NO_REPLAY: "0+1x200"},
        {"feature": "f"}, "190m",
    ),
    Alert(
        "TrimtabDown", "page", 'up{job="trimtab"} == 0', "2m",
        "the keeper does not answer; requests are served and recorded, and wait to be stored",
        {'up{job="trimtab",instance="a:8080"}': "0x10"},
        {'up{job="trimtab",instance="a:8080"}': "1x10"}, {"job": "trimtab", "instance": "a:8080"}, "5m",
    ),
)  # fmt: skip


def rules() -> str:
    """Write the rules."""
    told = [
        {
            "alert": it.name,
            "expr": it.expr,
            **({} if it.lasts == "0m" else {"for": it.lasts}),
            "labels": {"severity": it.severity},
            "annotations": {"summary": it.told},
        }
        for it in ALERTS
    ]
    return _yaml({"groups": [{"name": "trimtab", "rules": told}]})


def tests() -> str:
    """Write what `promtool test rules` runs: each alert with its fault, and without."""
    found: list[object] = []
    for it in ALERTS:
        fires = {
            "exp_labels": {"severity": it.severity, **it.labels},
            "exp_annotations": {"summary": it.told},
        }
        for name, series, expected in (
            (f"{it.name} fires", it.fault, [fires]),
            (f"{it.name} is silent", it.quiet, []),
        ):
            found.append({
                "name": name,
                "interval": "1m",
                "input_series": [{"series": key, "values": of} for key, of in series.items()],
                "alert_rule_test": [
                    {"eval_time": it.at, "alertname": it.name, "exp_alerts": expected}
                ],
            })  # fmt: skip
    return _yaml({"rule_files": ["alerts.rules.yml"], "evaluation_interval": "5m", "tests": found})


class Panel(NamedTuple):
    """A drawing: what its lines are called, and their unit in Grafana's words."""

    title: str
    expr: str
    legend: str
    unit: str = "short"


def quantile(share: str, metric: str, by: str) -> str:
    """Ask for a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket[5m])))"


_DURATION = "gen_ai_client_operation_duration_seconds"
_FIRST = "gen_ai_client_operation_time_to_first_chunk_seconds"
_DEAR = "topk(20, sum by (tenant) (increase(trimtab_cost_nano_usd_total[1h]))) / 1e9"

DASHBOARDS: Mapping[str, Sequence[Panel]] = {
    "overview": (
        Panel("Requests", 'sum by (status) (rate(trimtab_requests_total{origin="live"}[5m]))', "{{status}}", "reqps"),
        Panel("Duration, p95", quantile("0.95", _DURATION, "request_model"), "{{request_model}}", "s"),
        Panel("Time to the first chunk, p95", quantile("0.95", _FIRST, "request_model"), "{{request_model}}", "s"),
        Panel("Share of attempts that do not answer", bad_share("5m"), "{{target}}", "percentunit"),
        Panel("Tokens", "sum by (type) (rate(trimtab_tokens_total[5m]))", "{{type}}"),
        Panel("Cost of an hour, USD", "sum by (model) (increase(trimtab_cost_nano_usd_total[1h])) / 1e9", "{{model}}", "currencyUSD"),
        Panel("Our overhead, p99", quantile("0.99", "trimtab_overhead_seconds", "stage"), "{{stage}}", "s"),
        Panel("Targets left alone", "sum by (target, state) (trimtab_target_left_alone)", "{{target}} {{state}}"),
    ),
    "tenant-cost": (
        Panel("Cost of an hour, USD", _DEAR, "{{tenant}}", "currencyUSD"),
        Panel("Cost of a day by feature, USD", "topk(20, sum by (tenant, feature) (increase(trimtab_cost_nano_usd_total[1d]))) / 1e9", "{{tenant}}/{{feature}}", "currencyUSD"),
        Panel("Budgets left", "trimtab_budget_left_ratio", "{{tenant}} {{budget}}", "percentunit"),
        Panel("Alerts on spending", "sum by (alert, tenant) (trimtab_alert_active) > 0", "{{alert}} {{tenant}}"),
        Panel("Tokens by tenant", "topk(20, sum by (tenant) (rate(trimtab_tokens_total[5m])))", "{{tenant}}"),
        Panel("What providers billed more than the ledger says", "trimtab_reconcile_drift_ratio", "{{provider}}", "percentunit"),
    ),
    "quality": (
        Panel("Mean score of judges", mean_score("1h"), "{{name}} {{prompt_name}}"),
        Panel("Score, tenth percentile", "histogram_quantile(0.1, sum by (le, name, prompt_version) (rate(trimtab_eval_score_bucket[6h])))", "{{name}} {{prompt_version}}"),
        Panel("Answers judged", "sum by (name, prompt_version) (increase(trimtab_eval_score_count[1h]))", "{{name}} {{prompt_version}}"),
        Panel("Refused and failed attempts", f"sum by (target, outcome) (rate(trimtab_attempts_total{{{BAD}}}[5m]))", "{{target}} {{outcome}}"),
        Panel("Replayable", 'sum by (feature) (increase(trimtab_replayable_total{replay="full"}[1d])) / sum by (feature) (increase(trimtab_replayable_total[1d]))', "{{feature}}", "percentunit"),
        Panel("Output tokens, median", 'histogram_quantile(0.5, sum by (le, request_model) (rate(gen_ai_client_token_usage_bucket{token_type="output"}[5m])))', "{{request_model}}"),
    ),
    "pipeline": (
        Panel("Records wait", "trimtab_spool_lag_seconds", "{{worker}}", "s"),
        Panel("Bytes wait", "trimtab_spool_bytes", "{{worker}}", "bytes"),
        Panel("Torn tails and dead letters", "increase(trimtab_spool_torn_tail_total[1h]) or increase(trimtab_recorder_put_aside_total[1h])", "{{worker}}"),
        Panel("Traces wait for exporters", "trimtab_export_lag_seconds", "{{exporter}}", "s"),
        Panel("Spans exported", "sum by (exporter) (rate(trimtab_exported_total[5m]))", "{{exporter}}"),
        Panel("Given up or rejected", "increase(trimtab_export_given_up_total[1h]) or increase(trimtab_export_rejected_total[1h])", "{{exporter}} {{reason}}"),
        Panel("Workers behind a change", "trimtab_config_lag_seconds", "{{worker}}", "s"),
        Panel("Traces kept, by rule", "sum by (rule, kept) (rate(trimtab_sampled_total[5m]))", "{{rule}} {{kept}}"),
        Panel("Weight of kept traces, over all", 'sum(rate(trimtab_sampled_weight_total{kept="true"}[1h])) / sum(rate(trimtab_sampled_total[1h]))', "weight"),
        Panel("Requests that run", "trimtab_requests_open", "{{worker}}"),
    ),
}  # fmt: skip


def dashboard(name: str) -> str:
    """Write a dashboard; whoever imports it chooses the data source."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": it.title,
            "datasource": source,
            "gridPos": {"h": 8, "w": 12, "x": number % 2 * 12, "y": number // 2 * 8},
            "fieldConfig": {"defaults": {"unit": it.unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": "A", "datasource": source, "expr": it.expr, "legendFormat": it.legend}
            ],
        }
        for number, it in enumerate(DASHBOARDS[name])
    ]
    variable = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    made = {
        "uid": f"trimtab-{name}",
        "title": f"Trimtab: {name.replace('-', ' ')}",
        "tags": ["trimtab"],
        "schemaVersion": 38,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [variable]},
        "panels": panels,
    }
    return json.dumps(made, indent=1) + "\n"


def unknown(expr: str) -> Iterator[str]:
    """Name the metrics and labels of a query that are not in the table."""
    labels = {label: set(it.labels) for label, it in METRICS.items()}
    labels |= {name: set(it) for name, it in ABOVE_METRICS.items()}
    named = {_family(it) for it in _NAME.findall(expr)}
    yield from named - labels.keys()
    for metric, selector in _SELECTOR.findall(expr):
        known = labels.get(_family(metric), set()) | OF_ALL
        yield from (f"{metric}{{{it}}}" for it in set(_LABEL.findall(selector)) - known)
    some = set().union(*(labels.get(it, set()) for it in named)) | OF_ALL
    for listed in _BY.findall(expr):
        yield from {it.strip() for it in listed.split(",")} - some


def _family(name: str) -> str:
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    return stem if stem in METRICS and METRICS[stem].kind is Kind.HISTOGRAM else name


def queries() -> Iterator[str]:
    """Give every query there is."""
    yield from (it.expr for it in ALERTS)
    yield from (it.expr for panels in DASHBOARDS.values() for it in panels)


def written() -> Mapping[str, str]:
    """Give every file by its name."""
    return {
        "alerts.rules.yml": rules(),
        "alerts.test.yml": tests(),
        **{f"grafana/{name}.json": dashboard(name) for name in DASHBOARDS},
    }


def _yaml(document: object) -> str:
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = (
        False,
        10_000,
        False,
    )
    yaml.dump(document, text)
    return f"{NOTICE}\n{text.getvalue()}"


def main() -> int:
    """Write the files, or compare them with `--check`."""
    wrong = [it for expr in queries() for it in unknown(expr)]
    if wrong:
        print(f"not in the metric table: {', '.join(sorted(set(wrong)))}")
        return 1
    stale = [name for name, text in written().items() if not _is(TARGET / name, text)]
    if "--check" not in sys.argv:
        for name in stale:
            (TARGET / name).parent.mkdir(parents=True, exist_ok=True)
            (TARGET / name).write_text(written()[name])
        return 0
    print("".join(f"{it} is stale; run `make docs`\n" for it in stale), end="")
    return 1 if stale else 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    raise SystemExit(main())
