"""Verdicts on answers that others graded."""

from dataclasses import replace

import numpy as np
import pytest
from tests.recorded import Xsum, gradings, models, xsum

from trimtab.evals.gate import gate
from trimtab.evals.verdict import Limits, Outcome, Reason, Row, Rules, Verdict
from trimtab.stats.estimate import BoolArray, FloatArray

RULES = Rules(seed=1)


def rated(baseline: FloatArray, candidate: FloatArray, max_mde: float = 0.10) -> Outcome:
    """Grades 1 .. 5 as a rubric counts them."""
    return Outcome(
        "rubric", (candidate - 1) / 4, (baseline - 1) / 4, limits=Limits(max_mde=max_mde)
    )


def passed(baseline: BoolArray, candidate: BoolArray) -> Outcome:
    return Outcome("good", candidate.astype(np.float64), baseline.astype(np.float64), binary=True)


def shared(items: Xsum, first: str, second: str) -> Outcome:
    one, two = items.factual(first), items.factual(second)
    documents = [document for document in one if document in two]
    return passed(np.array([one[d] for d in documents]), np.array([two[d] for d in documents]))


def row(outcome: Outcome) -> Row:
    (only,) = gate([outcome], RULES).rows
    return only


@pytest.mark.parametrize(("name", "b", "c"), [("mt_bench", 18, 19), ("vicuna", 6, 6)])
def test_a_second_grading_of_the_same_answers_passes(name: str, b: int, c: int) -> None:
    first, second, _ = gradings(name).T

    decision = gate([passed(first >= 4, second >= 4), rated(first, second)], RULES)

    assert decision.verdict is Verdict.PASS
    assert (decision.rows[0].first, decision.rows[0].second) == (b, c)


def test_a_weaker_model_is_a_regression() -> None:
    graded = models("mt_bench")

    found = row(rated(graded["chatgpt"], graded["vicuna_13b"]))

    assert (found.verdict, found.reason) == (Verdict.FAIL, Reason.REGRESSION)
    assert found.delta == pytest.approx(-0.55 / 4)
    assert found.p is not None
    assert found.p < 0.001
    assert found.interval is not None
    # BCa beside the published t interval
    assert found.interval.low == pytest.approx(-0.782219 / 4, abs=0.01)
    assert found.interval.high == pytest.approx(-0.317781 / 4, abs=0.01)


@pytest.mark.parametrize(
    ("max_mde", "verdict", "reason"),
    [
        (0.10, Verdict.PASS, Reason.NONE),
        (0.05, Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES),
    ],
)
def test_eighty_questions_pass_where_drops_of_nine_points_may_go_unseen(
    max_mde: float, verdict: Verdict, reason: Reason
) -> None:
    graded = models("mt_bench")

    found = row(rated(graded["llama2_chat_13b"], graded["wizardlm_13b"], max_mde))

    assert found.mde == pytest.approx(0.093595, abs=5e-7)
    assert found.t_p == pytest.approx(0.562802 / 2, abs=5e-7)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_system_that_makes_facts_up_fails_and_one_in_doubt_passes() -> None:
    items = xsum()

    worse = row(shared(items, "BERTS2S", "PtGen"))
    alike = row(shared(items, "BERTS2S", "TConvS2S"))

    assert (worse.verdict, worse.reason) == (Verdict.FAIL, Reason.REGRESSION)
    assert (worse.first, worse.second) == (56, 15)
    assert worse.delta == pytest.approx(-0.097619, abs=5e-7)
    assert worse.interval is not None
    assert worse.interval.low == pytest.approx(-0.137313, abs=5e-7)
    assert worse.interval.high == pytest.approx(-0.059318, abs=5e-7)
    assert (alike.verdict, alike.first, alike.second) == (Verdict.PASS, 48, 37)
    assert alike.p == pytest.approx(0.139, abs=5e-7)


def test_the_same_run_gives_the_same_report() -> None:
    first, second, _ = gradings("vicuna").T

    one, two = (row(rated(first, second)) for _ in range(2))

    assert one == two
    assert one.interval != row(replace(rated(first, second), name="other")).interval
