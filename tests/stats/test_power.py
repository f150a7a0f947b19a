import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.power import Aim, mcnemar_mde, mcnemar_power, mean_mde


@pytest.mark.parametrize(
    ("n", "discordance", "powers", "mde"),
    [
        (100, 0.1, (0.086, 0.147, 0.348, 0.774), 0.082),
        (300, 0.1, (0.238, 0.438, 0.845, 0.999), 0.048),
        (300, 0.2, (0.160, 0.272, 0.571, 0.919), 0.067),
        (1000, 0.1, (0.603, 0.901, 1.000, 1.000), 0.026),
    ],
)
def test_power_and_smallest_drop_are_those_we_publish(
    n: int, discordance: float, powers: tuple[float, ...], mde: float
) -> None:
    found = [mcnemar_power(n, discordance, drop) for drop in (0.02, 0.03, 0.05, 0.08)]

    assert found == pytest.approx(powers, abs=5e-4)
    assert mcnemar_mde(n, discordance) == mde


def test_power_is_that_of_counting_every_outcome() -> None:
    rng = np.random.default_rng(1)
    for _ in range(references.INPUTS // 10):
        n, discordance = int(rng.integers(1, 40)), float(rng.uniform(0.05, 1))
        drop = float(rng.uniform(0, discordance))

        expected = 0.0
        for met, chance in enumerate(references.binomial(n, discordance)):
            losses = references.binomial(met, (discordance + drop) / (2 * discordance))
            tails = np.cumsum(references.binomial(met, 0.5)[::-1])[::-1]
            expected += chance * losses[tails <= 0.05 + 1e-12].sum()

        assert mcnemar_power(n, discordance, drop) == pytest.approx(expected, abs=1e-9)


def test_the_smallest_drop_is_the_first_on_the_grid_with_the_power_asked_for() -> None:
    for n, seen in ((20, 0.0), (60, 0.3), (250, 0.02)):
        steps = np.arange(1, 1001) / 1000
        reached = [mcnemar_power(n, max(seen, drop), drop) >= 0.8 for drop in steps]

        assert mcnemar_mde(n, seen) == steps[int(np.argmax(reached))]


def test_what_is_too_rare_to_be_seen_in_n_cases_is_no_drop_that_could_be_found() -> None:
    for n in (5, 10, 30, 100, 300, 1000):
        mde = mcnemar_mde(n, 0.0)
        assert mde is not None
        assert mde > 3 / n


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_under_five_cases_no_drop_is_seen(n: int) -> None:
    assert mcnemar_mde(n, 0.0) is None


def test_forty_two_cases_that_all_agree_see_a_drop_of_sixteen_points() -> None:
    assert mcnemar_mde(42, 0.0) == pytest.approx(0.16, abs=0.0051)


def test_nothing_differing_is_never_found() -> None:
    assert mcnemar_power(100, 0.0, 0.0) == 0


def test_the_smallest_drop_of_a_mean_is_its_error_times_both_quantiles() -> None:
    assert mean_mde(1.0) == pytest.approx(1.6448536 + 0.8416212, abs=1e-6)
    assert mean_mde(2.0, Aim(alpha=0.5, power=0.5)) == pytest.approx(0, abs=1e-12)
