"""Cases that come in groups: of one document, one conversation, one tenant."""

from dataclasses import dataclass

import numpy as np

from trimtab.stats.estimate import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Units:
    """Sums by group, each of shape (groups,); without groups every case is its own."""

    sums: FloatArray
    sizes: FloatArray

    @property
    def n(self) -> float:
        """Cases."""
        return float(self.sizes.sum())

    @property
    def kish(self) -> float:
        """Cases that would be left if those of a group were copies of each other.

        (sum n)^2 / sum n^2: Kish 1965, Survey Sampling.
        """
        return self.n**2 / float((self.sizes**2).sum()) if len(self.sizes) else 0.0

    @property
    def error(self) -> float:
        """Cluster-robust standard error of the mean; of at least two groups.

        G / (G - 1) * sum over groups of (sum of residuals)^2 / n^2: Liang and Zeger 1986,
        Biometrika 73, 13, with the small-sample factor; of single cases sd / sqrt(n).
        """
        count = len(self.sizes)
        away = self.sums - self.sizes * (self.sums.sum() / self.n)
        return float(np.sqrt(count / (count - 1) * (away**2).sum())) / self.n


def units(values: FloatArray, groups: IntArray | None = None) -> Units:
    """Sum `values`, shape (n,), by `groups`: any integers of shape (n,), or none."""
    if groups is None:
        return Units(values, np.ones(len(values)))
    _, place = np.unique(groups, return_inverse=True)
    sums = np.bincount(place, weights=values).astype(np.float64)
    return Units(sums, np.bincount(place).astype(np.float64))


def effective_n(values: FloatArray, groups: IntArray | None = None) -> float:
    """How many independent cases know the mean as well: n over the design effect, at most n.

    Where nothing varies the data cannot say, and a group counts as one case (`Units.kish`).
    """
    whole = units(values, groups)
    if groups is None:
        return whole.n
    if len(whole.sizes) < 2 or not np.ptp(values):  # noqa: PLR2004  # one group has no spread
        return whole.kish
    robust = whole.error**2
    return min(whole.n, float(values.var(ddof=1)) / robust) if robust else whole.n
