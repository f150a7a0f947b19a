"""Money: whole nano-USD, and its exact decimal text for people and headers.

1 USD is 1_000_000_000 nano-USD. Arithmetic is integer arithmetic; floats never touch money.
"""

import re
from typing import NewType

Money = NewType("Money", int)
"""An amount in nano-USD. Fields that hold a bare `int` of it are named `..._nano`."""

NANO_PER_USD = 1_000_000_000

_DECIMALS = 9
_FORM = re.compile(r"([+-]?)([0-9]{1,15})(?:\.([0-9]{1,9}))?")


def usd_text(nano: int) -> str:
    """Write an amount in USD exactly, without exponent or trailing zeros: `0.009414`."""
    whole, rest = divmod(abs(nano), NANO_PER_USD)
    sign = "-" if nano < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{rest:09d}".rstrip("0")


def cents_text(nano: int) -> str:
    """Write an amount in USD to the cent, half away from zero: `1,204.11`."""
    cent = NANO_PER_USD // 100
    cents = (abs(nano) + cent // 2) // cent
    sign = "-" if nano < 0 and cents else ""
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"


def parse_usd(text: str) -> Money:
    """Read an amount in USD: plain digits, at most nine decimals, no exponent.

    Raises:
        ValueError: the text is no such amount.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' is not an amount in USD; write digits with at most nine decimals"
        )
    sign, whole, decimals = match.groups(default="")
    nano = int(whole) * NANO_PER_USD + int(decimals.ljust(_DECIMALS, "0"))
    return Money(-nano if sign == "-" else nano)
