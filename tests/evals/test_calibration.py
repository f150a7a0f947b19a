import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.evals.labelled import DAY_US, JUDGE, NOW_US, PROMPTS, label, labels_of, run_of, values

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.calibrate import calibrate
from trimtab.evals.calibration import (
    Calibration,
    Figure,
    calibration_beside,
    number,
    read_calibrations,
    validity,
    write_calibrations,
)
from trimtab.evals.result import Run

GOOD = [1.0, 0.0] * 40
LABELS = labels_of(GOOD)
RUN = run_of(values(GOOD))


def made(run: Run = RUN) -> Calibration:
    (only,) = calibrate(run, LABELS, {"faithfulness": PROMPTS["faithfulness"]}, NOW_US, 100)
    return only


MADE = made()


def why(run: Run = RUN, now_us: int = NOW_US, **members: Any) -> str | None:  # noqa: ANN401
    return validity(run, [MADE], now_us, **members)["faithfulness"]


def judged_by(**members: Any) -> Run:  # noqa: ANN401
    return msgspec.structs.replace(RUN, judge=msgspec.structs.replace(JUDGE, **members))


def test_a_calibrated_judge_may_decide() -> None:
    assert validity(RUN, [MADE], NOW_US) == {"faithfulness": None}
    assert why(labels=LABELS) is None


def test_a_judge_that_was_never_calibrated_may_not() -> None:
    said = validity(RUN, [], NOW_US)

    assert said["faithfulness"] is not None
    assert said["faithfulness"].startswith("its judge was never held against people; ")


def test_the_calibration_of_another_suite_or_metric_is_none() -> None:
    for other in ({"suite": "other"}, {"metric": "rubric"}):
        said = validity(RUN, [msgspec.structs.replace(MADE, **other)], NOW_US)
        assert said["faithfulness"] is not None


def test_a_refused_judge_may_not_decide_and_the_reason_is_told() -> None:
    refused = msgspec.structs.replace(MADE, refused=("kappa is too low; change it", "more"))

    assert validity(RUN, [refused], NOW_US) == {
        "faithfulness": "its judge was refused: kappa is too low; change it"
    }


def test_a_judge_whose_prompt_has_changed_since_is_another_one() -> None:
    prompts = {**JUDGE.prompts, "judge-faithfulness-verify": "0" * 64}

    assert why(judged_by(prompts=prompts)) == (
        "the judge prompt 'judge-faithfulness-verify' has changed since it was calibrated;"
        " calibrate it again"
    )
    unused = {**JUDGE.prompts, "judge-refusal": "0" * 64}
    assert why(judged_by(prompts=unused)) is None


def test_so_is_another_model_and_no_judge_at_all() -> None:
    other = why(judged_by(resolved="anthropic/claude-haiku-5"))

    assert other is not None
    assert "'anthropic/claude-haiku-5'" in other
    assert "has changed since it was calibrated" in other
    assert why(msgspec.structs.replace(RUN, judge=None)) is not None


def test_so_is_another_version_of_the_metric_or_another_setting() -> None:
    version = msgspec.structs.replace(RUN, metrics={"faithfulness": "2"})
    options = run_of(values(GOOD), options={"strict": True})

    assert why(version) == (
        "the metric has changed from version 1 to 2 since it was calibrated; calibrate it again"
    )
    assert why(options) == (
        "the metric's options have changed since it was calibrated; calibrate it again"
    )


def test_labels_that_were_added_ask_for_another_calibration() -> None:
    assert why(labels=[*LABELS, label(3, 1, rater="tom")]) == (
        "its labels have changed since it was calibrated; calibrate it again"
    )


def test_it_is_good_for_ninety_days() -> None:
    assert why(now_us=NOW_US + 90 * DAY_US - 1) is None
    assert why(now_us=NOW_US + 90 * DAY_US) == (
        "its calibration is older than 90 days; calibrate it again"
    )


def test_only_judged_metrics_are_asked_after() -> None:
    assert "exact_match" in RUN.metrics
    assert set(validity(RUN, [], NOW_US)) == {"faithfulness"}


def test_calibrations_replace_those_of_their_metric(tmp_path: Path) -> None:
    path = calibration_beside(tmp_path / "rag-golden.yaml")
    other = msgspec.structs.replace(MADE, metric="rubric")
    newer = msgspec.structs.replace(MADE, n=99)

    write_calibrations(path, [other, MADE])
    write_calibrations(path, [newer])

    assert path.name == "rag-golden.calibration.json"
    assert read_calibrations(path) == (newer, other)
    assert [it.name for it in tmp_path.iterdir()] == [path.name]


def test_a_file_that_is_none_is_refused_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.calibration.json"
    assert read_calibrations(path) == ()
    path.write_text('{"schema": "trimtab.calibrations/2"}')

    with pytest.raises(SettingsInvalid, match="is no file of calibrations"):
        read_calibrations(path)


def test_reading_calibrations_and_labelling_take_no_numpy() -> None:
    code = "import sys, trimtab.evals.desk, trimtab.evals.labelling; print('numpy' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)  # noqa: S603

    assert said.stdout == "False\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.7149, ".71"), (-0.05, "-.05"), (1.0, "1.00"), (0.999, "1.00"), (0, ".00"), (None, "-")],
)
def test_figures_have_two_digits_and_no_zero_before_the_point(
    value: float | None, text: str
) -> None:
    assert number(value) == text


def test_agreement_is_told_in_short() -> None:
    found = Figure(value=0.71, low=0.581, high=0.84)

    assert msgspec.structs.replace(MADE, agreement=found, n=120).said == (
        "Spearman .71 [.58,.84] n=120"
    )
    assert msgspec.structs.replace(MADE, agreement=Figure(reason="x")).said == "Spearman - [-] n=80"
