import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.multiple import holm


def test_holm_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(1)
    for _ in range(8):
        p = np.round(rng.beta(0.3, 1, int(rng.integers(1, 12))), 3)

        assert holm(p) == pytest.approx(references.holm(p), abs=1e-9)


def test_holm_rejects_step_by_step() -> None:
    rng = np.random.default_rng(2)
    for _ in range(references.INPUTS):
        p = np.round(rng.beta(0.3, 1, int(rng.integers(1, 12))), 3)
        alpha = float(rng.uniform(0, 0.4))

        rejected = set[int]()
        for step, i in enumerate(np.argsort(p).tolist()):
            if p[i] * (len(p) - step) > alpha:
                break
            rejected.add(i)

        assert set(np.flatnonzero(holm(p) <= alpha).tolist()) == rejected


def test_one_test_stays_as_it_is_and_none_is_none() -> None:
    assert holm(np.array([0.03])).tolist() == [0.03]
    assert holm(np.empty(0)).tolist() == []
