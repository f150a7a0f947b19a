"""Intervals of anything, by drawing groups of cases again and again."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from trimtab.stats.distributions import normal_cdf, normal_quantile
from trimtab.stats.estimate import Estimate, FloatArray, IntArray, Interval
from trimtab.stats.groups import units

DRAWS = 10_000
BATCH = 1 << 20  # weights held at a time: 8 MB
UNDEFINED_MOST = 0.05
ROUNDING = 1e-12


class Statistic(Protocol):
    """A number as a function of how often each case counts."""

    def __call__(self, weights: FloatArray, /) -> FloatArray:
        """Compute one number per row of `weights` (b, n), 0 for an absent case; NaN: undefined."""
        ...


class Method(StrEnum):
    """Plain percentiles, or those corrected for bias and skewness."""

    PERCENTILE = "percentile"
    BCA = "bca"


@dataclass(frozen=True, slots=True)
class Resampled:
    """A statistic of the cases themselves, of the draws, and without each group in turn."""

    value: float
    draws: FloatArray
    without: FloatArray

    def interval(self, method: Method = Method.BCA, *, level: float = 0.95) -> Estimate:
        """Cut the draws at two percentiles.

        BCa: Efron 1987, Journal of the American Statistical Association 82, 171. Draws in which
        the statistic is undefined are left out while they are few.
        """
        if np.isnan(self.value):
            return Estimate(None, None, "undefined on the cases themselves")
        known = self.draws[~np.isnan(self.draws)]
        if len(known) < (1 - UNDEFINED_MOST) * len(self.draws):
            return Estimate(self.value, None, "undefined in too many draws")
        if not len(known) or np.ptp(known) == 0:
            return Estimate(self.value, None, "every draw gives the same")
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        if method is Method.BCA:
            corrected = self._corrected(known, tails)
            if corrected is None:
                return Estimate(self.value, None, "undefined without one of the groups")
            tails = corrected
        low, high = np.quantile(known, tails)
        return Estimate(self.value, Interval(float(low), float(high)))

    def _corrected(self, known: FloatArray, tails: FloatArray) -> FloatArray | None:
        if np.isnan(self.without).any():
            return None
        near = ROUNDING * max(abs(self.value), float(np.abs(known).max()))
        below = ((known < self.value - near).mean() + (known <= self.value + near).mean()) / 2
        inside = np.clip(below, 0.5 / len(known), 1 - 0.5 / len(known))
        bias = normal_quantile(float(inside))
        away = self.without.mean() - self.without
        spread = float((away**2).sum()) ** 1.5
        skew = float((away**3).sum()) / (6 * spread) if spread else 0.0
        shifted = bias + normal_quantile(tails)
        return normal_cdf(bias + shifted / (1 - skew * shifted))


def resample(statistic: Statistic, groups: IntArray, *, seed: int, draws: int = DRAWS) -> Resampled:
    """Draw as many groups as there are, with replacement, `draws` times.

    `groups`, shape (n,), says by integers which cases stay together. The same seed draws the
    same. Time and memory: `draws` x n numbers, in batches.
    """
    _, place = np.unique(groups, return_inverse=True)
    count = int(place.max()) + 1 if len(place) else 0

    def by_group(weights: FloatArray) -> FloatArray:
        return statistic(weights[:, place])

    return _resampled(by_group, (count, len(groups)), seed, draws)


def resampled_mean(
    values: FloatArray, groups: IntArray | None = None, *, seed: int, draws: int = DRAWS
) -> Resampled:
    """Resample the mean of `values`, shape (n,), whole groups at a time."""
    by_group = units(values, groups)

    def mean(weights: FloatArray) -> FloatArray:
        sizes = weights @ by_group.sizes
        with np.errstate(invalid="ignore", divide="ignore"):
            return (weights @ by_group.sums) / sizes

    count = len(by_group.sizes)
    return _resampled(mean, (count, count), seed, draws)


def _resampled(statistic: Statistic, sizes: tuple[int, int], seed: int, draws: int) -> Resampled:
    """Resample a statistic of groups; `sizes`: groups, and numbers held for each draw."""
    count, n = sizes
    value = float(statistic(np.ones((1, count)))[0])
    if not count:
        return Resampled(value, np.empty(0), np.empty(0))
    batch = max(1, BATCH // n)
    drawn = [statistic(weights) for weights in _drawn(count, batch, seed, draws)]
    left = [statistic(weights) for weights in _all_but_one(count, batch)]
    return Resampled(value, np.concatenate(drawn), np.concatenate(left))


def _drawn(count: int, batch: int, seed: int, draws: int) -> Iterator[FloatArray]:
    """How often each group was drawn, (batch, groups)."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, batch):
        rows = min(batch, draws - start)
        picked = rng.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        times = np.bincount(picked.ravel(), minlength=rows * count)
        yield times.reshape(rows, count).astype(np.float64)


def _all_but_one(count: int, batch: int) -> Iterator[FloatArray]:
    for start in range(0, count, batch):
        rows = np.arange(start, min(start + batch, count))
        kept = np.ones((len(rows), count))
        kept[np.arange(len(rows)), rows] = 0
        yield kept
