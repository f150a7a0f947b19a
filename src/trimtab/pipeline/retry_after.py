"""How long a provider asks us to wait: `Retry-After` (RFC 9110, section 10.2.3) in all forms."""

import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_S = 86_400.0

_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?")


def retry_after_s(headers: Iterable[tuple[bytes, bytes]], now_us: int) -> float | None:
    """Read the wait in seconds, at most a day; `None` if none is told or it cannot be read.

    `retry-after-ms`, which some providers send beside it, is the more exact and goes first.
    """
    told = {name: value.decode("latin-1").strip() for name, value in headers if name in _UNITS}
    for name, unit_s in _UNITS.items():
        value = told.get(name)
        if value is None:
            continue
        if _NUMBER.fullmatch(value):
            return min(LONGEST_S, float(value) * unit_s)
        if unit_s == 1.0:
            return _until(value, now_us)
    return None


_UNITS = {b"retry-after-ms": 0.001, b"retry-after": 1.0}


def _until(date: str, now_us: int) -> float | None:
    """Read an HTTP date; one that has passed is no wait."""
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(LONGEST_S, max(0.0, at.timestamp() - now_us / 1e6))
