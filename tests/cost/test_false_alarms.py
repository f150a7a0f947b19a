"""The rules on tenants with nothing wrong, and on runaways; `make bench` runs more of them."""

import pytest
from tests.cost.simulation import raised, saturdays

TENANTS = 133
"""Of each kind: 400 in all."""


@pytest.mark.parametrize(
    ("kind", "by_3x", "by_spike"),
    [
        ("steady", pytest.approx(0.06, abs=0.02), pytest.approx(0.006, abs=0.006)),
        ("bursty", pytest.approx(1.9, abs=0.15), pytest.approx(0.63, abs=0.08)),
        ("sparse", pytest.approx(3.1, abs=0.15), pytest.approx(0.89, abs=0.08)),
    ],
)
def test_a_spike_is_raised_for_nothing_less_than_once_a_month_where_3x_is_three_times(
    kind: str, by_3x: object, by_spike: object
) -> None:
    found = raised(kind, TENANTS)

    assert found.by_3x == by_3x
    assert found.by_spike == by_spike
    assert found.by_spike <= 1


def test_the_rate_sees_sixfold_saturdays_within_three_hours_where_3x_does_not() -> None:
    seen = saturdays(200)

    assert seen.by_rate >= 0.95
    assert seen.by_3x <= 0.02
