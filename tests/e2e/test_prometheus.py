"""A real Prometheus scrapes the running stack with the shipped files, and its rules fire."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ADMIN_KEY, Stack, eventually, free_port
from tests.e2e.raw_http import chat, request, send
from tests.services import program

pytestmark = pytest.mark.e2e


class Prometheus:
    """A Prometheus of our own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **query: str) -> Any:  # noqa: ANN401 -- JSON
        """Ask its API; `None` while it is starting."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(self, query: str) -> float | None:
        """Give what a query says now."""
        found = self.ask("query", query=query)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    def firing(self) -> set[str]:
        """Name the alerts that fire."""
        told: Any = self.ask("alerts")
        alerts: list[Any] = told["alerts"] if told else []
        return {it["labels"]["alertname"] for it in alerts if it["state"] == "firing"}


@pytest.fixture
def prometheus(stack: Stack, tmp_path: Path) -> Generator[Prometheus]:
    """Run it on what `trimtab telemetry assets` writes, with a quick clock and our port."""
    stack.run("telemetry", "assets", "--out", str(tmp_path))
    config = tmp_path / "prometheus.yml"
    text = config.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{stack.port}")
    config.write_text(text.replace("interval: 15s", "interval: 1s"))
    (tmp_path / "trimtab-token").write_text(ADMIN_KEY)
    rules = tmp_path / "alerts.rules.yml"
    rules.write_text(rules.read_text().replace("for: 2m", "for: 1s"))
    port = free_port()
    command = [
        program("prometheus"),
        *("--config.file", str(config), "--storage.tsdb.path", str(tmp_path / "data")),
        *("--web.listen-address", f"127.0.0.1:{port}", "--enable-feature=exemplar-storage"),
    ]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(10)


def test_what_it_scrapes_is_the_ledger_and_an_alert_fires(
    stack: Stack, key: str, prometheus: Prometheus
) -> None:
    good, bad = request(key), request(key, chat(model="chat!status:500"))
    for asked in (good, bad):
        stack.record(send(stack.port, asked).request_id)
    failed = 'sum(trimtab_requests_total{origin="live",status="error"})'
    before = eventually(lambda: prometheus.value(failed), "errors are scraped")
    assert prometheus.value('up{job="trimtab"}') == 1
    assert "ErrorBudgetBurnFast" not in prometheus.firing()

    for asked in (good, *(bad,) * 9):
        stack.record(send(stack.port, asked).request_id)

    eventually(lambda: prometheus.value(failed) == before + 9, "nine more errors are scraped")
    eventually(lambda: "ErrorBudgetBurnFast" in prometheus.firing(), "the rule fires", 40)
    assert not prometheus.firing() & {"TrimtabDown", "SpoolLag", "ConfigLag", "RecorderDeadLetter"}
    [ledger] = stack.rows("SELECT sum(cost_nano) AS cost_nano FROM ledger")
    eventually(
        lambda: prometheus.value("sum(trimtab_cost_nano_usd_total)") == ledger["cost_nano"],
        "the scraped cost is the ledger's",
    )


def test_a_trace_stands_beside_what_was_measured(
    stack: Stack, key: str, prometheus: Prometheus
) -> None:
    record = stack.record(send(stack.port, request(key)).request_id)
    metric = "gen_ai_client_operation_duration_seconds"

    def shown() -> set[str]:
        span = {
            "start": str(record["ts_us"] / 1e6 - 3600),
            "end": str(record["ts_us"] / 1e6 + 3600),
        }
        found: list[Any] = prometheus.ask("query_exemplars", query=f"{metric}_bucket", **span) or []
        return {it["labels"]["trace_id"] for of in found for it in of["exemplars"]}

    traces = eventually(shown, "an exemplar is there")
    known = stack.rows("SELECT trace_id FROM request")
    assert traces <= {it["trace_id"] for it in known}
    assert prometheus.value(f"sum({metric}_count)") is not None
