"""Do two scores rise together: by value (Pearson), by rank (Spearman)."""

import numpy as np

from trimtab.stats.bootstrap import Statistic
from trimtab.stats.estimate import Estimate, FloatArray, estimate

PAIR = 2
CONSTANT = 1e-13  # a spread below this part of the values is rounding


def pearson(x: FloatArray, y: FloatArray) -> Estimate:
    """Pearson's r in [-1, 1] of two arrays of shape (n,)."""
    return _whole(pearson_of(x, y), len(x))


def spearman(x: FloatArray, y: FloatArray) -> Estimate:
    """Spearman's rho in [-1, 1] of two arrays of shape (n,); ties share their mean rank."""
    return _whole(spearman_of(x, y), len(x))


def pearson_of(x: FloatArray, y: FloatArray) -> Statistic:
    """Pearson's r as a function of how often each case counts: what the bootstrap asks for."""
    near_x, near_y = _centred(x), _centred(y)

    def values(weights: FloatArray) -> FloatArray:
        shape = weights.shape
        return _correlations(
            weights, np.broadcast_to(near_x, shape), np.broadcast_to(near_y, shape)
        )

    return values


def spearman_of(x: FloatArray, y: FloatArray) -> Statistic:
    """Spearman's rho as a function of how often each case counts."""
    rank_x, rank_y = _ranking(x), _ranking(y)

    def values(weights: FloatArray) -> FloatArray:
        return _correlations(weights, rank_x(weights), rank_y(weights))

    return values


def _whole(statistic: Statistic, n: int) -> Estimate:
    if n < PAIR:
        return Estimate(None, None, "fewer than two cases")
    value = statistic(np.ones((1, n)))[0]
    return estimate(value, "constant scores")


def _centred(x: FloatArray) -> FloatArray:
    """Shift to mean 0; what differs by rounding only is made equal."""
    if not len(x):
        return x
    near = x - x.mean()
    largest = float(np.abs(x).max())
    return near if float(np.ptp(x)) > CONSTANT * largest else np.zeros_like(near)


def _ranking(x: FloatArray) -> Statistic:
    """Mean ranks, shape (b, n), of cases that count `weights` times, which is 0 for absent."""
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(x) else order
    place = np.empty(len(x), np.int64)
    place[order] = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(x)]))

    def ranks(weights: FloatArray) -> FloatArray:
        if not len(x):
            return weights
        tied = np.add.reduceat(weights[:, order], starts, axis=1)
        return (np.cumsum(tied, axis=1) - tied / 2)[:, place]

    return ranks


def _correlations(weights: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Weighted Pearson by row; NaN where a row is constant in either."""
    total = np.maximum(weights.sum(1, keepdims=True), 1)
    away_x = x - (weights * x).sum(1, keepdims=True) / total
    away_y = y - (weights * y).sum(1, keepdims=True) / total
    both = (weights * away_x * away_y).sum(1)
    spread_x, spread_y = (weights * away_x**2).sum(1), (weights * away_y**2).sum(1)
    floor_x = CONSTANT * (weights * x**2).sum(1)
    floor_y = CONSTANT * (weights * y**2).sum(1)
    defined = (spread_x > floor_x) & (spread_y > floor_y)
    scale = np.sqrt(np.where(defined, spread_x, 1) * np.where(defined, spread_y, 1))
    return np.where(defined, np.clip(both / scale, -1, 1), np.nan)
