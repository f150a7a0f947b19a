from random import Random

import pytest

from trimtab.domain.backoff import backoff_s


@pytest.mark.parametrize(("failures", "ceiling_s"), [(0, 1), (1, 2), (5, 32), (6, 60), (10**9, 60)])
def test_each_failure_doubles_the_wait_up_to_a_ceiling(failures: int, ceiling_s: float) -> None:
    waits = [backoff_s(failures, 60, Random(seed)) for seed in range(200)]  # noqa: S311

    assert ceiling_s / 2 <= min(waits) < 0.6 * ceiling_s
    assert 0.9 * ceiling_s < max(waits) <= ceiling_s


def test_a_day_is_reached_when_a_day_is_allowed() -> None:
    assert backoff_s(17, 86_400, Random(7)) > 43_200  # noqa: S311
