"""How long to wait before what failed is tried again."""

from random import Random

_MOST_DOUBLINGS = 17
"""2 to that power is more seconds than a day has."""


def backoff_s(failures: int, most_s: float, chance: Random) -> float:
    """Give seconds to wait: a second, twice as long each time, and up to half of it less."""
    ceiling_s = min(most_s, 2.0 ** min(failures, _MOST_DOUBLINGS))
    return chance.uniform(ceiling_s / 2, ceiling_s)
