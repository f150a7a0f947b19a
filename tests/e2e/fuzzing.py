"""Bytes that are nearly right, and how long fuzz tests look: a moment in the suite, and as much
longer as `TRIMTAB_FUZZ` says by hand, then with chances of their own in every run.
"""

import os
import secrets
from collections.abc import Iterator
from random import Random

FACTOR = float(os.environ.get("TRIMTAB_FUZZ", "1"))
SEED = 7 if FACTOR == 1 else secrets.randbits(32)

_ODD = (
    *(b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1e400", b"-0.0", b"9" * 400),
    *(b"18446744073709551616", b"NaN", b'"\\ud800"', b'"\\u0000"', b"\xff\xfe", b"\x00"),
    *(b"[" * 2000, b'{"a":' * 500, b'"' + b"x" * 5000 + b'"', b",", b'"', b"}", b"]"),
    *(b"\r\n", b"\n\n", b"data: ", b"data: [DONE]\n\n", b"event: error\n", b"\xc3", b"\\"),
)


def rounds(name: str) -> Iterator[Random]:
    """Give the chance of each round of a test; the suite has one round."""
    for number in range(max(1, round(FACTOR))):
        yield Random(f"{SEED}/{name}/{number}")  # noqa: S311 -- repeatable


def patience_s(usual: float) -> float:
    """Give how long a test may take, where in the suite it may take so long."""
    return max(usual, usual * FACTOR)


def mutated(data: bytes, chance: Random) -> bytes:
    """Do up to four things to bytes: flip, cut, take out, repeat, put in, put in place of."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([1, 2, 7, 40, 300]))
        match chance.randrange(7):
            case 0:
                flipped = bytes(
                    byte ^ (1 << chance.randrange(8)) for byte in data[start : start + 1]
                )
                data = data[:start] + flipped + data[start + 1 :]
            case 1:
                data = data[:start]
            case 2:
                data = data[:start] + data[end:]
            case 3:
                data = data[:end] + data[start:]
            case 4:
                data = data[:start] + chance.choice(_ODD) + data[start:]
            case 5:
                data = data[:start] + chance.choice(_ODD) + data[end:]
            case _:
                data = _other_value(data, chance)
    return data


def _other_value(data: bytes, chance: Random) -> bytes:
    """Give one member another value, so that the rest stays JSON."""
    places = [place for place in range(len(data)) if data[place : place + 2] == b'":']
    if not places:
        return data
    start = chance.choice(places) + 2
    end = min((at for stop in b",}]" if (at := data.find(stop, start)) >= 0), default=len(data))
    return data[:start] + chance.choice(_ODD[:14]) + data[end:]
