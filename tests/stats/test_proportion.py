import math

import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.estimate import Interval
from trimtab.stats.proportion import Pairs, clopper_pearson_upper, newcombe, wilson

LEVELS = (0.8, 0.9, 0.95, 0.99)


def test_wilson_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(1)
    for _ in range(references.INPUTS):
        n = int(rng.integers(1, 500))
        successes = int(rng.integers(0, n + 1))
        level = LEVELS[n % 4]

        found = wilson(successes, n, level=level)

        assert found.value == successes / n
        assert found.interval is not None
        ends = references.wilson(successes, n, level)
        assert (found.interval.low, found.interval.high) == pytest.approx(ends, abs=1e-9)


def test_the_exact_upper_bound_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    for _ in range(references.INPUTS):
        n = int(rng.integers(1, 500))
        successes = int(rng.integers(0, min(n, 20) + 1))
        level = LEVELS[n % 4]

        found = clopper_pearson_upper(successes, n, level=level).interval

        bound = references.clopper_pearson_upper(successes, n, level)
        assert found is not None
        assert found.high == pytest.approx(bound, abs=1e-9)


@pytest.mark.parametrize(("n", "bound"), [(300, 0.0099), (50, 0.0582)])
def test_no_attack_that_went_through_bounds_their_rate(n: int, bound: float) -> None:
    found = clopper_pearson_upper(0, n).interval

    assert found is not None
    assert found.high == pytest.approx(bound, abs=5e-5)


def test_newcombe_is_method_10_of_its_paper() -> None:
    rng = np.random.default_rng(3)
    for _ in range(references.INPUTS):
        a, b, c, d = (int(x) for x in rng.integers(0, rng.integers(2, 100, 4)))
        if not a + b + c + d:
            continue

        found = newcombe(Pairs(a, b, c, d)).interval

        assert found is not None
        assert (found.low, found.high) == pytest.approx(method_10(a, b, c, d), abs=1e-9)


def method_10(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    """Compute the limits as the paper says it, with statsmodels' Wilson."""
    n = a + b + c + d
    one, two = (a + c) / n, (a + b) / n
    low1, high1 = references.wilson(a + c, n, 0.95)
    low2, high2 = references.wilson(a + b, n, 0.95)
    under = (a + b) * (c + d) * (a + c) * (b + d)
    over = a * d - b * c
    phi = 0.0 if not under else (max(over - n / 2, 0) if over > 0 else over) / math.sqrt(under)
    delta = (one - low1) ** 2 - 2 * phi * (one - low1) * (high2 - two) + (high2 - two) ** 2
    epsilon = (high1 - one) ** 2 - 2 * phi * (high1 - one) * (two - low2) + (two - low2) ** 2
    theta = one - two
    return theta - math.sqrt(max(delta, 0)), theta + math.sqrt(max(epsilon, 0))


def test_newcombe_gives_the_interval_printed_in_its_paper() -> None:
    """Table II of Newcombe 1998, 36 / 12 / 2 / 0: .0569 to .3404, first - second."""
    found = newcombe(Pairs(36, 12, 2, 0)).interval

    assert found is not None
    assert (-found.high, -found.low) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_without_cases_there_is_no_share() -> None:
    assert wilson(0, 0).reason == "no cases"
    assert clopper_pearson_upper(0, 0).reason == "no cases"
    assert newcombe(Pairs(0, 0, 0, 0)).reason == "no cases"


def test_one_case_says_little() -> None:
    one = wilson(1, 1).interval

    assert one is not None
    assert (one.low, one.high) == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert clopper_pearson_upper(1, 1).interval == Interval(0.0, 1.0)
    assert newcombe(Pairs(1, 0, 0, 0)).value == 0
