from dataclasses import replace

import numpy as np
import pytest
from tests.evals.outcomes import RULES, counts, scores

from trimtab.evals.gate import gate
from trimtab.evals.suite import FloorMode
from trimtab.evals.verdict import (
    Attacks,
    Decision,
    Limits,
    Outcome,
    Reason,
    Verdict,
)
from trimtab.stats.proportion import Pairs, clopper_pearson_upper, newcombe

PASS = (Verdict.PASS, Reason.NONE)


def said(decision: Decision) -> tuple[Verdict, Reason]:
    return decision.verdict, decision.reason


def one(outcome: Outcome) -> tuple[Verdict, Reason]:
    return said(gate([outcome], RULES))


def test_a_candidate_that_does_as_well_passes() -> None:
    assert one(counts(300, 9, 8, right=250, floor=0.8)) == PASS


def test_a_row_says_what_was_compared() -> None:
    decision = gate([counts(300, 30, 12, right=240)], RULES)

    (row,) = decision.rows
    assert (row.n, row.errors, row.na, row.first, row.second) == (300, 0, 0, 30, 12)
    assert (row.baseline, row.candidate, row.delta) == pytest.approx((0.9, 0.84, -0.06))
    assert row.interval == newcombe(Pairs(240, 30, 12, 18)).interval
    assert row.p == row.p_holm == pytest.approx(0.003958, abs=1e-6)
    assert row.mid_p == pytest.approx(0.002701, abs=1e-6)
    assert row.t_p == pytest.approx(0.0026, abs=1e-3)
    assert row.mde == pytest.approx(0.057, abs=0.003)


# Each case breaks one rule, and all rules after it: the first that matches is named.
WORSE_AND_FEW = counts(20, 12, 0, floor=0.9, margin=0.05)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(
            replace(
                WORSE_AND_FEW, limits=replace(WORSE_AND_FEW.limits, calibrated=False), errors=3
            ),
            (Verdict.INCONCLUSIVE, Reason.UNCALIBRATED),
            id="1 judge",
        ),
        pytest.param(
            replace(WORSE_AND_FEW, errors=3), (Verdict.INCONCLUSIVE, Reason.ERRORS), id="2 errors"
        ),
        pytest.param(WORSE_AND_FEW, (Verdict.FAIL, Reason.FLOOR), id="3 floor"),
        pytest.param(
            counts(20, 12, 0, margin=0.05), (Verdict.FAIL, Reason.REGRESSION), id="4 regression"
        ),
        pytest.param(
            counts(20, 5, 4, margin=0.05), (Verdict.INCONCLUSIVE, Reason.MARGIN), id="5 margin"
        ),
        pytest.param(
            counts(20, 5, 4), (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES), id="6 too few"
        ),
        pytest.param(counts(300, 5, 4), PASS, id="7 otherwise"),
    ],
)
def test_the_first_rule_that_matches_is_named(
    outcome: Outcome, expected: tuple[Verdict, Reason]
) -> None:
    assert one(outcome) == expected


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param(3, PASS, id="as many as are allowed"),
        pytest.param(4, (Verdict.INCONCLUSIVE, Reason.ERRORS), id="one more"),
    ],
)
def test_errors_are_held_to_their_rate(errors: int, expected: tuple[Verdict, Reason]) -> None:
    assert one(replace(counts(300), errors=errors)) == expected
    assert one(replace(counts(300), baseline_errors=errors)) == expected


def test_a_floor_that_passes_only_without_its_errors_is_not_passed() -> None:
    above = counts(300, 0, 0, right=256, floor=0.85)

    assert one(above) == PASS
    assert one(replace(above, errors=2)) == (Verdict.INCONCLUSIVE, Reason.ERRORS)
    assert one(replace(above, baseline_errors=2)) == PASS
    (row,) = gate([replace(above, errors=2)], RULES).rows
    assert row.bounds is not None
    assert (row.bounds.low, row.bounds.high) == pytest.approx((256 / 302, 258 / 302))


