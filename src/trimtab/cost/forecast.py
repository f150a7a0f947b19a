"""What a month will have cost at its end, by the plainest rule that can be said in a sentence."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from trimtab.cost.breakdown import Days

FEWEST = 2
"""Of fewer complete days nothing is said about the bounds."""


class Forecast(NamedTuple):
    """What a month comes to, in nano-USD.

    Attributes:
        days: Complete days that it is the mean of.
        low, high: What it comes to if every day left is like the cheapest, or the dearest, of them;
            `None` if they are too few.
    """

    nano: int
    days: int
    low: int | None
    high: int | None


def forecast(by_day: Mapping[date, int], days: Days, today: date) -> Forecast | None:
    """Add to the complete days their mean for each day left; `None` if there is none of either.

    Today counts as such a day, or as what it has cost already, if that is more. Days before the
    first that cost anything are left out of the mean.
    """
    if not days.first <= today < days.after:
        return None
    started = min((day for day, nano in by_day.items() if nano), default=today)
    over = [by_day.get(day, 0) for day in days.each() if started <= day < today]
    if not over:
        return None
    left = (days.after - today - timedelta(days=1)).days
    spent = by_day.get(today, 0)

    def ends(each: int) -> int:
        return sum(over) + max(spent, each) + each * left

    bounds = (ends(min(over)), ends(max(over))) if len(over) >= FEWEST else (None, None)
    return Forecast(ends(sum(over) // len(over)), len(over), *bounds)
