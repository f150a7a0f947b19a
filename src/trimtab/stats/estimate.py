"""What a statistic hands back: a number and how sure it is, or why there is none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends count as inside."""

    low: float
    high: float

    @property
    def mirrored(self) -> "Interval":
        """Of the number with its sign turned."""
        return Interval(-self.high, -self.low)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval; `reason` says why either is missing."""

    value: float | None
    interval: Interval | None = None
    reason: str = ""


def estimate(value: float, reason: str, interval: Interval | None = None) -> Estimate:
    """Make an estimate of what may have come out as NaN, which means `reason`."""
    if np.isnan(value):
        return Estimate(None, None, reason)
    return Estimate(float(value), interval)
