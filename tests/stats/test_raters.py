import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.estimate import IntArray
from trimtab.stats.raters import fleiss, krippendorff, krippendorff_of, tally


def counts(rng: np.random.Generator, raters: int, gaps: float = 0.0) -> IntArray:
    classes = int(rng.integers(2, 5))
    liked = rng.integers(0, classes, (int(rng.integers(5, 60)), 1))
    rated = np.where(rng.random((len(liked), raters)) < 0.5, liked, rng.integers(0, classes))
    rated = np.where(rng.random(rated.shape) < 0.2, rng.integers(0, classes, rated.shape), rated)
    return tally(np.where(rng.random(rated.shape) < gaps, -1, rated), classes)


def test_fleiss_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(1)
    for _ in range(references.INPUTS):
        given = counts(rng, int(rng.integers(2, 7)))

        assert fleiss(given).value == pytest.approx(references.fleiss(given), abs=1e-9)


def test_alpha_with_gaps_is_that_of_krippendorff() -> None:
    rng = np.random.default_rng(2)
    for _ in range(references.INPUTS):
        given = counts(rng, int(rng.integers(2, 7)), gaps=0.3)

        found = krippendorff(given)

        expected = references.alpha(given)
        assert (found.value is None) == np.isnan(expected), found.reason
        assert found.value is None or found.value == pytest.approx(expected, abs=1e-9)


def test_alpha_of_weighted_items_is_that_of_items_written_so_often() -> None:
    rng = np.random.default_rng(3)
    given = counts(rng, 3, gaps=0.2)
    weights = rng.integers(0, 4, (100, len(given))).astype(np.float64)

    values = krippendorff_of(given)(weights)

    for row, value in zip(weights.astype(int), values, strict=True):
        alone = krippendorff(np.repeat(given, row, axis=0)).value
        assert value == pytest.approx(alone, abs=1e-9)


def test_ratings_are_counted_by_item_and_gaps_left_out() -> None:
    assert tally(np.array([[0, 2, 2], [-1, 1, -1]]), 3).tolist() == [[1, 0, 2], [0, 1, 0]]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(np.empty((0, 2)), "no items", id="n = 0"),
        pytest.param([[1, 0], [0, 1]], "or one", id="one rating"),
        pytest.param([[2, 0], [2, 1]], "unequal", id="gaps"),
        pytest.param([[3, 0], [3, 0]], "only one class", id="one class"),
    ],
)
def test_fleiss_says_why_there_is_none(given: list[list[int]], reason: str) -> None:
    found = fleiss(np.array(given, np.int64))

    assert found.value is None
    assert reason in found.reason


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(np.empty((0, 2)), "no item has two ratings", id="n = 0"),
        pytest.param([[1, 0], [0, 1]], "no item has two ratings", id="one rating each"),
        pytest.param([[3, 0], [2, 0], [0, 1]], "only one class", id="one class, where paired"),
    ],
)
def test_alpha_says_why_there_is_none(given: list[list[int]], reason: str) -> None:
    found = krippendorff(np.array(given, np.int64))

    assert found.value is None
    assert reason in found.reason


def test_agreement_without_fault_is_one() -> None:
    assert fleiss(np.array([[2, 0], [0, 2]])).value == 1
    assert krippendorff(np.array([[2, 0], [0, 2]])).value == 1
