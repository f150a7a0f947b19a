"""How figures of a verdict are written: shares without their zero, no more digits than count."""

from trimtab.domain.money import NANO_PER_USD
from trimtab.stats.estimate import Interval

NONE = "-"
SMALLEST_P = 0.001
CENT = 0.01


def share(value: float | None, digits: int = 3) -> str:
    """Write a share: `.912`, `1.000`, `-.025`."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def amount(value: float | None) -> str:
    """Write what has a unit, in four digits."""
    return NONE if value is None else f"{value:.4g}"


def signed(text: str) -> str:
    """Give a figure its sign; zero has none."""
    return text if text[0] == "-" or not float(text) else f"+{text}"


def chance(value: float | None) -> str:
    """Write a p value."""
    if value is None:
        return NONE
    return "<.001" if value < SMALLEST_P else share(value)


def between(low: str, high: str) -> str:
    """Write an interval."""
    return f"[{low},{high}]"


def interval(value: Interval | None, *, lower: bool = False, sign: bool = False) -> str:
    """Write an interval of shares; `lower`: of what has a unit."""
    if value is None:
        return NONE
    form = amount if lower else share
    low, high = form(value.low), form(value.high)
    return between(signed(low), signed(high)) if sign else between(low, high)


def usd(nano: int) -> str:
    """Write an amount to the cent, and a smaller one in two digits."""
    value = nano / NANO_PER_USD
    return f"${value:.2f}" if not nano or value >= CENT else f"${value:.2g}"


def duration(us: int) -> str:
    """Write a span of time: `3 min 12 s`."""
    minutes, seconds = divmod(round(us / 1e6), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
