"""How figures are written for people: every unit once, and never more digits than are known."""

from datetime import UTC, datetime
from typing import NamedTuple

from trimtab.domain.money import cents_text, usd_text

NANO = 1_000_000_000
DASH = "\N{EN DASH}"

_KIB = 1024
_LEAST_PERCENT = 0.1
_DIGITS = (
    ("ms", ((1, ".2f"), (10, ".1f"), (999.5, ".0f"))),
    ("s", ((10, ".2f"), (59.95, ".1f"))),
)
"""With how many digits a time is written in a unit, if it is below that."""


class Mark(NamedTuple):
    """How a status looks: a shape, and a tone that the stylesheet colours."""

    icon: str
    tone: str


_MARKS = {
    "ok": Mark("circle-check", "good"),
    "error": Mark("triangle-alert", "bad"),
    "truncated": Mark("scissors", "bad"),
    "lost": Mark("circle-help", "bad"),
    "blocked": Mark("shield-x", "warn"),
    "rejected": Mark("ban", "warn"),
    "suspended": Mark("power-off", "warn"),
    "throttled": Mark("gauge", "warn"),
    "revoked": Mark("ban", "quiet"),
    "expired": Mark("circle-slash", "quiet"),
    "cancelled": Mark("circle-slash", "quiet"),
    "active": Mark("circle-check", "good"),
    "closed": Mark("circle-check", "good"),
    "open": Mark("ban", "bad"),
    "cooling": Mark("circle-slash", "warn"),
    "half open": Mark("circle-help", "warn"),
    "yanked": Mark("ban", "quiet"),
    "blocked for all": Mark("shield-x", "warn"),
    "override": Mark("triangle-alert", "bad"),
    "rolled back": Mark("undo-2", "quiet"),
    "passed": Mark("circle-check", "good"),
    "failed": Mark("triangle-alert", "bad"),
    "approved": Mark("circle-check", "good"),
    "warn": Mark("triangle-alert", "warn"),
    "major": Mark("triangle-alert", "bad"),
    "minor": Mark("circle-help", "warn"),
    "patch": Mark("circle-check", "good"),
    "none": Mark("circle-check", "quiet"),
    "will last": Mark("circle-check", "good"),
    "nearly empty": Mark("gauge", "warn"),
    "will not last": Mark("triangle-alert", "warn"),
    "empty": Mark("ban", "bad"),
    "open alert": Mark("triangle-alert", "bad"),
    "over": Mark("circle-check", "quiet"),
    "held open": Mark("power-off", "warn"),
    "valid": Mark("circle-check", "good"),
    "valid, wide": Mark("gauge", "warn"),
    "refused": Mark("ban", "bad"),
    "outdated": Mark("circle-help", "warn"),
    "not calibrated": Mark("circle-help", "quiet"),
    "booked": Mark("check", "good"),
    "match": Mark("circle-check", "good"),
    "rounding": Mark("circle-check", "good"),
    "late": Mark("circle-slash", "quiet"),
    "day_boundary": Mark("circle-slash", "quiet"),
    "model_alias": Mark("circle-slash", "quiet"),
    "external_traffic": Mark("circle-help", "warn"),
    "fetch_incomplete": Mark("circle-help", "warn"),
    "missing_ours": Mark("triangle-alert", "bad"),
    "missing_theirs": Mark("triangle-alert", "bad"),
    "price_drift": Mark("triangle-alert", "bad"),
    "unit_or_currency": Mark("triangle-alert", "bad"),
    "silent": Mark("circle-slash", "quiet"),
    "delivered": Mark("circle-check", "good"),
    "waiting": Mark("circle-help", "quiet"),
    "retrying": Mark("refresh-cw", "warn"),
    "PASS": Mark("circle-check", "good"),
    "FAIL": Mark("triangle-alert", "bad"),
    "INCONCLUSIVE": Mark("circle-help", "warn"),
    "not judged": Mark("circle-slash", "quiet"),
}