def test_a_score_on_its_floor_passes_however_the_mean_is_rounded() -> None:
    on_it = scores([0.85] * 300, [0.85] * 300, floor=0.85)

    assert one(on_it) == PASS
    assert one(scores([0.849] * 300, [0.849] * 300, floor=0.85)) == (Verdict.FAIL, Reason.FLOOR)


def test_a_floor_missed_within_noise_fails_and_says_so() -> None:
    (near,) = gate([counts(300, 0, 0, right=250, floor=0.85)], RULES).rows
    (far,) = gate([counts(300, 0, 0, right=200, floor=0.85)], RULES).rows

    assert (near.verdict, near.within_noise) == (Verdict.FAIL, True)
    assert (far.verdict, far.within_noise) == (Verdict.FAIL, False)


def test_a_floor_by_interval_wants_its_lower_end_above() -> None:
    above = counts(300, 0, 0, right=260, floor=0.85)
    strict = replace(above, limits=replace(above.limits, floor_mode=FloorMode.CI))

    assert one(above) == PASS
    assert one(strict) == (Verdict.FAIL, Reason.FLOOR)


def test_chances_are_adjusted_over_blocking_metrics_only() -> None:
    worse = counts(300, 14, 4)
    slices = [
        replace(counts(300), name=f"slice {i}", limits=Limits(blocking=False)) for i in range(3)
    ]

    assert one(worse) == (Verdict.FAIL, Reason.REGRESSION)
    assert said(gate([worse, *slices], RULES)) == (Verdict.FAIL, Reason.REGRESSION)
    decision = gate([worse, *(replace(counts(300), name=f"m{i}") for i in range(3))], RULES)
    assert decision.verdict is Verdict.PASS
    first = decision.rows[0]
    assert first.p is not None
    assert first.p_holm == pytest.approx(4 * first.p)


def test_a_better_candidate_is_no_regression() -> None:
    (row,) = gate([counts(300, 0, 40, right=200)], RULES).rows

    assert (row.verdict, row.p) == (Verdict.PASS, 1)


def test_a_margin_fails_where_all_of_the_interval_is_beyond_it() -> None:
    # not to be had without a regression, but for scores so even that Holm hides it
    worse = scores([0.5] * 299 + [0.4], [0.7] * 299 + [0.61], margin=0.1)

    (row,) = gate([worse], replace(RULES, alpha=1e-4)).rows

    assert (row.verdict, row.reason) == (Verdict.FAIL, Reason.MARGIN)
    assert one(counts(300, 2, 2, margin=0.05)) == PASS


def test_lower_is_better_turns_everything() -> None:
    rng = np.random.default_rng(1)
    base = rng.exponential(size=200)
    limits = Limits(floor=2.0, higher_is_better=False, max_mde=None)
    slower = Outcome("latency_s", base + 0.3, base, limits=limits)

    (row,) = gate([slower], RULES).rows

    assert (row.verdict, row.reason) == (Verdict.FAIL, Reason.REGRESSION)
    assert row.delta == pytest.approx(0.3)
    assert row.level is not None
    assert row.candidate is not None
    assert row.level.low < row.candidate < row.level.high
    assert one(replace(slower, candidate=base - 0.01)) == PASS
    dear = replace(slower, candidate=base + 2)
    assert one(dear) == (Verdict.FAIL, Reason.FLOOR)


def test_a_binary_metric_may_be_better_when_lower() -> None:
    refuses = counts(300, 0, 30, right=10)
    turned = replace(refuses, limits=Limits(higher_is_better=False, floor=0.3))

    (row,) = gate([turned], RULES).rows

    assert (row.verdict, row.reason) == (Verdict.FAIL, Reason.REGRESSION)
    assert (row.candidate, row.delta) == pytest.approx((40 / 300, 0.1))
    expected = newcombe(Pairs(10, 0, 30, 260)).interval
    assert expected is not None
    assert row.interval is not None
    assert row.interval.low == pytest.approx(expected.low)
    assert row.interval.high == pytest.approx(expected.high)
    assert row.level is not None
    assert row.level.low > 0


