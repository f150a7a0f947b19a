"""kill -9 of workers and keepers, sixty times: nothing is lost, nothing is there twice.

Peers lose here: https://github.com/BerriAI/litellm/issues/38157.
`tests/bench/test_crash_matrix.py` kills another 140.
"""

import asyncio
from pathlib import Path

import pytest
from tests.e2e.conftest import stack_in
from tests.e2e.mortal import config, kill_under_load
from tests.telemetry.collector import Collector

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

KILLS = 60
SEED = 7


async def test_t20_after_sixty_kills_records_ledger_log_bill_and_exports_agree(
    tmp_path: Path,
) -> None:
    collector = Collector()
    async with collector.up():
        with stack_in(tmp_path, "--config", str(config(tmp_path, collector))) as mortal:
            await asyncio.to_thread(kill_under_load, mortal, collector, KILLS, SEED)
