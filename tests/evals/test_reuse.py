from typing import Any

import pytest
from msgspec.structs import replace
from tests.evals.running import subject

from trimtab.evals.case import Case, Kind
from trimtab.evals.metrics.base import failed, scored
from trimtab.evals.result import Arm, CaseSeen, Run, Sample, Spent, Subject
from trimtab.evals.reuse import GOOD_FOR_US, answers_of, find_answers

CASES = tuple(Case(id=f"q-{it}", input={"question": f"{it}?"}) for it in range(3))
NOW_US = 10 * GOOD_FOR_US


def sample(case: str, arm: Arm, **members: Any) -> Sample:  # noqa: ANN401
    return Sample(case=case, arm=arm, index=0, text=f"{arm} {case}", **members)


def stored(**members: Any) -> Run:  # noqa: ANN401
    run = Run(
        run_id="ev_0",
        suite="s",
        file="s.yaml",
        kind=Kind.GOLDEN,
        dataset_hash="d",
        suite_hash="suite",
        candidate=subject("1.0.0"),
        baseline=subject("0.9.0"),
        cases=tuple(CaseSeen(id=it.id, hash=it.hash, input=it.input) for it in CASES),
        samples=(
            sample("q-0", Arm.CANDIDATE, scores={"m": scored(1), "n": failed("x", "y")}),
            sample("q-1", Arm.CANDIDATE, error="x"),
            sample("q-2", Arm.CANDIDATE),
            sample("q-0", Arm.BASELINE),
        ),
        spent=Spent(ended_us=NOW_US),
    )
    return replace(run, **members)


def test_what_a_subject_answered_is_found_in_either_arm() -> None:
    as_candidate = find_answers([stored()], subject("1.0.0"), "suite", now_us=NOW_US)
    as_baseline = find_answers([stored()], subject("0.9.0"), "suite", now_us=NOW_US)

    assert as_candidate is not None
    assert set(as_candidate.samples) == {("q-0", 0), ("q-2", 0)}
    assert as_candidate.subject.reused_from == "ev_0"
    assert {it.arm for it in as_candidate.samples.values()} == {Arm.BASELINE}
    assert as_baseline is not None
    assert set(as_baseline.samples) == {("q-0", 0)}


def test_failed_answers_and_failed_scores_are_to_be_made_again() -> None:
    found = find_answers([stored()], subject("1.0.0"), "suite", now_us=NOW_US)

    assert found is not None
    assert found.samples["q-0", 0].scores == {"m": scored(1)}


@pytest.mark.parametrize(
    ("wanted", "suite_hash", "late_us"),
    [
        (subject("1.0.1"), "suite", 0),
        (replace(subject("1.0.0"), model="other"), "suite", 0),
        (replace(subject("1.0.0"), code_hash="c"), "suite", 0),
        (replace(subject("1.0.0"), prompt_hash="h"), "suite", 0),
        (subject("1.0.0"), "another", 0),
        (subject("1.0.0"), "suite", GOOD_FOR_US + 1),
    ],
)
def test_another_prompt_model_code_suite_or_week_is_another_answer(
    wanted: Subject, suite_hash: str, late_us: int
) -> None:
    assert find_answers([stored()], wanted, suite_hash, now_us=NOW_US + late_us) is None


def test_at_the_end_of_the_week_it_still_counts() -> None:
    assert find_answers([stored()], subject("1.0.0"), "suite", now_us=NOW_US + GOOD_FOR_US)


def test_what_was_taken_over_once_is_not_taken_over_again() -> None:
    again = stored(baseline=replace(subject("0.9.0"), reused_from="ev_older"))

    assert find_answers([again], subject("0.9.0"), "suite", now_us=NOW_US) is None


def test_what_has_no_hash_is_never_the_same() -> None:
    service = Subject(name="http://app")

    assert find_answers([stored(candidate=service)], service, "suite", now_us=NOW_US) is None


def test_of_a_named_run_cases_that_changed_are_told_and_left_out() -> None:
    changed = (replace(CASES[0], expected="Yes"), CASES[1], CASES[2])
    new = Case(id="q-9", input={})

    found = answers_of(stored(), (*changed, new), "another")

    assert found.unpaired == ("q-0", "q-9")
    assert set(found.samples) == {("q-2", 0)}
    assert found.subject.reused_from == "ev_0"


def test_scores_of_another_suite_are_made_again() -> None:
    same, other = (answers_of(stored(), CASES, it) for it in ("suite", "another"))

    assert same.samples["q-0", 0].scores == {"m": scored(1)}
    assert other.samples["q-0", 0].scores == {}
