from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.evals.suites import row, written
from tests.wiring.test_evals import TARGET, Table

from trimtab.cli import program
from trimtab.cli.evals import run as module
from trimtab.evals.result import read_run
from trimtab.wiring.evals import Bench

ROWS = [row(it, expected="No" if it == 2 else "Yes") for it in range(3)]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """A bench that answers, in the place of a gateway."""
    made = Table(tmp_path, 12)

    @asynccontextmanager
    async def bench(*_places: Any, **_said: Any) -> AsyncGenerator[Bench]:  # noqa: ANN401
        yield made.bench

    monkeypatch.setattr(module, "bench", bench)
    monkeypatch.chdir(tmp_path)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["evals", "run", *arguments])


def test_means_are_printed_for_each_metric_and_arm(table: Table, tmp_path: Path) -> None:
    result = run(str(written(tmp_path, TARGET, ROWS)), "--model", "cheap")

    assert (result.exit_code, table.done) == (0, [3, 1, 2, 3])
    head, *lines = result.stdout.splitlines()
    assert head.endswith("cases 3  candidate cheap  baseline answers")
    assert [line.split() for line in lines[:3]] == [
        ["metric", "arm", "n", "err", "na", "mean"],
        ["exact_match", "candidate", "3", "0", "0", "0.6667"],
        ["exact_match", "baseline", "3", "0", "0", "0.6667"],
    ]
    assert lines[3] == "answers $0.0060 (6 calls)"
    assert lines[4].startswith("run ev_")


@pytest.mark.usefixtures("table")
def test_the_document_is_printed_or_written(tmp_path: Path) -> None:
    path, out = str(written(tmp_path, TARGET, ROWS)), tmp_path / "out.json"

    result = run(path, "--baseline", "none", "--json", "--out", str(out))

    assert result.exit_code == 0
    assert read_run(result.stdout_bytes) == read_run(out.read_bytes())
    assert read_run(out.read_bytes()).baseline is None


def test_over_its_money_it_exits_3(table: Table, tmp_path: Path) -> None:
    result = run(str(written(tmp_path, TARGET, ROWS)), "--max-usd", "0.0000001")

    assert (result.exit_code, table.provider.sent) == (3, [])
    assert "may cost $1e-07" in result.stderr


@pytest.mark.usefixtures("table")
def test_a_run_that_ended_early_exits_3_and_goes_on(tmp_path: Path) -> None:
    path = str(written(tmp_path, TARGET, ROWS))

    result = run(path, "--baseline", "none", "--max-usd", "0.001", "--concurrency", "1")
    stopped = result.stderr.strip().rpartition(" ")[2].rstrip("`")
    again = run("--resume", stopped, "--max-usd", "1", "--home", str(tmp_path))

    assert result.exit_code == 3
    assert f"there is no money left for it; go on with `trimtab evals run --resume {stopped}`" in (
        result.stderr
    )
    assert again.exit_code == 0
    assert "answers $0.0030 (3 calls)" in again.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["a.yaml", "--resume", "ev_1"], ["a.yaml", "b.yaml", "--out", "x"]]
)
def test_what_cannot_be_meant_is_wrong_usage(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_what_cannot_be_read_is_told_before_a_gateway_is_started(tmp_path: Path) -> None:
    bad = run(str(tmp_path / "none.yaml"), "--home", str(tmp_path))
    gone = run("--resume", "ev_1", "--home", str(tmp_path))

    assert (bad.exit_code, "cannot be read" in bad.stderr) == (2, True)
    assert (gone.exit_code, "no run 'ev_1' to go on with" in gone.stderr) == (2, True)
