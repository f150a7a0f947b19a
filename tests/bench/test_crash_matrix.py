"""140 more kills than `tests/e2e/test_crash_matrix.py` has, at other points."""

import asyncio
from pathlib import Path

import pytest
from tests.e2e.conftest import stack_in
from tests.e2e.mortal import config, kill_under_load
from tests.telemetry.collector import Collector

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

KILLS = 140
SEED = 8


async def test_after_140_kills_everything_agrees(tmp_path: Path) -> None:
    collector = Collector()
    async with collector.up():
        with stack_in(tmp_path, "--config", str(config(tmp_path, collector))) as mortal:
            await asyncio.to_thread(kill_under_load, mortal, collector, KILLS, SEED)
