"""Cases that came out differently in the two arms are sampled again, in both.

What is sampled again was chosen by its first outcome, so a plain mean of its repeats pulls every
difference to zero and every score to the middle: where one case in four differs, a drop of 5
points shows as 2. Here a difference is the mean over those repeats that differ again, which has
the right mean whatever the cases are (each differing repeat is drawn from the same distribution
as the first one), and scores are those of first samples.
"""

from dataclasses import dataclass

import numpy as np

from trimtab.evals.flipped import FAR
from trimtab.stats.estimate import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Samples:
    """Values of one metric, (n, most), in both arms; those past `taken`, (n,) >= 1, are unused.

    Column k of both arms is one repeat. `binary`: differing at all counts as differing; of
    scores, differing by more than .25.
    """

    baseline: FloatArray
    candidate: FloatArray
    taken: IntArray
    binary: bool


def to_repeat(samples: Samples) -> BoolArray:
    """Name the cases, (n,), whose first samples differ between the arms, in either direction."""
    return _differ(samples)[:, 0]


def deltas(samples: Samples) -> FloatArray:
    """Difference candidate - baseline of each case, (n,), from its repeats."""
    apart = samples.candidate - samples.baseline
    counted = _differ(samples)
    again = counted.sum(1)
    mean = np.where(counted, apart, 0.0).sum(1) / np.maximum(again, 1)
    return np.where(counted[:, 0], mean, apart[:, 0])


def unstable(samples: Samples) -> BoolArray:
    """Name the cases, (n,), whose repeats within an arm disagree."""
    baseline, candidate = _range(samples, samples.baseline), _range(samples, samples.candidate)
    return np.maximum(baseline, candidate) > _bar(samples)


def _differ(samples: Samples) -> BoolArray:
    return (np.abs(samples.candidate - samples.baseline) > _bar(samples)) & _used(samples)


def _range(samples: Samples, values: FloatArray) -> FloatArray:
    taken = np.where(_used(samples), values, values[:, :1])
    return np.ptp(taken, axis=1)


def _used(samples: Samples) -> BoolArray:
    columns: int = samples.baseline.shape[1]
    return np.asarray(np.arange(columns) < samples.taken[:, None], np.bool_)


def _bar(samples: Samples) -> float:
    return 0.0 if samples.binary else FAR
