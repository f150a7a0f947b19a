"""The text form of a filter, the same in console, command line and admin API.

tenant:acme status:error latency_ms:>2000 since:24h
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.record import Origin, Status
from trimtab.store.base import RecordFilter

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_AT_LEAST = re.compile(r">=?([0-9]{1,9})")


def parse(text: str, now_us: int) -> RecordFilter:
    """Read a filter; words are joined by `and`.

    Raises:
        InvalidRequest: a word is no filter; the message names the nearest that is.
    """
    found: dict[str, str | int] = {}
    for word in text.split():
        name, colon, value = word.partition(":")
        if not colon or not value:
            raise InvalidRequest(f"{word!r} is not a filter; write name:value", param="q")
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(FIELDS)}"
            raise InvalidRequest(f"{name!r} is not a filter; {hint}", param="q")
        member, read = FIELDS[name]
        found[member] = read(value, now_us)
    return RecordFilter(**found)  # pyright: ignore[reportArgumentType] -- the table pairs them


def _text(value: str, _now_us: int) -> str:
    return value


def _one_of(words: type[Status | Origin]) -> Callable[[str, int], str]:
    known = [word.value for word in words]

    def read(value: str, _now_us: int) -> str:
        if value not in known:
            raise InvalidRequest(f"{value!r} is none of {', '.join(known)}", param="q")
        return value

    return read


def _at_least_us(value: str, _now_us: int) -> int:
    match = _AT_LEAST.fullmatch(value)
    if match is None:
        raise InvalidRequest(f"{value!r} is no bound; write latency_ms:>2000", param="q")
    return int(match[1]) * 1000


def _instant_us(value: str, now_us: int) -> int:
    match = _AGO.fullmatch(value)
    if match is not None:
        return now_us - int(match[1]) * _UNITS_US[match[2]]
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidRequest(
            f"{value!r} is no time; write 24h, or 2026-04-25 (UTC)", param="q"
        ) from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1e6)


FIELDS: Mapping[str, tuple[str, Callable[[str, int], str | int]]] = {
    "tenant": ("tenant_id", _text),
    "feature": ("feature", _text),
    "model": ("model_requested", _text),
    "provider": ("provider", _text),
    "key": ("key_id", _text),
    "status": ("status", _one_of(Status)),
    "error": ("error_code", _text),
    "origin": ("origin", _one_of(Origin)),
    "trace": ("trace_id", _text),
    "response": ("response_id", _text),
    "prompt": ("prompt_name", _text),
    "version": ("prompt_version", _text),
    "latency_ms": ("min_latency_us", _at_least_us),
    "since": ("since_us", _instant_us),
    "until": ("until_us", _instant_us),
}
"""Names of filters, the member each becomes, and who reads its value."""