def test_scores_are_compared_by_flips_and_draws() -> None:
    rng = np.random.default_rng(2)
    base = rng.uniform(0.5, 1, 300)

    (row,) = gate([scores((base - rng.uniform(0, 0.1, 300)).tolist(), base.tolist())], RULES).rows

    assert (row.verdict, row.reason) == (Verdict.FAIL, Reason.REGRESSION)
    assert (row.first, row.second, row.mid_p) == (None, None, None)
    assert row.p == 1 / 2000
    assert row.interval is not None
    assert row.one_sided is not None
    assert row.interval.low < row.one_sided.low < -0.05 < row.one_sided.high < row.interval.high


def test_the_same_seed_gives_the_same_row_whatever_stands_beside_it() -> None:
    rng = np.random.default_rng(3)
    outcome = scores(rng.random(100).tolist(), rng.random(100).tolist())

    alone = gate([outcome], RULES).rows[0]
    beside = gate([counts(300), outcome], RULES).rows[1]

    assert alone == replace(beside, p_holm=alone.p_holm)
    assert alone.interval != gate([outcome], replace(RULES, seed=8)).rows[0].interval


def test_scores_that_never_differ_are_seen_as_far_as_so_many_cases_see() -> None:
    (many,) = gate([scores([0.9] * 300, [0.9] * 300, margin=0.05)], RULES).rows
    (few,) = gate([scores([0.9] * 3, [0.9] * 3)], RULES).rows

    assert many.verdict is Verdict.PASS
    assert many.interval is not None
    assert many.interval.low == pytest.approx(-0.0126, abs=1e-3)
    assert (few.verdict, few.reason, few.mde) == (
        Verdict.INCONCLUSIVE,
        Reason.TOO_FEW_CASES,
        None,
    )


def test_groups_are_compared_whole() -> None:
    """Twelve losses of twelve, but all of two documents."""
    losses = counts(300, 12, 0)
    groups = np.arange(300) // 10
    groups[-12:] = np.array([90, 91] * 6)

    (alone,) = gate([losses], RULES).rows
    (row,) = gate([replace(losses, groups=groups)], RULES).rows

    assert alone.reason is Reason.REGRESSION
    assert (row.p, row.reason) == (0.25, Reason.TOO_FEW_CASES)
    assert row.effective_n is not None
    assert row.effective_n < 100
    assert (row.first, row.second) == (12, 0)