def mark(status: str) -> Mark:
    """Give a status its shape and tone."""
    return _MARKS.get(status, Mark("circle-help", "quiet"))


def count(value: int | None) -> str:
    """Write a count with thousands separators."""
    return DASH if value is None else f"{value:,}"


def share(part: int, whole: int) -> str:
    """Write a part as a percentage of a whole; a dash if there is no whole."""
    if whole == 0:
        return DASH
    percent = 100 * part / whole
    if 0 < percent < _LEAST_PERCENT:
        return "< 0.1 %"
    digits = 0 if percent in (0, 100) else 1
    return f"{percent:.{digits}f} %"


def coefficient(value: float | None) -> str:
    """Write a coefficient of agreement with two decimals; a dash if it is undefined."""
    return DASH if value is None else f"{value:.2f}"


def usd(nano: int | None, *, estimated: bool = False) -> str:
    """Write nano-USD in dollars: cents from a dollar up, four significant digits below.

    An estimate gets two significant digits and a mark.
    """
    if nano is None:
        return "unknown"
    if nano == 0:
        return "$0"
    sign = "-" if nano < 0 else ""
    mark = "≈ " if estimated else ""
    return f"{mark}{sign}${_dollars(abs(nano), 2 if estimated else 4)}"


def list_price(nano: int | None) -> str:
    """Write a price as lists do, with the digits it has: `$0.15`, `$3`."""
    if nano is None:
        return "unknown"
    return f"{'-' if nano < 0 else ''}${usd_text(abs(nano))}"


def cents(nano: int) -> str:
    """Write nano-USD to the cent, as bills do."""
    text = cents_text(nano)
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def difference(nano: int) -> str:
    """Write nano-USD to the cent, with its sign."""
    text = cents(nano)
    return f"+{text}" if nano > 0 and text != "$0.00" else text


def usd_about(nano: int) -> str:
    """Write a guess in dollars, with three significant digits."""
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    unit = 10 ** max(0, len(str(nano)) - 3)
    return f"≈ {sign}${_rounded(round(nano / unit) * unit)}"


def usd_exact(nano: int | None) -> str:
    """Write nano-USD with all nine decimals."""
    if nano is None:
        return "price unknown"
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    return f"{sign}${nano // NANO:,}.{nano % NANO:09d}"


def duration(us: int | None) -> str:
    """Write microseconds in the unit that reads best, with three digits at most."""
    if us is None:
        return DASH
    amount = us / 1000
    for unit, forms in _DIGITS:
        for below, form in forms:
            if amount < below:
                return f"{amount:{form}} {unit}"
        amount /= 1000
    minutes, rest = divmod(round(us / 1_000_000), 60)
    return f"{minutes:,} min {rest} s"


def byte_size(size: int) -> str:
    """Write a number of bytes in binary units."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < _KIB:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} GiB"


def instant(us: int) -> str:
    """Write an instant to the second, with its zone."""
    return f"{_utc(us):%Y-%m-%d %H:%M:%S} UTC"


def instant_exact(us: int) -> str:
    """Write an instant to the microsecond, as ISO 8601."""
    return _utc(us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def clock_time(us: int, now_us: int) -> str:
    """Write an instant for a column headed UTC; the day only if it is not today."""
    at, now = _utc(us), _utc(now_us)
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at.day} {at:%b %H:%M:%S}"


def _dollars(nano: int, significant: int) -> str:
    if nano >= NANO:
        return f"{(nano + NANO // 200) // (NANO // 100) / 100:,.2f}"
    places = min(9, 9 - len(str(nano)) + significant)
    return f"{nano / NANO:.{max(2, places)}f}"


def _rounded(nano: int) -> str:
    whole, rest = divmod(nano, NANO)
    return f"{whole:,}{f'.{rest:09d}'.rstrip('0') if rest else ''}"


def _utc(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1_000_000, UTC)
