from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.evals.labelled import NOW_US, PROMPTS, labels_of, run_of, values

from trimtab.cli.evals.standing import standings
from trimtab.evals.calibrate import calibrate
from trimtab.evals.calibration import Calibration, calibration_beside, write_calibrations
from trimtab.evals.judgement import judged
from trimtab.evals.labels import append_labels, labels_beside
from trimtab.evals.result import Run
from trimtab.evals.verdict import Reason

GOOD = [1.0, 0.0] * 40
LABELS = labels_of(GOOD)


@pytest.fixture
def made(tmp_path: Path) -> Run:
    """A run whose suite lies in a folder of its own."""
    return replace(run_of(values(GOOD)), file=str(tmp_path / "suite.yaml"))


def calibrated(run: Run) -> Calibration:
    (only,) = calibrate(run, LABELS, {"faithfulness": PROMPTS["faithfulness"]}, NOW_US, 100)
    write_calibrations(calibration_beside(Path(run.file)), [only])
    append_labels(labels_beside(Path(run.file)), LABELS)
    return only


def test_a_judge_that_agrees_with_people_may_decide(made: Run) -> None:
    only = calibrated(made)

    found = standings(made, NOW_US)

    assert (found["faithfulness"].valid, found["faithfulness"].said) == (True, only.said)
    reasons = {it.row.name: it.row.reason for it in judged(made, found).lines}
    assert reasons["faithfulness"] is not Reason.UNCALIBRATED


def test_a_judge_without_a_calibration_may_not_and_it_is_told_why(made: Run) -> None:
    found = standings(made, NOW_US)

    assert not found["faithfulness"].valid
    assert "never held against people" in found["faithfulness"].said
    assert judged(made, found).reason == Reason.UNCALIBRATED


def test_labels_that_changed_since_are_another_calibration(made: Run) -> None:
    calibrated(made)
    append_labels(labels_beside(Path(made.file)), labels_of([0.0] * 3))

    assert not standings(made, NOW_US)["faithfulness"].valid