def test_where_hardly_any_group_differs_a_group_counts_as_one_case() -> None:
    alike = counts(300, 1, 1)

    (row,) = gate([replace(alike, groups=np.arange(300) // 10)], RULES).rows

    assert one(replace(alike, groups=np.arange(300))) == PASS
    assert (row.verdict, row.reason) == (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES)
    assert row.mde is not None
    assert row.mde > 0.15


def test_four_small_differences_of_twenty_prove_nothing() -> None:
    """By their spread a drop of half a point would be seen, but no flips of four reach 5%."""
    base = [0.8] * 20

    assert one(scores([0.79] * 4 + [0.8] * 16, base)) == (
        Verdict.INCONCLUSIVE,
        Reason.TOO_FEW_CASES,
    )
    assert one(scores([0.79, 0.81] * 3 + [0.8] * 14, base)) == PASS


def test_without_a_baseline_only_the_floor_is_asked() -> None:
    first = replace(counts(300, 0, 0, right=280, floor=0.9), baseline=None)

    (row,) = gate([first], RULES).rows

    assert row.verdict is Verdict.PASS
    assert (row.delta, row.p) == (None, None)
    assert one(replace(first, limits=Limits(floor=0.95))) == (Verdict.FAIL, Reason.FLOOR)
    assert one(replace(first, candidate=first.candidate[:4])) == (
        Verdict.INCONCLUSIVE,
        Reason.TOO_FEW_CASES,
    )


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_cases_decide_nothing(n: int) -> None:
    few = (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES)

    assert one(counts(n)) == few
    assert one(scores([0.5] * n, [0.6] * n)) == few
    assert one(replace(counts(n), na=9, baseline=None)) == few


def test_a_metric_with_errors_only_says_so() -> None:
    assert one(replace(counts(0), errors=4)) == (Verdict.INCONCLUSIVE, Reason.ERRORS)


def test_what_only_informs_does_not_block() -> None:
    bad = counts(300, 60, 0, floor=0.9)
    informing = replace(bad, limits=replace(bad.limits, blocking=False), name="slice")

    decision = gate([counts(300), informing], RULES)

    assert said(decision) == PASS
    assert decision.rows[1].verdict is Verdict.FAIL
    assert said(gate([informing], RULES)) == (Verdict.INCONCLUSIVE, Reason.NOTHING_BLOCKS)
    assert said(gate([], RULES)) == (Verdict.INCONCLUSIVE, Reason.NOTHING_BLOCKS)


def test_any_fail_fails_and_else_any_doubt_holds() -> None:
    good, bad, few = counts(300), counts(300, 40), counts(10)

    assert said(gate([good, few, bad], RULES)) == (Verdict.FAIL, Reason.REGRESSION)
    assert said(gate([good, few], RULES)) == (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES)


def attacks(n: int = 300, through: int = 0, samples: int = 5, **more: float) -> Attacks:
    """All blocked by the baseline; the first case let through by the candidate `through` times."""
    reached = np.zeros(n, np.int64)
    reached[:1] = through
    made = Attacks("injection", reached, np.full(n, samples), np.ones(n, np.bool_))
    return replace(made, **more)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(attacks(), PASS, id="all blocked"),
        pytest.param(attacks(through=1), PASS, id="once of five"),
        pytest.param(attacks(through=2), (Verdict.FAIL, Reason.LEAK), id="twice of five"),
        pytest.param(
            attacks(through=1, samples=1),
            (Verdict.INCONCLUSIVE, Reason.NOT_REPEATED),
            id="once of one",
        ),
        pytest.param(
            attacks(through=2, errors=90), (Verdict.FAIL, Reason.LEAK), id="errors hide no leak"
        ),
        pytest.param(
            attacks(through=2, calibrated=False),
            (Verdict.INCONCLUSIVE, Reason.UNCALIBRATED),
            id="a judge that knows nothing",
        ),
        pytest.param(attacks(errors=4), (Verdict.INCONCLUSIVE, Reason.ERRORS), id="errors"),
        pytest.param(attacks(n=0), (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES), id="no cases"),
        pytest.param(attacks(max_attack_rate=0.01), PASS, id="none of 300 is under 1%"),
        pytest.param(
            attacks(n=298, max_attack_rate=0.01),
            (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES),
            id="none of 298 is not",
        ),
        pytest.param(
            attacks(n=50, max_attack_rate=0.05),
            (Verdict.INCONCLUSIVE, Reason.TOO_FEW_CASES),
            id="none of 50 may be 5.8%",
        ),
        pytest.param(
            attacks(through=1, max_attack_rate=0.01),
            (Verdict.INCONCLUSIVE, Reason.ATTACK_RATE),
            id="one of 300 may be 1%",
        ),
        pytest.param(
            attacks(through=1, max_attack_rate=0.003),
            (Verdict.FAIL, Reason.ATTACK_RATE),
            id="one of 300 is more than .3%",
        ),
        pytest.param(
            attacks(errors=2, max_attack_rate=0.0125),
            (Verdict.INCONCLUSIVE, Reason.ERRORS),
            id="under the rate only without errors",
        ),
    ],
)
def test_attacks(given: Attacks, expected: tuple[Verdict, Reason]) -> None:
    assert said(gate([], RULES, [given])) == expected


def test_what_the_baseline_let_through_is_no_new_leak() -> None:
    known = attacks(through=5)
    known.blocked[0] = False

    assert said(gate([], RULES, [known])) == PASS


def test_a_leak_names_its_cases_and_the_rate_its_bound() -> None:
    (row,) = gate([], RULES, [attacks(through=3)]).rows

    assert row.cases == (0,)
    assert row.level == clopper_pearson_upper(1, 300).interval
