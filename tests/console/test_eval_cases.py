"""The cases of a run for people."""

import pytest
from msgspec.structs import replace
from tests.console.evaluating import ATTACK
from tests.evals.runs import run, samples

from trimtab.console.eval_cases import MOST_SAMPLES, Cases
from trimtab.evals.result import Arm


def kinds(cases: Cases) -> list[tuple[str, str]]:
    return [(it.case.id, it.kind) for it in cases.rows]


def test_what_lost_most_comes_first_then_errors_then_what_won() -> None:
    made = run({"a": [1.0, 0.9, 0.2, "bad", 1.0, 1.0]}, {"a": [1.0, 1.0, 1.0, 1.0, 0.1, 0.5]})

    assert kinds(Cases.of(made)) == [
        ("q-0002", "worse"),
        ("q-0001", "worse"),
        ("q-0003", "error"),
        ("q-0004", "better"),
        ("q-0005", "better"),
        ("q-0000", "same"),
    ]


def test_a_fall_in_one_metric_outweighs_a_rise_in_another() -> None:
    made = run({"a": [1.0], "b": [0.5]}, {"a": [0.0], "b": [0.6]})

    (row,) = Cases.of(made).rows

    assert (row.kind, row.gain) == ("worse", pytest.approx(-0.1))


def test_what_has_a_unit_does_not_make_a_case_worse() -> None:
    metrics = {"latency": {"metric": "latency_s", "max": 9}}

    (row,) = Cases.of(run({"latency": [3.0]}, {"latency": [1.0]}, metrics=metrics)).rows

    assert row.kind == "same"
    assert (row.marks[0].gain, row.marks[0].lower) == (-2.0, True)


def test_a_metric_that_does_not_apply_is_not_told() -> None:
    (row,) = Cases.of(run({"a": [None]}, {"a": [None]})).rows

    assert (row.marks, row.kind) == ((), "same")


def test_without_a_baseline_the_lowest_scores_come_first() -> None:
    assert kinds(Cases.of(run({"a": [1.0, 0.3, 0.2]}))) == [
        ("q-0002", "low"),
        ("q-0001", "low"),
        ("q-0000", "same"),
    ]


def test_answers_stand_side_by_side_and_are_cut() -> None:
    cases = Cases.of(run({"a": [0.0]}, {"a": [1.0]}))

    ((one, two),) = cases.beside(cases.rows[0], 12).pairs

    assert one is not None
    assert two is not None
    assert one.text == "baseline say… (3 more characters)"
    assert two.arm == "candidate"
    assert two.scores[0].value == 0.0


def test_an_arm_that_has_no_answer_leaves_its_place_empty() -> None:
    made = run({"a": [0.0]}, {"a": [1.0]})
    cases = Cases.of(replace(made, samples=made.samples[:1]))

    ((one, two),) = cases.beside(cases.rows[0], 100).pairs

    assert one is None
    assert two is not None


def test_many_repeats_are_counted_and_not_all_shown() -> None:
    made = run({"a": [0.0]})
    more = tuple(it for at in range(1, 9) for it in samples(Arm.CANDIDATE, {"a": [0.0]}, index=at))
    cases = Cases.of(replace(made, samples=made.samples + more))

    shown = cases.beside(cases.rows[0], 100)

    assert len(shown.pairs) == MOST_SAMPLES
    assert shown.more == 9 - MOST_SAMPLES


def test_controls_are_taken_out_of_what_a_model_says() -> None:
    made = run({"a": [0.0]})
    said = replace(made.samples[0], text="a\x1b[31m\u202eb", error_detail=ATTACK)
    asked = replace(made.cases[0], input={"question": "\u2066x", "n": 1})
    cases = Cases.of(replace(made, samples=(said,), cases=(asked,)))

    shown = cases.beside(cases.rows[0], 100)

    assert shown.pairs[0][1] is not None
    assert shown.pairs[0][1].text == "a\ufffd[31m\ufffdb"
    assert "\u2066" not in shown.asked
