import subprocess
import sys

import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.distributions import (
    beta_quantile,
    binomial_cdf,
    binomial_sf,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)


def test_distributions_are_those_of_scipy() -> None:
    there = references.scipy_stats
    p, x = np.linspace(0.001, 0.999, 1000), np.linspace(-6, 6, 1000)
    k = np.array([i % 31 - 1.0 for i in range(1000)])
    n = np.array([i % 30 + 1.0 for i in range(1000)])

    for found, expected in (
        (normal_cdf(x), there.norm.cdf(x)),
        (normal_quantile(p), there.norm.ppf(p)),
        (t_cdf(x, 7), there.t.cdf(x, 7)),
        (t_quantile(p, 7), there.t.ppf(p, 7)),
        (beta_quantile(p, 2.5, 4), there.beta.ppf(p, 2.5, 4)),
        (binomial_cdf(np.minimum(k, n), n, p), there.binom.cdf(k, n, p)),
        (binomial_sf(np.minimum(k, n), n, p), there.binom.sf(k, n, p)),
    ):
        assert found == pytest.approx(expected, abs=1e-9)


def test_no_import_loads_scipy() -> None:
    code = "import sys, trimtab.evals.gate; print('scipy' in sys.modules)"

    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )

    assert ended.stdout == "False\n"
