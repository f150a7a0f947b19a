"""What a month comes to."""

from datetime import date, timedelta

import pytest

from trimtab.cost.breakdown import month_of
from trimtab.cost.forecast import Forecast, forecast

FIRST = date(2026, 11, 1)
NOVEMBER = month_of(FIRST)


def spent(*each: int, first: int = 1) -> dict[date, int]:
    return {FIRST + timedelta(days=first - 1 + n): nano for n, nano in enumerate(each) if nano}


def test_each_day_left_is_like_the_mean_of_those_that_are_complete() -> None:
    told = forecast(spent(10, 20, 30, 5), NOVEMBER, date(2026, 11, 4))

    assert told == Forecast(60 + 20 * 27, 3, low=60 + 10 * 27, high=60 + 30 * 27)


def test_a_today_that_is_dearer_already_counts_as_it_is() -> None:
    told = forecast(spent(10, 20, 30, 25), NOVEMBER, date(2026, 11, 4))

    assert told == Forecast(60 + 25 + 20 * 26, 3, low=60 + 25 + 260, high=60 + 30 * 27)


def test_days_before_the_first_that_cost_anything_are_left_out() -> None:
    told = forecast(spent(10, 0, 20, first=20), NOVEMBER, date(2026, 11, 23))

    assert told is not None
    assert (told.days, told.low) == (3, 30)
    assert told.nano == 30 + 10 * 8


def test_of_one_day_no_bounds_are_told() -> None:
    assert forecast(spent(10), NOVEMBER, date(2026, 11, 2)) == Forecast(300, 1, None, None)


def test_at_the_end_nothing_is_left_to_guess() -> None:
    told = forecast(spent(*[10] * 30), NOVEMBER, date(2026, 11, 30))

    assert told == Forecast(300, 29, 300, 300)


@pytest.mark.parametrize(
    ("costs", "at"),
    [
        ({}, date(2026, 11, 20)),
        (spent(10), date(2026, 11, 1)),
        (spent(10), date(2026, 12, 1)),
        (spent(10), date(2026, 10, 31)),
    ],
    ids=["nothing", "the first day", "over", "not begun"],
)
def test_without_a_complete_day_nothing_is_foretold(costs: dict[date, int], at: date) -> None:
    assert forecast(costs, NOVEMBER, at) is None
