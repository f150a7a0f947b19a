"""How near a run is to what its concurrency allows."""

from pathlib import Path

import pytest
from tests.e2e.conftest import stack_in
from tests.e2e.test_evals import suite

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]

CASES, AT_ONCE, LATENCY_S, RATIO = 1000, 50, 0.2, 1.3


def test_a_thousand_cases_take_little_longer_than_their_answers(tmp_path: Path) -> None:
    with stack_in(tmp_path) as site:
        path = suite(tmp_path, "fast", f"chat!slow_headers:{LATENCY_S}", CASES)
        run = site.json("evals", "run", path, "--baseline", "none", "--concurrency", str(AT_ONCE))

    ideal_s = CASES * LATENCY_S / AT_ONCE
    took_s = (run["spent"]["ended_us"] - run["spent"]["started_us"]) / 1e6
    print(f"\n{CASES} cases, {AT_ONCE} at once: {took_s:.2f} s, {took_s / ideal_s:.2f} of ideal")
    assert len(run["samples"]) == CASES
    assert not any(it.get("error") for it in run["samples"])
    assert took_s <= RATIO * ideal_s
