import numpy as np
import pytest

from trimtab.stats.groups import effective_n, units


def test_without_groups_every_case_is_its_own() -> None:
    values = np.array([1.0, 2.0, 4.0])

    assert effective_n(values) == 3
    assert units(values).error == pytest.approx(values.std(ddof=1) / 3**0.5)


def test_copies_within_groups_count_once() -> None:
    rng = np.random.default_rng(1)
    values = np.repeat(rng.normal(size=200), 10)

    assert effective_n(values, np.repeat(np.arange(200), 10)) == pytest.approx(200, rel=0.01)


def test_groups_without_likeness_cost_nothing_and_gain_nothing() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(500), 4)

    found = [effective_n(rng.normal(size=2000), groups) for _ in range(20)]

    assert np.mean(found) == pytest.approx(1960, abs=40)
    assert max(found) <= 2000


def test_where_nothing_varies_a_group_counts_as_one_case() -> None:
    assert effective_n(np.zeros(100), np.repeat(np.arange(20), 5)) == 20
    assert effective_n(np.zeros(4), np.array([7, 7, 7, 9])) == pytest.approx(16 / 10)
    assert effective_n(np.arange(5.0), np.full(5, 2)) == 1
    assert effective_n(np.empty(0), np.empty(0, np.int64)) == 0
