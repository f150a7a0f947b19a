from pathlib import Path

from tests.cli.conftest import Terminal


def test_assets_are_written_and_one_that_was_changed_is_left(
    terminal: Terminal, tmp_path: Path
) -> None:
    out = tmp_path / "watch"

    written = terminal.run("telemetry", "assets", "--out", str(out)).output.splitlines()

    assert str(out / "grafana" / "overview.json") in written
    assert {path.name for path in out.iterdir()} >= {"alerts.rules.yml", "prometheus.yml"}
    terminal.run("telemetry", "assets", "--out", str(out))
    (out / "prometheus.yml").write_text("mine")
    refused = terminal.run("telemetry", "assets", "--out", str(out), code=2)
    assert "prometheus.yml' was changed" in refused.stderr
    assert (out / "prometheus.yml").read_text() == "mine"
    terminal.run("telemetry", "assets", "--out", str(out), "--force")
    assert (out / "prometheus.yml").read_text() != "mine"
