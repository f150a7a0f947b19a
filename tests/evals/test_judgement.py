import numpy as np
import pytest
from tests.evals.runs import even, name_of, run, worse

from trimtab.evals.judgement import judged
from trimtab.evals.result import Stop
from trimtab.evals.verdict import Verdict


def test_a_run_that_did_not_end_has_no_verdict() -> None:
    found = judged(worse(stopped=Stop.BUDGET), {})

    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "budget")


def test_too_many_cases_in_quarantine_hold_a_pass_and_excuse_no_failure() -> None:
    out = {name_of(at): "flaky" for at in range(16)}

    assert judged(even(quarantine=out), {}).reason == "quarantine"
    assert judged(even(quarantine=dict(list(out.items())[:15])), {}).verdict is Verdict.PASS
    assert judged(worse(by=60, quarantine=out), {}).verdict is Verdict.FAIL


def test_injected_failures_of_the_judge_never_raise_a_score() -> None:
    wrong = np.random.default_rng(3).random(300) < 0.2
    true = [0.0 if it else 1.0 for it in wrong]
    for at in (0.005, 0.05):
        lost = np.random.default_rng(4).random(300) < at
        seen = ["judge_truncated" if gone else it for gone, it in zip(lost, true, strict=True)]

        found = judged(run({"exact_match": seen}, {"exact_match": true}), {})

        (line,) = found.lines
        assert line.row.errors == lost.sum()
        assert line.row.bounds is not None
        assert line.row.bounds.low <= np.mean(true) <= line.row.bounds.high
        assert (found.verdict is Verdict.PASS) is (at < 0.01)


def test_the_cases_that_became_worse_are_named_the_gravest_first() -> None:
    made = run(
        {"exact_match": [1.0, 0.0] + [1.0] * 298, "token_f1": [0.2, 0.9, 0.5] + [0.9] * 297},
        {"exact_match": [1.0] * 300, "token_f1": [0.9] * 300},
        metrics={"exact_match": {}, "token_f1": {"floor": 0.95}},
    )

    found = judged(made, {})

    assert [(it.case, it.metric) for it in found.shifts()] == [
        (name_of(0), "token_f1"),
        (name_of(2), "token_f1"),
        (name_of(1), "exact_match"),
    ]
    assert [it.row.name for it in found.decided] == ["token_f1"]
    first = found.shifts()[0]
    assert (first.before, first.after, first.delta) == pytest.approx((0.9, 0.2, -0.7))
