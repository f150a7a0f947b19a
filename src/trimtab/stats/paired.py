"""Is the second of two arms worse, on the same cases? Differences are second - first."""

from dataclasses import dataclass

import numpy as np

from trimtab.stats.distributions import binomial_cdf, binomial_sf, t_cdf, t_quantile
from trimtab.stats.estimate import FloatArray, IntArray, Interval
from trimtab.stats.groups import units

EXACT_MOST = 16  # 65,536 ways to flip the signs
FLIPS = 99_999
BATCH = 1 << 22
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class McNemar:
    """Chances in [0, 1] of counts like these if neither arm were better; mid-p is one-sided."""

    worse: float
    two_sided: float
    mid_p: float


@dataclass(frozen=True, slots=True)
class PairedT:
    """Student's t on the differences; `None` with a reason where they have no spread."""

    delta: float | None
    interval: Interval | None = None
    worse: float | None = None
    two_sided: float | None = None
    reason: str = ""


def mcnemar(first: int, second: int) -> McNemar:
    """Exact test of the cases where only the first (b) or only the second (c) was right.

    McNemar 1947, Psychometrika 12, 153; mid-p: Fagerland, Lydersen and Laake 2013, BMC Medical
    Research Methodology 13, 91. Without such cases every chance is 1, mid-p a half.
    """
    n = first + second
    worse = float(binomial_sf(first - 1, n, 0.5))
    more = float(binomial_sf(first, n, 0.5))
    two_sided = min(1.0, 2 * float(binomial_cdf(min(first, second), n, 0.5)))
    return McNemar(worse, two_sided, (worse + more) / 2)


def mcnemar_worse(first: FloatArray, second: FloatArray) -> FloatArray:
    """One-sided exact chances for whole arrays of counts."""
    return binomial_sf(first - 1, first + second, 0.5)


def sign_flip(
    deltas: FloatArray, groups: IntArray | None = None, *, seed: int, flips: int = FLIPS
) -> float:
    """Chance, if the arms were exchangeable, of a mean difference this low; 1 if none differ.

    Signs of whole groups are flipped: all ways when at most 16 differ, else `flips` random ones,
    with (1 + hits) / (1 + flips), Phipson and Smyth 2010. `deltas`, shape (n,), are means of
    cases.
    """
    sums = units(deltas, groups).sums
    sums = sums[np.abs(sums) > ROUNDING]
    if len(sums) > EXACT_MOST:
        return float(sign_flips(sums[None, :], seed=seed, flips=flips)[0])
    ways = np.zeros(1)
    for one in sums:
        ways = np.concatenate([ways + one, ways - one])
    return float((ways <= sums.sum() + ROUNDING * np.abs(sums).sum()).mean())


def sign_flips(sums: FloatArray, *, seed: int, flips: int = FLIPS) -> FloatArray:
    """Flip signs at random in many experiments, sums (experiments, units), the same in each."""
    rng = np.random.default_rng(seed)
    columns = sums.shape[1]
    most = sums.sum(1) + ROUNDING * np.abs(sums).sum(1)
    hits = np.zeros(len(sums))
    batch = max(1, BATCH // max(columns, len(sums)))
    for start in range(0, flips, batch):
        rows = min(batch, flips - start)
        bits = np.unpackbits(rng.integers(0, 256, (rows, (columns + 7) // 8), np.uint8), axis=1)
        # sum of signs * x = sum x - 2 * sum of those flipped
        flipped = sums.sum(1) - 2 * (bits[:, :columns].astype(np.float64) @ sums.T)
        hits += (flipped <= most).sum(0)
    return (1 + hits) / (1 + flips)


def paired_t(deltas: FloatArray, groups: IntArray | None = None, *, level: float = 0.95) -> PairedT:
    """Mean difference by Student's t; with groups the error is cluster-robust, df = groups - 1."""
    if not len(deltas):
        return PairedT(None, reason="no cases")
    by_group = units(deltas, groups)
    delta = float(deltas.mean())
    df = len(by_group.sizes) - 1
    if not df:
        return PairedT(delta, reason="one case or group has no spread")
    error = by_group.error
    if error <= ROUNDING * float(np.abs(deltas).max()):
        return PairedT(delta, reason="every difference is the same")
    half = float(t_quantile((1 + level) / 2, df)) * error
    t = delta / error
    return PairedT(
        delta,
        Interval(delta - half, delta + half),
        worse=float(t_cdf(t, df)),
        two_sided=2 * float(t_cdf(-abs(t), df)),
    )
