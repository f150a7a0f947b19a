"""Whether a day or an hour costs more than it should: pure rules over whole nano-USD.

Two daily rules, for they do different work. `is_3x` is easily told to people and cries wolf for
tenants whose spending is uneven, so it is a line in a report. `is_spike` asks more, so it may wake
somebody. Neither sees a runaway on a quiet day: six Saturdays make less than three ordinary days.
That is what `is_fast` is for, hour by hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trimtab.domain.money import NANO_PER_USD

WEEK, FULL = 7, 28
HOURS = 24
WEEKS = FULL // WEEK
QUARTER = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts as too much.

    Attributes:
        factor_pct: So many per cent of what is usual; 300 is three times.
        floor_nano: A day's excess below this bothers nobody; an hour's is a quarter of it.
    """

    factor_pct: int = 300
    floor_nano: int = 5 * NANO_PER_USD

    def exceeds(self, spent: int, usual: int) -> bool:
        """Whether an amount is more than the factor times what is usual."""
        return spent * 100 > self.factor_pct * usual


@dataclass(frozen=True, slots=True)
class Past:
    """What a tenant spent on the complete days before one, by its own calendar.

    Attributes:
        days: Up to 28 of them, oldest first, the last the day before; days before the tenant's
            first are not there, days without traffic are 0.
        flagged: For each, whether it was found to be a spike: no measure of what is usual.
        typical_nano: What a day of a tenant of that tier usually costs, the median; `None` if no
            tenant of it is known for a week.
    """

    days: Sequence[int]
    flagged: Sequence[bool]
    typical_nano: int | None = None

    def usual(self) -> int | None:
        """Tell what a day usually costs: the mean of its own, or while there are few, the tier's.

        Less than 7 days say nothing yet; up to 28 they count more and more. `None`: nobody knows,
        as in the first week of a site, and nothing can be judged.
        """
        return _mixed(_mean(self._counted(self.days, self.flagged)), len(self.days), self)

    def usual_weekday(self) -> int:
        """Tell what the same days of the week cost, up to four of them."""
        # From the end: -7 is the same weekday, then every seventh before it.
        same = slice(-WEEK, None, -WEEK)
        return _mean(self._counted(self.days[same], self.flagged[same])) or 0

    def usual_hour(self, same: Sequence[int]) -> int | None:
        """Tell what an hour usually costs, from the same hours of up to four weeks before."""
        typical = None if self.typical_nano is None else self.typical_nano // HOURS
        hourly = Past(self.days, self.flagged, typical)
        return _mixed(median(same) if same else None, len(self.days), hourly)

    def _counted(self, days: Sequence[int], flagged: Sequence[bool]) -> list[int]:
        return [day for day, is_flagged in zip(days, flagged, strict=True) if not is_flagged]


class Excess(NamedTuple):
    """What was spent, and what is usual; `None` if nobody knows."""

    actual_nano: int
    usual_nano: int | None


def is_3x(day: int, past: Past, terms: Terms) -> Excess | None:
    """Judge a complete day by the mean of the 28 before; with nothing to go by, by the floor."""
    usual = past.usual()
    if usual is None:
        return None
    is_found = terms.exceeds(day, usual) if usual else day > terms.floor_nano
    return Excess(day, usual) if is_found else None


def is_spike(day: int, past: Past, terms: Terms) -> Excess | None:
    """Judge a complete day by the month, its weekday, the dearest day of all, and the floor.

    The dearest day counts even if it was a spike itself: who moves to a higher level for good is
    told of once or twice, not until the old days are forgotten.
    """
    usual = past.usual()
    if usual is None:
        return None
    usual = max(usual, past.usual_weekday())
    is_found = (
        terms.exceeds(day, usual)
        and day > max(past.days, default=0)
        and day - usual > terms.floor_nano
    )
    return Excess(day, usual) if is_found else None


def is_fast(hour: int, usual: int | None, terms: Terms) -> bool:
    """Judge an hour by the same hour of the weeks before. One alone means nothing: see `rate`."""
    is_above = usual is not None and terms.exceeds(hour, usual)
    return is_above and hour * QUARTER > terms.floor_nano


def rate(hours: Sequence[Excess], terms: Terms, monthly_nano: int | None) -> Excess | None:
    """Judge consecutive hours, the running one last: two that are too fast, or one of a fortune.

    An hour is a fortune if it takes a quarter of what may be spent in a month.
    """
    for hour in reversed(hours):
        if monthly_nano is not None and hour.actual_nano * QUARTER > monthly_nano:
            return hour
    fast = [is_fast(*hour, terms) for hour in hours]
    for at in range(len(hours) - 1, 0, -1):
        if fast[at] and fast[at - 1]:
            both = hours[at - 1 : at + 1]
            return Excess(
                sum(hour.actual_nano for hour in both), sum(hour.usual_nano or 0 for hour in both)
            )
    return None


class Part(NamedTuple):
    """What explains most of an excess, and how much of it."""

    feature: str
    model: str
    share_pct: int


Spent = Mapping[tuple[str, str], int]
"""Nano-USD by feature and model."""


def explain(now: Spent, usual: Spent) -> Part | None:
    """Find the feature and model that most of an excess comes from; `None` if there is none."""
    excess = {key: nano - usual.get(key, 0) for key, nano in now.items()}
    more = {key: nano for key, nano in excess.items() if nano > 0}
    if not more:
        return None
    feature, model = min(more, key=lambda key: (-more[key], key))
    return Part(feature, model, 100 * more[feature, model] // sum(more.values()))


def median(values: Sequence[int]) -> int:
    """Give the median, the mean of the two in the middle if there are two; 0 of nothing."""
    if not values:
        return 0
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def _mean(values: Sequence[int]) -> int | None:
    return sum(values) // len(values) if values else None


def _mixed(own: int | None, known: int, past: Past) -> int | None:
    if own is None or known < WEEK:
        return past.typical_nano
    if past.typical_nano is None:
        return own
    known = min(known, FULL)
    return (own * known + past.typical_nano * (FULL - known)) // FULL
