"""Personal data in texts, as far as its form gives it away."""

import re
from collections.abc import Iterator
from itertools import pairwise

EMAIL, CARD, IBAN = "EMAIL", "CARD", "IBAN"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})\b")
_CARD = re.compile(r"(?<![\w-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-])")
_IBAN = re.compile(
    r"\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)\b"
)

# Nobody has an address there (RFC 2606).
_RESERVED = re.compile(
    r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE
)


def personal(text: str) -> frozenset[str]:
    """Name the kinds of personal data in a text."""
    return frozenset(_kinds(text))


def _kinds(text: str) -> Iterator[str]:
    if any(_RESERVED.search(it[1]) is None for it in _EMAIL.finditer(text)):
        yield EMAIL
    if any(_is_card(it[0]) for it in _CARD.finditer(text)):
        yield CARD
    if any(_is_iban(it[0]) for it in _IBAN.finditer(text)):
        yield IBAN


def _is_card(written: str) -> bool:
    """Check its last digit (ISO/IEC 7812-1)."""
    digits = [int(it) for it in written if it.isdigit()][::-1]
    doubled = [sum(divmod(2 * it, 10)) for it in digits[1::2]]
    # A number of one digit repeated is no card.
    varied = any(one != other for one, other in pairwise(digits))
    return varied and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(written: str) -> bool:
    """Check its check digits (ISO 13616)."""
    plain = written.replace(" ", "")
    return int("".join(str(int(it, 36)) for it in plain[4:] + plain[:4])) % 97 == 1
