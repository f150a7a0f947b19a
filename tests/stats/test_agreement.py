import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.agreement import (
    Weighting,
    confusion,
    gwet_ac1,
    kappa,
    kappa_of,
    raw_agreement,
)
from trimtab.stats.estimate import IntArray
from trimtab.stats.paired import ROUNDING

Z95 = 1.959963984540054


def ratings(rng: np.random.Generator, n: int, classes: int) -> tuple[IntArray, IntArray]:
    """Two raters who agree on about half of the cases."""
    first = rng.integers(0, classes, n)
    return first, np.where(rng.random(n) < 0.5, first, rng.integers(0, classes, n))


@pytest.mark.parametrize("weighting", list(Weighting))
def test_kappa_and_its_interval_are_those_of_statsmodels(weighting: Weighting) -> None:
    rng = np.random.default_rng(1)
    for _ in range(references.INPUTS // 3):
        classes = int(rng.integers(2, 6))
        table = confusion(*ratings(rng, int(rng.integers(8, 200)), classes), classes)

        found = kappa(table, weighting)

        value, error = references.kappa(table, weighting)
        assert found.value == pytest.approx(value, abs=1e-9)
        assert found.interval is not None
        assert found.interval.low == pytest.approx(max(value - Z95 * error, -1), abs=1e-9)
        assert found.interval.high == pytest.approx(min(value + Z95 * error, 1), abs=1e-9)


@pytest.mark.parametrize("weighting", list(Weighting))
def test_kappa_is_that_of_scikit_learn(weighting: Weighting) -> None:
    rng = np.random.default_rng(2)
    for _ in range(references.INPUTS // 9):
        first, second = ratings(rng, 40, 5)

        found = kappa(confusion(first, second, 5), weighting).value

        there = references.sklearn_kappa(first, second, 5, weighting)
        assert found == pytest.approx(there, abs=1e-9)


def test_kappa_of_weighted_cases_is_that_of_cases_written_so_often() -> None:
    rng = np.random.default_rng(3)
    first, second = ratings(rng, 30, 4)
    weights = rng.integers(0, 4, (200, 30)).astype(np.float64)

    values = kappa_of(first, second, 4, Weighting.LINEAR)(weights)

    for row, value in zip(weights.astype(int), values, strict=True):
        repeated = confusion(np.repeat(first, row), np.repeat(second, row), 4)
        assert value == pytest.approx(kappa(repeated, Weighting.LINEAR).value, abs=1e-9)


def test_confusion_counts_pairs_with_the_first_rater_in_rows() -> None:
    rng = np.random.default_rng(4)
    first, second = ratings(rng, 500, 3)

    table = confusion(first, second, 3)

    assert table.tolist() == references.confusion(first, second, 3).tolist()
    assert raw_agreement(table).value == (first == second).mean()


def test_ac1_is_what_its_paper_writes_down() -> None:
    rng = np.random.default_rng(5)
    for _ in range(references.INPUTS):
        classes = int(rng.integers(2, 6))
        first, second = ratings(rng, 50, classes)

        found = gwet_ac1(confusion(first, second, classes)).value

        used = [np.r_[first, second].tolist().count(k) / 100 for k in range(classes)]
        chance = sum(share * (1 - share) for share in used) / (classes - 1)
        expected = (float((first == second).mean()) - chance) / (1 - chance)
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        pytest.param([[0, 0], [0, 0]], "no pairs", id="n = 0"),
        pytest.param([[1, 0], [0, 0]], "one and the same class", id="n = 1"),
        pytest.param([[0, 0], [0, 9]], "one and the same class", id="one class only"),
    ],
)
@pytest.mark.parametrize("weighting", list(Weighting))
def test_kappa_without_a_chance_to_disagree_is_none(
    table: list[list[int]], reason: str, weighting: Weighting
) -> None:
    found = kappa(np.array(table), weighting)

    assert found.value is None
    assert found.interval is None
    assert reason in found.reason


def test_two_cases_are_enough_for_a_kappa() -> None:
    assert kappa(np.array([[1, 0], [0, 1]])).value == pytest.approx(1, abs=ROUNDING)
    assert kappa(np.array([[0, 1], [1, 0]])).value == pytest.approx(-1, abs=ROUNDING)


def test_a_rater_who_always_says_the_same_has_kappa_zero_and_a_high_ac1() -> None:
    table = np.array([[90, 0], [10, 0]])

    assert kappa(table).value == pytest.approx(0, abs=ROUNDING)
    assert gwet_ac1(table).value == pytest.approx(0.8895, abs=1e-4)


def test_ac1_and_raw_agreement_say_why_there_is_none() -> None:
    assert gwet_ac1(np.array([[4]])).reason == "only one class"
    assert gwet_ac1(np.zeros((2, 2), np.int64)).reason == "no pairs"
    assert raw_agreement(np.zeros((2, 2), np.int64)).reason == "no pairs"
    assert gwet_ac1(np.array([[4, 0], [0, 0]])).value == 1
