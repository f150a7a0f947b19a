"""How well three or more raters agree on classes, and raters who left gaps.

Ratings are counted per item first: shape (items, classes).
"""

import numpy as np

from trimtab.stats.bootstrap import Statistic
from trimtab.stats.estimate import Estimate, FloatArray, IntArray, estimate

PAIR = 2
ONE_CLASS = "only one class was ever chosen"


def tally(ratings: IntArray, classes: int) -> IntArray:
    """Count by class what each item got: ratings (items, raters) are codes, a gap is negative."""
    return (ratings[:, :, None] == np.arange(classes)).sum(1).astype(np.int64)


def fleiss(counts: IntArray) -> Estimate:
    """Fleiss' kappa in [-1, 1]. Every item needs equally many ratings, at least two.

    Fleiss 1971, Psychological Bulletin 76, 378.
    """
    raters = counts.sum(1)
    if not len(counts):
        return Estimate(None, None, "no items")
    if raters.min() != raters.max() or raters[0] < PAIR:
        reason = "items have unequal numbers of ratings, or one; use Krippendorff's alpha"
        return Estimate(None, None, reason)
    share = counts.sum(0) / counts.sum()
    chance = float((share**2).sum())
    if np.count_nonzero(share) < PAIR:
        return Estimate(None, None, ONE_CLASS)
    alike = ((counts**2).sum(1) - raters) / (raters * (raters - 1))
    return Estimate((float(alike.mean()) - chance) / (1 - chance))


def krippendorff(counts: IntArray) -> Estimate:
    """Krippendorff's alpha for nominal classes, at most 1; items with one rating say nothing.

    Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C.
    """
    if not (counts.sum(1) >= PAIR).any():
        return Estimate(None, None, "no item has two ratings")
    value = krippendorff_of(counts)(np.ones((1, len(counts))))[0]
    return estimate(value, ONE_CLASS)


def krippendorff_of(counts: IntArray) -> Statistic:
    """Alpha as a function of how often each item counts: what the bootstrap asks for."""
    raters = counts.sum(1)
    paired = raters >= PAIR
    kept = np.where(paired[:, None], counts, 0).astype(np.float64)
    apart = (kept * (raters[:, None] - kept)).sum(1) / np.where(paired, raters - 1, 1)

    def values(weights: FloatArray) -> FloatArray:
        by_class = weights @ kept
        total = by_class.sum(1)
        chance = (by_class * (total[:, None] - by_class)).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(chance > 0, 1 - (total - 1) * (weights @ apart) / chance, np.nan)

    return values
