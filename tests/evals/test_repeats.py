import numpy as np
import pytest

from trimtab.evals.repeats import Samples, deltas, to_repeat, unstable
from trimtab.stats.estimate import FloatArray

RIGHT, WRONG = 1.0, 0.0


def samples(
    baseline: list[list[float]], candidate: list[list[float]], *, binary: bool = True
) -> Samples:
    """Pad what was not sampled with numbers that would be seen."""
    taken = np.array([len(row) for row in baseline])
    wide = [
        np.array([row + [9.0 + arm] * (5 - len(row)) for row in rows])
        for arm, rows in enumerate((baseline, candidate))
    ]
    return Samples(wide[0], wide[1], taken, binary=binary)


def test_cases_that_differ_in_either_direction_are_sampled_again() -> None:
    given = samples([[0], [1], [0], [1]], [[0], [1], [1], [0]])

    assert to_repeat(given).tolist() == [False, False, True, True]


def test_scores_differ_by_more_than_a_quarter() -> None:
    given = samples([[0.3], [0.5], [0.5]], [[0.55], [0.76], [0.2]], binary=False)

    assert to_repeat(given).tolist() == [False, True, True]


def test_a_difference_is_the_mean_of_repeats_that_differ_again() -> None:
    given = samples(
        [[1, 1, 1, 0, 1], [0], [1, 0, 1, 1, 0]],
        [[0, 1, 0, 1, 1], [0], [0, 0, 1, 1, 0]],
    )

    assert deltas(given).tolist() == pytest.approx([-1 / 3, 0, -1])


def test_a_difference_too_small_to_repeat_is_that_of_the_first_sample() -> None:
    given = samples([[0.5], [0.9, 0.9]], [[0.6], [0.5, 0.8]], binary=False)

    assert deltas(given).tolist() == pytest.approx([0.1, -0.4])


def test_cases_whose_repeats_disagree_are_unstable() -> None:
    given = samples([[1, 1], [1], [1, 0]], [[0, 0], [0], [1, 1]])
    scored = samples([[0.5, 0.7], [0.5, 0.8]], [[0.1, 0.1], [0.1, 0.1]], binary=False)

    assert unstable(given).tolist() == [False, False, True]
    assert unstable(scored).tolist() == [False, True]


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_repeats_pull_no_difference_to_zero(drop: float) -> None:
    """A plain mean of what was repeated would show 2 of these 5 points."""
    rng = np.random.default_rng(1)
    n, right = 200_000, rng.choice([0.5, 0.8, 0.95], 200_000)

    given = drawn(rng, right, right - drop)

    found = deltas(given)
    assert found.mean() == pytest.approx(-drop, abs=4 * found.std() / n**0.5)
    first = given.candidate[:, 0] - given.baseline[:, 0]
    assert found.std() < 0.85 * first.std()
    whole = (given.candidate - given.baseline).mean(1)
    plain = np.where(to_repeat(given), whole, first)
    assert plain.mean() == pytest.approx(-drop * 0.45, abs=0.01)


def drawn(rng: np.random.Generator, baseline: FloatArray, candidate: FloatArray) -> Samples:
    one, two = (
        (rng.random((len(right), 5)) < right[:, None]).astype(np.float64)
        for right in (baseline, candidate)
    )
    taken = np.where(one[:, 0] != two[:, 0], 5, 1)
    return Samples(one, two, taken, binary=True)
