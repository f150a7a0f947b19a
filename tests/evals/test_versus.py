import pytest
from msgspec.structs import replace
from tests.evals.runs import even, name_of, run, worse

from trimtab.domain.errors import InvalidRequest
from trimtab.evals.judgement import judged
from trimtab.evals.result import Arm, JudgeSeen, Stop
from trimtab.evals.verdict import Verdict
from trimtab.evals.versus import differences, side_by_side

BEFORE = replace(worse(300, 2), run_id="ev_1")
AFTER = replace(worse(300, 40), run_id="ev_2")


def test_the_candidates_of_two_runs_are_paired() -> None:
    made = side_by_side(BEFORE, AFTER)

    assert made.baseline is not None
    assert (made.baseline.name, made.baseline.reused_from) == ("rag-answer@3.3.0", "ev_1")
    found = judged(made, {})
    (line,) = found.lines
    assert found.verdict is Verdict.FAIL
    assert (line.row.first, line.row.second) == (38, 0)
    assert {it.arm for it in made.samples} == set(Arm)


def test_cases_that_differ_are_listed_the_worst_first_and_gains_last() -> None:
    one = replace(run({"token_f1": [0.5, 0.5, 0.5]}), run_id="ev_1")
    other = replace(run({"token_f1": [0.75, 0.5, 0.0]}), run_id="ev_2")

    found = differences(judged(side_by_side(one, other), {}))

    assert [(it.case, it.before, it.after, it.delta) for it in found] == [
        (name_of(2), 0.5, 0.0, -0.5),
        (name_of(0), 0.5, 0.75, 0.25),
    ]


def test_a_case_that_changed_or_is_in_one_run_only_is_named_and_left_out() -> None:
    first, second, *rest = AFTER.cases
    cases = (replace(first, hash="f" * 64), replace(second, id="q-new"), *rest)

    made = side_by_side(BEFORE, replace(AFTER, cases=cases))

    assert len(made.cases) == 298
    assert made.unpaired == (name_of(0), name_of(1), "q-new")
    assert judged(made, {}).lines[0].row.errors == 0


def test_only_metrics_of_one_version_are_compared() -> None:
    one = run({"exact_match": [1.0], "token_f1": [1.0], "pairwise": [1.0]})
    other = replace(one, run_id="ev_2", metrics={**one.metrics, "token_f1": "2"})

    made = side_by_side(one, other)

    assert list(made.metrics) == ["exact_match"]
    assert [it.row.name for it in judged(made, {}).lines] == ["exact_match"]
    assert (
        "not compared, in one run only or of another version: pairwise, token_f1" in made.warnings
    )


def test_another_judge_is_a_warning() -> None:
    other = replace(AFTER, judge=JudgeSeen(model="judge", resolved="sim/other"))

    assert any("may not be comparable" in it for it in side_by_side(BEFORE, other).warnings)
    assert not side_by_side(BEFORE, AFTER).warnings


def test_a_run_that_did_not_end_makes_none_of_both() -> None:
    assert side_by_side(replace(BEFORE, stopped=Stop.BUDGET), AFTER).stopped is Stop.BUDGET


def test_runs_that_share_nothing_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="have no case in common; compare runs of one suite"):
        side_by_side(BEFORE, replace(AFTER, cases=()))
    with pytest.raises(InvalidRequest, match="have no metric in common"):
        side_by_side(even(3), run({"token_f1": [1.0] * 3}))
