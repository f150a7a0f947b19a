from itertools import islice
from statistics import median

import pytest

from trimtab.sim.latency import PROFILES


@pytest.mark.parametrize("name", ["chatgpt-like", "slow", "cold"])
def test_waits_are_repeatable_and_near_their_medians(name: str) -> None:
    profile = PROFILES[name]
    assert profile is not None

    waits = list(islice(profile.waits(b"seed"), 4_001))

    assert waits == list(islice(profile.waits(b"seed"), 4_001))
    assert median(waits[1:]) == pytest.approx(profile.gap_s, rel=0.1)
    firsts = [next(profile.waits(bytes([a, b]))) for a in range(60) for b in range(60)]
    assert median(firsts) == pytest.approx(profile.first_s, rel=0.1)


def test_an_instant_answer_has_no_waits() -> None:
    assert PROFILES["instant"] is None
