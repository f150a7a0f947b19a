"""How much money may be spent in a span of the payer's calendar."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

HOUR_S = 3600.0
QUARTER_US = 900_000_000
"""A quarter of an hour: on one, UTC, begin the hours, days and months of every time zone."""

MOST_NANO = 9_000_000 * 10**9
"""A store counts in doubles, which hold whole nano-USD exactly up to here."""

_US = 1_000_000
_LAST_MONTH = 12
_ALL = 100


class Period(StrEnum):
    """Spans of the payer's calendar: from the full hour, local midnight, the first of the month."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class WhenEmpty(StrEnum):
    """What becomes of a request that a budget has no room for."""

    BLOCK = "block"
    WARN = "warn"


class Hold(StrEnum):
    """What is held for a request: what it will likely cost at most, or what it ever can."""

    ESTIMATE = "estimate"
    STRICT = "strict"


class Downgrade(Struct, frozen=True, kw_only=True):
    """Another model for requests that a budget has no room for, and how much more that may cost."""

    to: str
    nano: int


class Speed(Struct, frozen=True, kw_only=True):
    """How fast money may be spent: a bucket of so much, full again after the period."""

    nano: int
    per: Period = Period.HOUR

    @property
    def per_s(self) -> float:
        """Seconds in which it refills."""
        return HOUR_S * {Period.HOUR: 1, Period.DAY: 24, Period.MONTH: 720}[self.per]


class Budget(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be spent. `None` means: as the tier says, else no bound, `month` and `block`.

    Attributes:
        hold: What is held of it; `None` is an estimate.
        warn_at: Per cent of it at which people are told, in order; `None` is none, or 100 if being
            told is all that comes of an empty one.
    """

    nano: int | None = None
    per: Period | None = None
    speed: Speed | None = None
    when_empty: WhenEmpty | Downgrade | None = None
    hold: Hold | None = None
    warn_at: tuple[int, ...] | None = None

    @property
    def downgrade(self) -> Downgrade | None:
        """Where requests go that it has no room for, if it says so."""
        return self.when_empty if isinstance(self.when_empty, Downgrade) else None

    @property
    def is_strict(self) -> bool:
        """Whether it can never be overdrawn; one that refuses nothing cannot keep that."""
        return self.hold is Hold.STRICT and self.when_empty is not WhenEmpty.WARN

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Per cent of it at which people are told."""
        if self.warn_at is not None:
            return self.warn_at
        return (_ALL,) if self.when_empty is WhenEmpty.WARN else ()

    def over(self, base: "Budget") -> "Budget":
        """Merge by member: what is set here wins over the base."""
        return Budget(
            nano=base.nano if self.nano is None else self.nano,
            per=self.per or base.per,
            speed=self.speed or base.speed,
            when_empty=self.when_empty or base.when_empty,
            hold=self.hold or base.hold,
            warn_at=base.warn_at if self.warn_at is None else self.warn_at,
        )


NO_BUDGET = Budget()


class Span(NamedTuple):
    """A span of a calendar: its name there, first instant, and first instant after it."""

    name: str
    since_us: int
    ends_us: int


def span(period: Period, timezone: str, at_us: int) -> Span:
    """Find the span an instant falls in, as `month:2026-11`, by the clocks of a time zone.

    No job begins a new one: the next request after its end names another. Days of 23 and 25 hours
    are one day; the hour that a clock shows twice is two.
    """
    return _span(period, timezone, at_us // QUARTER_US)


@lru_cache(maxsize=4096)
def _span(period: Period, timezone: str, quarter: int) -> Span:
    zone = ZoneInfo(timezone)
    at = datetime.fromtimestamp(quarter * 900, zone)
    match period:
        case Period.HOUR:
            since_s = quarter * 900 - at.minute * 60
            name = datetime.fromtimestamp(since_s, ZoneInfo("UTC")).strftime("%Y-%m-%dT%HZ%M")
            return Span(f"hour:{name}", since_s * _US, (since_s + 3600) * _US)
        case Period.DAY:
            start = at.replace(hour=0, minute=0, fold=0)
            following = (start + timedelta(days=1)).replace(fold=0)
            return Span(f"day:{start:%Y-%m-%d}", _instant_us(start), _instant_us(following))
        case Period.MONTH:
            start = at.replace(day=1, hour=0, minute=0, fold=0)
            year, month = divmod(start.month, _LAST_MONTH)
            following = start.replace(year=start.year + year, month=month + 1)
            return Span(f"month:{start:%Y-%m}", _instant_us(start), _instant_us(following))


def _instant_us(at: datetime) -> int:
    return int(at.timestamp()) * _US
