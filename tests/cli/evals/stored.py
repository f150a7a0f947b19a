"""A run in a state directory, and a suite of the same cases."""

from pathlib import Path

from tests.evals.labelled import run_of, values

from trimtab.evals.desk import Desk
from trimtab.evals.result import Run, write_run

BODY = (
    "judge: {model: judge-pinned}\nmetrics:\n  faithfulness: {floor: 0.8}\n"
    "  exact_match: {}\n  latency_s: {max: 3}\n"
)
GOOD = [1.0, 0.75, 0.0, 0.25] * 25
RUN = run_of(values(GOOD))


def store(desk: Desk, run: Run) -> None:
    desk.folder.mkdir(parents=True, exist_ok=True)
    (desk.folder / f"{run.run_id}.json").write_bytes(write_run(run))


def beside(suite: Path, kind: str) -> Path:
    return suite.with_suffix(f".{kind}")
