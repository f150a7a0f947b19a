from collections.abc import Callable

import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.correlation import pearson, pearson_of, spearman, spearman_of
from trimtab.stats.estimate import Estimate, FloatArray


def scores(rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Related scores, half of the time with many ties."""
    x = rng.normal(size=n)
    y = x + rng.normal(size=n)
    return (x, y) if rng.random() < 0.5 else (np.round(x) + 7, np.round(y))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_correlations_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(references.INPUTS):
        x, y = scores(rng, int(rng.integers(5, 80)))
        if not (np.ptp(x) and np.ptp(y)):
            continue

        assert pearson(x, y).value == pytest.approx(references.pearson(x, y), abs=1e-9)
        assert spearman(x, y).value == pytest.approx(references.spearman(x, y), abs=1e-9)


def test_weighted_cases_count_like_cases_written_so_often() -> None:
    rng = np.random.default_rng(2)
    x, y = np.round(rng.normal(size=30), 1), np.round(rng.normal(size=30), 1)
    weights = rng.integers(0, 4, (200, 30)).astype(np.float64)

    linear, ranked = pearson_of(x, y)(weights), spearman_of(x, y)(weights)

    for row, one, two in zip(weights.astype(int), linear, ranked, strict=True):
        again, other = np.repeat(x, row), np.repeat(y, row)
        assert one == pytest.approx(references.pearson(again, other), abs=1e-9)
        assert two == pytest.approx(references.spearman(again, other), abs=1e-9)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_without_spread_there_is_none(
    correlation: Callable[[FloatArray, FloatArray], Estimate],
) -> None:
    rising, same = np.arange(3.0), np.full(3, 0.1)

    assert correlation(np.empty(0), np.empty(0)).reason == "fewer than two cases"
    assert correlation(np.ones(1), np.ones(1)).reason == "fewer than two cases"
    assert correlation(same, rising).reason == "constant scores"
    assert correlation(rising, same).reason == "constant scores"
    assert correlation(same, same).value is None
    assert correlation(rising[:2], -rising[:2]).value == pytest.approx(-1)


def test_a_spread_of_rounding_is_none() -> None:
    almost = np.array([0.3, 0.1 + 0.2, 0.3])

    assert almost.max() > almost.min()
    assert pearson(almost, np.arange(3.0)).reason == "constant scores"
