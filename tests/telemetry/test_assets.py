"""The shipped files: what Prometheus' own tools say of them, and that they name what there is."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.services import program

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "src/trimtab/telemetry/assets"

sys.path.insert(0, str(ROOT / "tools"))
assets: Any = importlib.import_module("telemetry_assets")
sys.path.remove(str(ROOT / "tools"))


def promtool(*arguments: str, cwd: Path = SHIPPED) -> str:
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def yaml(name: str) -> Any:  # noqa: ANN401 -- YAML
    reader: Any = YAML(typ="safe")
    return reader.load((SHIPPED / name).read_text())


@pytest.mark.parametrize("name", assets.written())
def test_a_file_is_what_its_table_says(name: str) -> None:
    assert (SHIPPED / name).read_text() == assets.written()[name], "run `make docs`"


def test_no_query_names_a_metric_or_label_that_is_not_there() -> None:
    assert [it for expr in assets.queries() for it in assets.unknown(expr)] == []


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        ("rate(trimtab_request_total[5m])", "trimtab_request_total"),
        ('trimtab_requests_total{tennant="a"}', "trimtab_requests_total{tennant}"),
        ("sum by (feature) (trimtab_tokens_total)", "feature"),
        ("trimtab_requests_total_bucket", "trimtab_requests_total_bucket"),
    ],
)
def test_a_renamed_metric_or_label_is_found(expr: str, wrong: str) -> None:
    assert list(assets.unknown(expr)) == [wrong]


def test_rules_are_accepted() -> None:
    assert f"{len(assets.ALERTS)} rules found" in promtool("check", "rules", "alerts.rules.yml")


def test_every_alert_fires_on_its_fault_and_is_silent_without_it() -> None:
    tested: list[Any] = yaml("alerts.test.yml")["tests"]
    fired = [it["alert_rule_test"][0]["exp_alerts"] != [] for it in tested]
    assert fired == [True, False] * len(assets.ALERTS)

    promtool("test", "rules", "alerts.test.yml")


def test_queries_of_dashboards_are_accepted(tmp_path: Path) -> None:
    panels = [
        panel
        for file in (SHIPPED / "grafana").iterdir()
        for panel in json.loads(file.read_text())["panels"]
    ]
    rules = [
        {"record": f"panel:{number}", "expr": panel["targets"][0]["expr"]}
        for number, panel in enumerate(panels)
    ]
    groups = {"groups": [{"name": "panels", "rules": rules}]}
    (tmp_path / "panels.yml").write_text(json.dumps(groups))

    assert f"{len(panels)} rules found" in promtool("check", "rules", "panels.yml", cwd=tmp_path)


@pytest.mark.parametrize("name", assets.DASHBOARDS)
def test_a_dashboard_names_no_data_source_of_ours(name: str) -> None:
    text = (SHIPPED / "grafana" / f"{name}.json").read_text()
    made = json.loads(text)

    assert text.count('"uid"') == text.count('"uid": "${datasource}"') + 1
    assert made["templating"]["list"][0]["type"] == "datasource"
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])


def test_the_scrape_configuration_is_accepted(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "alerts.rules.yml"):
        (tmp_path / name).write_text((SHIPPED / name).read_text())
    (tmp_path / "trimtab-token").write_text("x")

    assert "is valid" in promtool("check", "config", "prometheus.yml", cwd=tmp_path)


def test_the_collector_hands_on_by_trace_and_then_decides() -> None:
    made = yaml("collector.yaml")

    spread, decide = made["service"]["pipelines"].values()
    assert made["exporters"]["loadbalancing"]["routing_key"] == "traceID"
    assert spread["exporters"] == ["loadbalancing"]
    assert decide["processors"][0] == "tail_sampling"
    policies = made["processors"]["tail_sampling"]["policies"]
    assert "probabilistic" not in {it["type"] for it in policies}
    named = {it for of in (spread, decide) for it in (*of["receivers"], *of["exporters"])}
    assert named == {*made["receivers"], *made["exporters"]}
