"""Tenants without anything wrong, day by day and hour by hour, to count what is raised for nothing.

Three kinds, all with a seed: `steady` works on weekdays and rests at the weekend, `bursty` has days
of very different size, `sparse` is active on one day in eight. What makes them up is chosen so that
the founding rule raises what the design measured of it; how the other rules fare on them follows.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from random import Random

from trimtab.cost.baseline import FULL, Excess, Past, Terms, is_3x, is_spike, rate
from trimtab.domain.money import NANO_PER_USD

TERMS = Terms()
YEAR, MONTHS = 365, 12.0
WARM_UP = FULL
KINDS = ("steady", "bursty", "sparse")
SATURDAY = 5
DAYTIME = tuple(1.0 if 8 <= hour < 20 else 0.25 for hour in range(24))
"""How the hours of a day share its spending."""


@dataclass(frozen=True)
class Shape:
    """What a kind of tenant is like.

    Attributes:
        weekend: What a day of the weekend costs, beside one of the week.
        sigma: How uneven days are: the deviation of their logarithm.
        least_usd, most_usd: What an ordinary day costs, small tenants as often as large ones.
        active: How many days have any traffic.
        batch: How many days have a batch run, and how many ordinary days that costs.
    """

    weekend: float
    sigma: float
    least_usd: float
    most_usd: float
    active: float = 1.0
    batch: tuple[float, float] = (0.0, 1.0)


SHAPES = {
    "steady": Shape(weekend=0.2, sigma=0.17, least_usd=200, most_usd=2000, batch=(0.012, 2.05)),
    "bursty": Shape(weekend=0.8, sigma=0.87, least_usd=0.2, most_usd=1000),
    "sparse": Shape(weekend=1.0, sigma=0.8, least_usd=2.5, most_usd=300, active=0.112),
}


@dataclass(frozen=True)
class Raised:
    """False alerts for each tenant and month."""

    by_3x: float
    by_spike: float


def days_of(kind: str, chance: Random, days: int) -> Iterator[int]:
    """Spend day by day, beginning on a Monday."""
    shape = SHAPES[kind]
    size = shape.least_usd * (shape.most_usd / shape.least_usd) ** chance.random() * NANO_PER_USD
    for day in range(days):
        weekend = shape.weekend if day % 7 >= SATURDAY else 1.0
        is_active = shape.active == 1.0 or chance.random() < shape.active
        often, times = shape.batch
        batch = times if often and chance.random() < often else 1.0
        spent = size * weekend * batch * exp(chance.gauss(0, shape.sigma))
        yield round(spent) if is_active else 0


def raised(kind: str, tenants: int, seed: int = 7) -> Raised:
    """Run both daily rules over a year of tenants of a kind, each after four weeks of its own."""
    chance = Random(seed)  # noqa: S311 -- repeatable on purpose
    found_3x = found_spike = 0
    for _ in range(tenants):
        days: deque[int] = deque(maxlen=FULL)
        flagged: deque[bool] = deque(maxlen=FULL)
        for number, day in enumerate(days_of(kind, chance, WARM_UP + YEAR)):
            before = Past(list(days), list(flagged))
            spike = is_spike(day, before, TERMS) is not None
            if number >= WARM_UP:
                found_3x += is_3x(day, before, TERMS) is not None
                found_spike += spike
            days.append(day)
            flagged.append(spike)
    months = tenants * MONTHS
    return Raised(found_3x / months, found_spike / months)


def hours_of(day: int, chance: Random) -> list[int]:
    """Spread a day over its hours, unevenly."""
    parts = [share * exp(chance.gauss(0, 0.2)) for share in DAYTIME]
    return [round(day * part / sum(parts)) for part in parts]


@dataclass(frozen=True)
class Seen:
    """Which share of runaways a rule saw."""

    by_rate: float
    by_3x: float


def saturdays(tenants: int, seed: int = 7, times: int = 6, within: int = 3) -> Seen:
    """Let steady tenants spend so many times as much from some hour of a Saturday on."""
    chance = Random(seed)  # noqa: S311 -- repeatable on purpose
    by_rate = by_3x = 0
    for _ in range(tenants):
        days = list(days_of("steady", chance, 5 * 7))
        hours = [hours_of(day, chance) for day in days]
        saturday = 4 * 7 + SATURDAY
        start = chance.randrange(24 - within)
        ran = [it * times if at >= start else it for at, it in enumerate(hours[saturday])]
        past = Past(days[saturday - FULL : saturday], [False] * FULL)
        usual = [
            past.usual_hour([hours[saturday - 7 * week][at] for week in range(1, 5)]) or 0
            for at in range(24)
        ]
        by_rate += _is_seen(ran, usual, start, within)
        whole = sum(it * times for it in hours[saturday])
        by_3x += is_3x(whole, past, TERMS) is not None
    return Seen(by_rate / tenants, by_3x / tenants)


def _is_seen(ran: Sequence[int], usual: Sequence[int], start: int, within: int) -> bool:
    """Whether the rule fires on any hour up to so many after the start, that hour being over."""
    for now in range(start, start + within):
        last = slice(max(0, now - 2), now + 1)
        amounts = [Excess(*it) for it in zip(ran[last], usual[last], strict=True)]
        if rate(amounts, TERMS, None) is not None:
            return True
    return False
