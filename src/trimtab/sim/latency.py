"""How long answers take: the first token and the gaps after it, from seeded lognormals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from random import Random


@dataclass(frozen=True, slots=True)
class Profile:
    """Medians in seconds; `spread` is the standard deviation of the logarithm."""

    first_s: float
    first_spread: float
    gap_s: float
    gap_spread: float

    def waits(self, seed: bytes) -> Iterator[float]:
        """Give the wait before the first token, then before each one after it, without end."""
        chance = Random(seed)  # noqa: S311  # repeatable on purpose
        yield chance.lognormvariate(log(self.first_s), self.first_spread)
        middle = log(self.gap_s)
        while True:
            yield chance.lognormvariate(middle, self.gap_spread)


PROFILES: Mapping[str, Profile | None] = {
    "instant": None,
    "chatgpt-like": Profile(0.45, 0.35, 0.018, 0.5),
    "slow": Profile(3.0, 0.5, 0.09, 0.5),
    "cold": Profile(9.0, 0.3, 0.03, 0.5),
}
