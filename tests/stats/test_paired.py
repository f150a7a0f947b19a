import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.estimate import FloatArray
from trimtab.stats.paired import (
    McNemar,
    mcnemar,
    mcnemar_worse,
    paired_t,
    sign_flip,
    sign_flips,
)


def test_mcnemar_is_that_of_statsmodels_and_a_binomial_test() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 40, (references.INPUTS, 2))
    at_once = mcnemar_worse(*counts.T.astype(np.float64))
    for (b, c), worse in zip(counts.tolist(), at_once, strict=True):
        found = mcnemar(b, c)

        assert found.two_sided == pytest.approx(references.mcnemar(b, c), abs=1e-9)
        assert found.worse == pytest.approx(references.binomial_worse(b, c), abs=1e-9)
        assert worse == found.worse
        equal = references.binomial(b + c, 0.5)[b]
        assert found.mid_p == pytest.approx(found.worse - equal / 2, abs=1e-9)


def test_nothing_differing_is_no_evidence() -> None:
    assert mcnemar(0, 0) == McNemar(worse=1, two_sided=1, mid_p=0.5)


def test_paired_t_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    for n in (2, 3, 5, 9, 20, 35, 60, 100, 200, 300):
        many = rng.normal(rng.normal(size=(references.INPUTS // 10, 1)), 1, (100, n))
        for deltas, expected in zip(many, references.paired_t(many, 0.9), strict=True):
            found = paired_t(deltas, level=0.9)

            assert found.interval is not None
            ends = (found.interval.low, found.interval.high)
            assert (found.worse, found.two_sided, *ends) == pytest.approx(expected, abs=1e-9)


def test_clustered_t_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    for _ in range(references.INPUTS):
        groups = np.sort(rng.integers(0, 8, 30))
        deltas = rng.normal(size=30) + rng.normal(size=8)[groups]

        found = paired_t(deltas, groups)

        assert found.interval is not None
        ends = (found.interval.low, found.interval.high)
        expected = references.clustered(deltas, groups)
        assert (found.two_sided, *ends) == pytest.approx(expected, abs=1e-9)


def test_all_sign_flips_are_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    for _ in range(references.INPUTS):
        deltas = np.round(8 * rng.normal(-0.1, 1, int(rng.integers(2, 9)))) / 8

        found = sign_flip(deltas, seed=1)

        assert found == pytest.approx(references.sign_flip(deltas), abs=1e-9)


def test_flips_of_groups_are_flips_of_their_sums() -> None:
    rng = np.random.default_rng(5)
    groups = rng.integers(3, 11, 40)
    deltas = rng.normal(-0.2, 1, 40)
    sums = np.array([deltas[groups == g].sum() for g in np.unique(groups)])

    assert sign_flip(deltas, groups, seed=1) == references.sign_flip(sums)


def test_sixteen_differing_cases_are_flipped_in_all_ways_and_seventeen_at_random() -> None:
    deltas = np.r_[np.full(16, -0.1), np.zeros(300)]

    assert sign_flip(deltas, seed=1, flips=9) == 2**-16
    assert sign_flip(np.r_[deltas, -0.1], seed=1, flips=9) == 0.1


def test_random_flips_near_the_exact_chance_and_repeat_by_seed() -> None:
    rng = np.random.default_rng(6)
    deltas = np.round(rng.normal(-0.25, 1, 16), 1)
    exact = sign_flip(deltas, seed=0)

    random = sign_flips(deltas[None, :], seed=1)[0]

    assert random == sign_flips(deltas[None, :], seed=1)[0]
    assert random != sign_flips(deltas[None, :], seed=2)[0]
    assert random == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 99_999) ** 0.5)


def test_flips_that_come_out_equal_but_for_rounding_count_as_equal() -> None:
    deltas = np.array([0.1, 0.2, -0.3, 0.3, -0.1, -0.2])

    assert sign_flip(deltas, seed=1) > 0.5
    assert sign_flip(np.zeros(5), seed=1) == 1
    assert sign_flip(np.empty(0), seed=1) == 1


@pytest.mark.parametrize(
    ("deltas", "reason"),
    [
        pytest.param(np.empty(0), "no cases", id="n = 0"),
        pytest.param(np.ones(1), "one case", id="n = 1"),
        pytest.param(np.zeros(5), "the same", id="all equal"),
        pytest.param(np.full(9, 0.1), "the same", id="equal but for rounding"),
    ],
)
def test_t_says_why_there_is_none(deltas: FloatArray, reason: str) -> None:
    found = paired_t(deltas)

    assert (found.interval, found.worse, found.two_sided) == (None, None, None)
    assert reason in found.reason


def test_one_group_has_no_t() -> None:
    assert "one case or group" in paired_t(np.arange(5.0), np.full(5, 3)).reason
