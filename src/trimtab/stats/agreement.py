"""How well two raters agree on classes.

All is computed from a table of counts, shape (classes, classes), the first rater in rows; of
ordinal classes the order of rows is the order of the classes.
"""

from enum import StrEnum

import numpy as np

from trimtab.stats.bootstrap import Statistic
from trimtab.stats.distributions import normal_quantile
from trimtab.stats.estimate import Estimate, FloatArray, IntArray, Interval, estimate

NO_PAIRS = "no pairs"


class Weighting(StrEnum):
    """How much a disagreement counts: alike, by its distance, or by its distance squared."""

    NONE = "none"
    LINEAR = "linear"
    QUADRATIC = "quadratic"


def confusion(first: IntArray, second: IntArray, classes: int) -> IntArray:
    """Count the pairs of two raters, whose ratings are codes 0 .. classes - 1, each shape (n,)."""
    cells = np.bincount(first * classes + second, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def raw_agreement(table: IntArray) -> Estimate:
    """Share of pairs on the diagonal."""
    return estimate(_share_alike(table.astype(np.float64)), NO_PAIRS)


def kappa(
    table: IntArray, weighting: Weighting = Weighting.NONE, *, level: float = 0.95
) -> Estimate:
    """Cohen's kappa in [-1, 1], with its analytic interval cut to that range.

    Kappa: Cohen 1960 and 1968. Interval: the large-sample variance of Fleiss, Cohen and Everitt
    1969, Psychological Bulletin 72, 323.
    """
    counts = table.astype(np.float64)
    value = float(_kappas(counts, weighting))
    if np.isnan(value):
        return Estimate(None, None, _why_not(table))
    half = float(normal_quantile((1 + level) / 2)) * _kappa_error(counts, weighting, value)
    return Estimate(value, Interval(max(value - half, -1.0), min(value + half, 1.0)))


def gwet_ac1(table: IntArray) -> Estimate:
    """Gwet's AC1 in [-1, 1], which a rare class does not pull down.

    Gwet 2008, British Journal of Mathematical and Statistical Psychology 61, 29.
    """
    if len(table) < 2:  # noqa: PLR2004  # one class
        return Estimate(None, None, "only one class")
    counts = table.astype(np.float64)
    alike = _share_alike(counts)
    if np.isnan(alike):
        return Estimate(None, None, NO_PAIRS)
    mean_share = (counts.sum(0) + counts.sum(1)) / (2 * counts.sum())
    chance = float((mean_share * (1 - mean_share)).sum()) / (len(table) - 1)
    return Estimate((alike - chance) / (1 - chance))


def kappa_of(
    first: IntArray, second: IntArray, classes: int, weighting: Weighting = Weighting.NONE
) -> Statistic:
    """Kappa as a function of how often each case counts: what the bootstrap asks for."""
    cell = first * classes + second
    used, place = np.unique(cell, return_inverse=True)
    member = np.zeros((len(cell), len(used)))
    member[np.arange(len(cell)), place] = 1

    def values(weights: FloatArray) -> FloatArray:
        tables = np.zeros((len(weights), classes * classes))
        tables[:, used] = weights @ member
        return _kappas(tables.reshape(-1, classes, classes), weighting)

    return values


def _share_alike(counts: FloatArray) -> float:
    total = counts.sum()
    return float(np.trace(counts) / total) if total else np.nan


def _kappas(counts: FloatArray, weighting: Weighting) -> FloatArray:
    """Kappa of each table of (..., k, k); NaN where chance alone would agree everywhere."""
    distance = _distance(counts.shape[-1], weighting)
    total = counts.sum((-2, -1))
    chance = np.einsum("...i,...j,ij->...", counts.sum(-1), counts.sum(-2), distance)
    seen = (counts * distance).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance > 0, 1 - seen * total / chance, np.nan)


def _kappa_error(counts: FloatArray, weighting: Weighting, value: float) -> float:
    total = counts.sum()
    share = counts / total
    rows, columns = share.sum(1), share.sum(0)
    credit = 1 - _distance(len(counts), weighting)
    chance = float(rows @ credit @ columns)
    marginal = (credit @ columns)[:, None] + (rows @ credit)[None, :]
    spread = float((share * (credit - marginal * (1 - value)) ** 2).sum())
    variance = (spread - (value - chance * (1 - value)) ** 2) / (total * (1 - chance) ** 2)
    return float(np.sqrt(max(variance, 0.0)))


def _distance(classes: int, weighting: Weighting) -> FloatArray:
    """How much each cell disagrees, 0 on the diagonal and at most 1."""
    place = np.arange(classes)
    apart = np.abs(place[:, None] - place[None, :]) / max(classes - 1, 1)
    if weighting is Weighting.NONE:
        return (apart > 0).astype(np.float64)
    return apart if weighting is Weighting.LINEAR else apart**2


def _why_not(table: IntArray) -> str:
    return "both raters use one and the same class" if table.sum() else NO_PAIRS
