"""What a test can see: its power, and the smallest drop it finds (MDE).

Drops are positive; tests are one-sided for "worse".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trimtab.stats.distributions import binomial_cdf, binomial_sf, normal_quantile
from trimtab.stats.estimate import FloatArray

GRID = 1000  # drops are looked at in steps of .001


@dataclass(frozen=True, slots=True)
class Aim:
    """How often to be wrong where nothing changed, and how often to be right where it did."""

    alpha: float = 0.05
    power: float = 0.80


DEFAULT = Aim()


def mcnemar_power(n: int, discordance: float, drop: float, *, alpha: float = 0.05) -> float:
    """Chance in [0, 1] that exact McNemar finds a true `drop` in the share of right answers.

    `discordance`, in [drop, 1], is the share of cases on which the arms differ.
    """
    if not discordance:
        return 0.0
    met = np.arange(n + 1.0)
    chance = np.diff(binomial_cdf(met, n, discordance), prepend=0.0)
    loses = min(1.0, (discordance + drop) / (2 * discordance))
    found = binomial_sf(_fewest(n, alpha) - 1, met, loses)
    return float(chance @ found)


@lru_cache(4096)
def mcnemar_mde(n: int, discordance: float, aim: Aim = DEFAULT) -> float | None:
    """Smallest drop found with `aim.power`, to .001; none if not even a drop of 1 is.

    The discordance is what was seen, or the drop itself, whichever is more.
    """

    def seen(step: int) -> bool:
        drop = step / GRID
        return mcnemar_power(n, max(discordance, drop), drop, alpha=aim.alpha) >= aim.power

    if n < 1 or not seen(GRID):
        return None
    low, high = 0, GRID  # power grows with the drop
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high / GRID


def mean_mde(error: float, aim: Aim = DEFAULT) -> float:
    """Smallest drop of a mean found with `aim.power`; `error` is its standard error."""
    return float(normal_quantile(1 - aim.alpha) + normal_quantile(aim.power)) * error


@lru_cache(64)
def _fewest(n: int, alpha: float) -> FloatArray:
    """For 0 .. n differing cases, the fewest losses at which the test says "worse"."""
    met = np.arange(n + 1.0)
    low, high = np.full(n + 1, -1.0), met + 1  # one loss more than there are says it always
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        says = binomial_sf(middle - 1, met, 0.5) <= alpha
        low, high = np.where(says, low, middle), np.where(says, middle, high)
    return high
