import json
import re
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.cli.evals.stored import GOOD, RUN, beside, store
from tests.evals.labelled import JUDGE, labels_of, run_of, values
from tests.evals.suites import row, written

from trimtab.cli import program
from trimtab.evals.calibration import read_calibrations
from trimtab.evals.desk import Desk
from trimtab.evals.labels import append_labels, read_labels
from trimtab.evals.result import Run, write_run


def calibrate(suite: Path, home: Path, *arguments: str, run: str = RUN.run_id) -> Result:
    words = ["evals", "calibrate", str(suite), "--run", run, "--home", str(home), *arguments]
    return CliRunner().invoke(program, words)


def test_a_valid_judge_is_told_on_three_lines_and_kept(suite: Path, home: Path, desk: Desk) -> None:
    nearly = [it if at % 7 else 1 - it for at, it in enumerate(GOOD)]
    append_labels(beside(suite, "labels.jsonl"), labels_of(GOOD, nearly))

    result = calibrate(suite, home)

    assert result.exit_code == 0, result.output
    prompts = "[0-9a-f]{12} [0-9a-f]{12}"
    interval = r"\[\.\d\d,(\.\d\d|1\.00)\]"
    assert re.fullmatch(
        rf"judge judge-pinned \({JUDGE.resolved}\)  metric faithfulness  prompt {prompts}"
        r"  n=100 raters=2\n"
        rf"raw agreement \.\d\d   Spearman \.\d\d {interval}   halves: kappa \.\d\d analytic"
        rf" {interval}   AC1 \.\d\d   confusion \d+/\d+/\d+/\d+\n"
        rf"human-human Spearman \.\d\d {interval}  n=100  \(ceiling\)   VALID until"
        r" \d{4}-\d\d-\d\d  wide: 100 cases; 200 make it narrow\n",
        result.output,
    )
    (made,) = read_calibrations(beside(suite, "calibration.json"))
    assert (made.metric, made.refused, made.judge) == ("faithfulness", (), "judge-pinned")
    assert desk.calibrations("rag-golden") == (made,)


def test_a_refused_judge_exits_with_one_and_says_why(suite: Path, home: Path) -> None:
    append_labels(beside(suite, "labels.jsonl"), labels_of(GOOD[:20]))

    result = calibrate(suite, home)

    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[2] == "human-human unknown: no answer has two raters   REFUSED"
    assert lines[3] == "refused: 20 cases are labelled, and 50 are the least; label 30 more"
    (made,) = read_calibrations(beside(suite, "calibration.json"))
    assert made.refused


def test_nominal_labels_show_a_table_of_yes_and_no(tmp_path: Path, home: Path, desk: Desk) -> None:
    from_judge = [1.0] * 60 + [0.0] * 40
    by_people = [1.0] * 55 + [0.0] * 35 + [1.0] * 10
    run = refusing(from_judge)
    store(desk, run)
    rows = [row(it) | {"id": f"q-{it}"} for it in range(100)]
    suite = written(tmp_path, "judge: {model: j}\nmetrics:\n  refuses: {expected: true}\n", rows)
    append_labels(beside(suite, "labels.jsonl"), labels_of(by_people, metric="refuses"))

    result = calibrate(suite, home)

    assert result.exit_code == 0, result.output
    assert "raw agreement .85   kappa .68 [" in result.output
    assert "confusion 55/10/5/30\n" in result.output


def refusing(said: list[float]) -> Run:
    run = run_of(values(said), "refuses", options={"expected": True})
    samples = [
        msgspec.structs.replace(
            it,
            scores={
                name: msgspec.structs.replace(score, label="refuses" if score.value else "answers")
                for name, score in it.scores.items()
            },
        )
        for it in run.samples
    ]
    return msgspec.structs.replace(run, samples=tuple(samples))


def test_labels_of_the_console_are_added_to_those_beside_the_suite(
    suite: Path, home: Path, desk: Desk
) -> None:
    append_labels(beside(suite, "labels.jsonl"), labels_of(GOOD[:40]))
    append_labels(desk.labels_file("rag-golden"), labels_of(GOOD))

    result = calibrate(suite, home)

    assert result.exit_code == 0, result.output
    assert result.output.startswith("60 labels of the console were added to ")
    assert len(read_labels(beside(suite, "labels.jsonl"))) == 100


def test_it_is_json_for_programs(suite: Path, home: Path, desk: Desk) -> None:
    append_labels(desk.labels_file("rag-golden"), labels_of(GOOD))

    result = calibrate(suite, home, "--json", "--metric", "faithfulness")

    (told,) = json.loads(result.output)["calibrations"]
    assert (told["metric"], told["n"], told["statistic"]) == ("faithfulness", 100, "Spearman")


def test_a_run_may_be_a_file(suite: Path, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(write_run(RUN))
    append_labels(beside(suite, "labels.jsonl"), labels_of(GOOD))

    assert calibrate(suite, home, run=str(path)).exit_code == 0
    path.write_text("{}")
    assert "is no run" in calibrate(suite, home, run=str(path)).output


@pytest.mark.parametrize(
    ("run", "arguments", "said"),
    [
        pytest.param("ev_nobody", (), "there is no run 'ev_nobody'", id="no run"),
        pytest.param("../ev_1", (), "is no name of a suite or run", id="no name"),
        pytest.param(
            RUN.run_id, ("--metric", "exact_match"), "a judge decides: faithfulness", id="no judge"
        ),
    ],
)
def test_what_cannot_be_calibrated_is_a_wrong_use(
    suite: Path, home: Path, run: str, arguments: tuple[str, ...], said: str
) -> None:
    result = calibrate(suite, home, *arguments, run=run)

    assert (result.exit_code, said in result.output) == (2, True)


def test_the_run_of_another_suite_is_refused(suite: Path, home: Path, desk: Desk) -> None:
    store(desk, msgspec.structs.replace(RUN, run_id="ev_2", suite="other"))

    result = calibrate(suite, home, run="ev_2")

    assert result.exit_code == 2
    assert "run 'ev_2' is of suite 'other', not of 'rag-golden'" in result.output


def test_without_numpy_it_says_what_to_install(
    suite: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "trimtab.evals.calibrate", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)

    result = calibrate(suite, home)

    assert result.exit_code == 2
    assert "agreement takes numpy, which is not installed; pip install 'trimtab[stats]'" in (
        result.output
    )
