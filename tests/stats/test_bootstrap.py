import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.agreement import kappa_of
from trimtab.stats.bootstrap import Method, Resampled, resample, resampled_mean
from trimtab.stats.correlation import spearman_of
from trimtab.stats.estimate import FloatArray

NAMES = {Method.BCA: "BCa", Method.PERCENTILE: "percentile"}


@pytest.mark.parametrize("method", list(Method))
def test_intervals_are_those_of_scipy_with_the_same_draws(method: Method) -> None:
    rng = np.random.default_rng(1)
    for seed in range(references.INPUTS // 2):
        values = rng.exponential(size=int(rng.integers(20, 40)))

        found = resampled_mean(values, seed=seed, draws=200).interval(method, level=0.9).interval

        ends = references.bootstrap(values, seed, 200, 0.9, NAMES[method])
        assert found is not None
        assert (found.low, found.high) == pytest.approx(ends, abs=1e-9)


def test_whole_groups_are_drawn() -> None:
    """Ten copies of a case are one: drawn one by one, they would make the interval narrow."""
    rng = np.random.default_rng(2)
    alone = rng.normal(size=60)
    copies, groups = np.repeat(alone, 10), np.repeat(np.arange(60), 10)

    grouped = resampled_mean(copies, groups, seed=5)

    assert grouped.draws == pytest.approx(resampled_mean(alone, seed=5).draws)
    assert grouped.draws.std() > 2.5 * resampled_mean(copies, seed=5).draws.std()


def test_groups_of_unequal_size_weigh_by_their_cases() -> None:
    values, groups = np.array([0.0, 0.0, 0.0, 1.0]), np.array([4, 4, 4, 2])

    draws = resampled_mean(values, groups, seed=1, draws=100).draws

    assert set(np.round(draws, 6)) == {0.0, 0.25, 1.0}


def test_any_statistic_of_weighted_cases_is_resampled_group_by_group() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=100)
    y, groups = x + rng.normal(size=100), np.repeat(np.arange(50), 2)

    found = resample(spearman_of(x, y), groups, seed=1, draws=2000)

    assert found.value == pytest.approx(references.spearman(x, y), abs=1e-9)
    assert len(found.without) == 50
    assert found.without[7] == pytest.approx(
        references.spearman(np.delete(x, [14, 15]), np.delete(y, [14, 15])), abs=1e-9
    )
    interval = found.interval().interval
    assert interval is not None
    assert interval.low < found.value < interval.high


def test_the_same_seed_draws_the_same_and_batches_change_nothing() -> None:
    values = np.random.default_rng(4).normal(size=2000)

    one, two = (resampled_mean(values, seed=9, draws=700) for _ in range(2))

    assert one.draws.tolist() == two.draws.tolist()
    assert one.draws[:100].tolist() == resampled_mean(values, seed=9, draws=100).draws.tolist()
    assert one.draws[0] != resampled_mean(values, seed=8, draws=1).draws[0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(np.empty(0), "undefined on the cases", id="n = 0"),
        pytest.param(np.ones(1), "every draw gives the same", id="n = 1"),
        pytest.param(np.ones(8), "every draw gives the same", id="all equal"),
    ],
)
def test_no_interval_has_a_reason(values: FloatArray, reason: str) -> None:
    found = resampled_mean(values, seed=1, draws=50).interval()

    assert found.interval is None
    assert reason in found.reason


def test_two_cases_have_an_interval() -> None:
    found = resampled_mean(np.array([0.0, 1.0]), seed=1).interval().interval

    assert found is not None
    assert (found.low, found.high) == (0.0, 1.0)


def test_draws_without_a_value_are_left_out_while_they_are_few() -> None:
    first, second = np.zeros(30, np.int64), np.zeros(30, np.int64)
    first[0] = second[0] = 1  # absent from a third of all draws, which then have no kappa

    found = resample(kappa_of(first, second, 2), np.arange(30), seed=1, draws=500)

    assert found.interval().reason == "undefined in too many draws"
    few = Resampled(0.5, np.r_[np.nan, np.linspace(0, 1, 99)], np.linspace(0.4, 0.6, 9))
    assert few.interval(Method.PERCENTILE).interval is not None


def test_without_one_group_undefined_has_no_bca() -> None:
    whole = Resampled(0.5, np.linspace(0, 1, 99), np.array([0.4, np.nan]))

    assert whole.interval().reason == "undefined without one of the groups"
    assert whole.interval(Method.PERCENTILE).interval is not None
