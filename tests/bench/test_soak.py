"""Hours of everything: does a worker grow? Prints.

`SOAK_MINUTES=60` goes on for longer, `SOAK_MINUTES=2` is a try.
"""

import asyncio
import os
from itertools import takewhile
from pathlib import Path
from statistics import linear_regression
from time import monotonic

import pytest
from tests.bench.load import rss_mb
from tests.e2e.mixed import Crowd, calls
from tests.e2e.mixed_stack import mixed_stack

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))
WARM = 0.25
AT_ONCE = 24
EVERY_S = 2.0
MOST_MB = 1.0
"""A worker's growth in 10,000 requests, once what it remembers is full: some 60,000 requests."""

pytestmark = [pytest.mark.bench, pytest.mark.timeout(MINUTES * 60 + 120)]


def test_t34_a_worker_does_not_grow(tmp_path: Path) -> None:
    with mixed_stack(tmp_path, 1) as stack:
        [worker] = stack.worker_pids()
        crowd = Crowd(stack.port, stack.key())
        samples = asyncio.run(_soak(crowd, worker))
        assert stack.worker_pids() == [worker]

    warm = samples[int(len(samples) * WARM) :]
    slope, _ = linear_regression(*zip(*warm, strict=True))
    print(f"\nsoak             {crowd.begun:8} calls in {MINUTES:g} min, {crowd.left} callers left")
    print(f"worker memory    {warm[0][1]:8.1f} MB warm, {warm[-1][1]:.1f} MB at the end")
    tenths = samples[:: max(1, len(samples) // 10)]
    print("memory by calls  ", ", ".join(f"{mb:.0f} MB at {count}" for count, mb in tenths))
    print(f"growth           {slope * 10_000:8.3f} MB in 10,000 requests")
    assert slope * 10_000 <= MOST_MB


async def _soak(crowd: Crowd, worker: int) -> list[tuple[int, float]]:
    """Ask until the time is up; gives memory by requests asked."""
    end_s = monotonic() + MINUTES * 60
    samples: list[tuple[int, float]] = []

    async def sample() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            samples.append((crowd.begun, rss_mb(worker)))
            crowd.answered.clear()

    sampling = asyncio.create_task(sample())
    try:
        todo = takewhile(lambda _: monotonic() < end_s, calls(seed=7))
        await crowd.work(todo, AT_ONCE)
    finally:
        sampling.cancel()
    return samples
