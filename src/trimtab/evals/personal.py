"""Personal data in texts, as far as its form gives it away."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
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


MOST_ROUNDS = 8
"""A text in which taking one out makes another is emptied after so many."""


def personal(text: str) -> frozenset[str]:
    """Name the kinds of personal data in a text."""
    return frozenset(_kinds(text))


def redacted(text: str) -> tuple[str, Counter[str]]:
    """Put `[EMAIL]` and the like where personal data was, and count each kind."""
    counts = Counter[str]()
    for _ in range(MOST_ROUNDS):
        before = counts.total()
        for kind, pattern, is_one in _FORMS:
            text = pattern.sub(lambda it, k=kind, t=is_one: _out(it, k, t, counts), text)
        if counts.total() == before:
            return text, counts
    kinds = sorted(personal(text))
    return "".join(f"[{it}]" for it in kinds), counts + Counter(kinds)


def _out(
    match: re.Match[str],
    kind: str,
    is_one: Callable[[re.Match[str]], bool],
    counts: Counter[str],
) -> str:
    if not is_one(match):
        return match[0]
    counts[kind] += 1
    return f"[{kind}]"


def _kinds(text: str) -> Iterator[str]:
    for kind, pattern, is_one in _FORMS:
        if any(map(is_one, pattern.finditer(text))):
            yield kind


def _is_address(match: re.Match[str]) -> bool:
    return _RESERVED.search(match[1]) is None


def _is_card(match: re.Match[str]) -> bool:
    """Check its last digit (ISO/IEC 7812-1)."""
    digits = [int(it) for it in match[0] if it.isdigit()][::-1]
    doubled = [sum(divmod(2 * it, 10)) for it in digits[1::2]]
    # A number of one digit repeated is no card.
    varied = any(one != other for one, other in pairwise(digits))
    return varied and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _is_iban(match: re.Match[str]) -> bool:
    """Check its check digits (ISO 13616)."""
    plain = match[0].replace(" ", "")
    return int("".join(str(int(it, 36)) for it in plain[4:] + plain[:4])) % 97 == 1


_FORMS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    (EMAIL, _EMAIL, _is_address),
    (CARD, _CARD, _is_card),
    (IBAN, _IBAN, _is_iban),
)
