"""Distribution functions, by their names in the field.

scipy is loaded on the first call and not by import: it takes 0.35 s, and most commands compute
nothing.
"""

from collections.abc import Callable
from functools import cache
from pkgutil import resolve_name
from typing import cast

import numpy as np

from trimtab.stats.estimate import FloatArray, IntArray

Real = float | FloatArray


def normal_cdf(x: Real) -> FloatArray:
    """Share of a standard normal at or below `x`."""
    return _special("ndtr")(x)


def normal_quantile(p: Real) -> FloatArray:
    """Where a standard normal has the share `p` in [0, 1] below it."""
    return _special("ndtri")(p)


def binomial_cdf(k: Real, n: Real, p: Real) -> FloatArray:
    """Chance of at most `k` of `n`; of a whole `n`."""
    return np.where(np.asarray(k) < 0, 0.0, _special("bdtr")(np.maximum(k, 0), _whole(n), p))


def binomial_sf(k: Real, n: Real, p: Real) -> FloatArray:
    """Chance of more than `k` of `n`; of a whole `n`."""
    return np.where(np.asarray(k) < 0, 1.0, _special("bdtrc")(np.maximum(k, 0), _whole(n), p))


def beta_quantile(p: Real, a: Real, b: Real) -> FloatArray:
    """Where a beta distribution with shapes `a`, `b` > 0 has the share `p` below it."""
    return _special("betaincinv")(a, b, p)


def t_cdf(x: Real, df: Real) -> FloatArray:
    """Share of Student's t at or below `x`."""
    return _special("stdtr")(df, x)


def t_quantile(p: Real, df: Real) -> FloatArray:
    """Where Student's t has the share `p` below it."""
    return _special("stdtrit")(df, p)


def _whole(n: Real) -> IntArray:
    return np.asarray(n, np.int64)


@cache
def _special(name: str) -> Callable[..., FloatArray]:
    return cast("Callable[..., FloatArray]", resolve_name(f"scipy.special:{name}"))
