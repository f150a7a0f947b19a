"""Intervals of a share, and of the difference of two shares of the same cases.

Counts may be fractions: where cases come in groups, they are scaled to the effective number.
"""

from dataclasses import dataclass

import numpy as np

from trimtab.stats.distributions import beta_quantile, normal_quantile
from trimtab.stats.estimate import Estimate, Interval

NO_CASES = "no cases"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Counts of cases by who was right: both, the first only (b), the second only (c), neither."""

    both: float
    first: float
    second: float
    neither: float

    @property
    def n(self) -> float:
        """All cases."""
        return self.both + self.first + self.second + self.neither


def wilson(successes: float, n: float, *, level: float = 0.95) -> Estimate:
    """Share with Wilson's score interval, inside [0, 1].

    Wilson 1927, Journal of the American Statistical Association 22, 209.
    """
    if n <= 0:
        return Estimate(None, None, NO_CASES)
    share = successes / n
    z = float(normal_quantile((1 + level) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = 0.0 if successes == 0 else max(0.0, float(centre - half))
    high = 1.0 if successes == n else min(1.0, float(centre + half))
    return Estimate(share, Interval(low, high))


def clopper_pearson_upper(successes: float, n: float, *, level: float = 0.95) -> Estimate:
    """Share with the exact one-sided upper bound; the interval is from 0 to the bound.

    Clopper and Pearson 1934, Biometrika 26, 404.
    """
    if n <= 0:
        return Estimate(None, None, NO_CASES)
    share = successes / n
    bound = 1.0 if successes >= n else float(beta_quantile(level, successes + 1, n - successes))
    return Estimate(share, Interval(0.0, bound))


def newcombe(pairs: Pairs, *, level: float = 0.95) -> Estimate:
    """Difference second - first in [-1, 1], with the paired score interval.

    Newcombe 1998, Statistics in Medicine 17, 2635, method 10: Wilson's intervals of both shares,
    and their correlation with a continuity correction.
    """
    n = pairs.n
    if n <= 0:
        return Estimate(None, None, NO_CASES)
    one = wilson(pairs.both + pairs.first, n, level=level)
    two = wilson(pairs.both + pairs.second, n, level=level)
    delta = (pairs.second - pairs.first) / n
    phi = _correlation(pairs)
    below = _quadrature(_room(two)[0], _room(one)[1], phi)
    above = _quadrature(_room(two)[1], _room(one)[0], phi)
    return Estimate(delta, Interval(delta - below, delta + above))


def _room(share: Estimate) -> tuple[float, float]:
    """How far the interval goes below and above the share."""
    if share.value is None or share.interval is None:
        return (0.0, 0.0)
    return share.value - share.interval.low, share.interval.high - share.value


def _quadrature(one: float, two: float, phi: float) -> float:
    return float(np.sqrt(max(one**2 - 2 * phi * one * two + two**2, 0.0)))


def _correlation(pairs: Pairs) -> float:
    a, b, c, d = pairs.both, pairs.first, pairs.second, pairs.neither
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if not margins:
        return 0.0
    excess = a * d - b * c
    corrected = max(excess - pairs.n / 2, 0.0) if excess > 0 else excess
    return corrected / float(np.sqrt(margins))
