"""One budget under four workers and 800 streams: it is never overspent, and its counter equals the
ledger, which equals the bill; also when workers are killed and the Redis forgets everything.
"""

import asyncio
import os
import signal
import time
from collections.abc import Generator
from datetime import UTC, datetime
from itertools import count

import pytest
from tests.e2e.conftest import eventually
from tests.e2e.mixed_stack import MixedStack, final_bill, mixed_stack, settled
from tests.e2e.one_budget import (
    ATTEMPTS,
    HOLDS_AT_LEAST_NANO,
    Load,
    Watch,
    counted,
    most_committed,
)
from tests.e2e.reckoning import Reckoning, reckon

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("workers")]

WORKERS, STREAMS = 4, 200
SIZE = 780 * HOLDS_AT_LEAST_NANO
USD = f"{SIZE / 10**9:.6f}"
TENANTS = f"""
  steady: {{tier: wide, budget: {{usd: {USD}}}, when_redis_is_down: closed}}
  closed: {{tier: wide, budget: {{usd: {USD}}}, when_redis_is_down: closed}}
  shares: {{tier: wide, budget: {{usd: {USD}}}, when_redis_is_down: local_share}}
"""
AT_LEAST = 0.9
BACK_S = 5.0

numbers = count()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[MixedStack]:
    with mixed_stack(tmp_path_factory.mktemp("budget"), WORKERS, TENANTS) as running:
        yield running


def window(tenant: str) -> str:
    return f"tt:{{{tenant}}}:spend:month:{datetime.now(UTC):%Y-%m}"


def reckoned(stack: MixedStack, load: Load, tenant: str) -> tuple[int, int, Reckoning]:
    """Hold a tenant's ledger against the simulator's bill for its calls; tells both sums."""
    records = stack.rows("SELECT * FROM request WHERE tenant_id = ?", tenant)
    ledger = stack.rows("SELECT * FROM ledger WHERE tenant_id = ?", tenant)
    bill = [it for it in final_bill(stack) if it["user"] in load.asked]
    sums = (sum(it["cost_nano"] for it in lines) for lines in (ledger, bill))
    return *sums, reckon(records, ledger, bill)


def test_800_streams_at_once_never_commit_more_than_the_budget(stack: MixedStack) -> None:
    load = Load(stack.port, stack.key("steady"), numbers, time.monotonic() + 30)
    with Watch(stack.redis, window("steady")) as watch:
        asyncio.run(load.work(WORKERS * STREAMS))
    eventually(lambda: settled(stack), "every record is stored")
    spent, billed, reckoning = reckoned(stack, load, "steady")

    assert max(spent + held for spent, held in watch.seen) <= SIZE
    # Otherwise nobody was ever refused, and it shows nothing.
    assert max(held for _, held in watch.seen) > AT_LEAST * SIZE
    assert most_committed(stack.rows(ATTEMPTS, "steady")) <= SIZE
    assert AT_LEAST * SIZE < spent <= SIZE
    assert (reckoning.wrong, reckoning.estimates, reckoning.unknown) == ([], [], [])
    assert spent == billed
    assert counted(stack.redis, window("steady")) == (spent, 0)
    assert not load.alone


async def havoc(stack: MixedStack) -> float:
    """Kill workers and the Redis; tells when that is back, empty."""
    await asyncio.sleep(0.8)
    await asyncio.to_thread(kill_one, stack)
    await asyncio.sleep(0.4)
    stack.redis.kill()
    await asyncio.sleep(0.3)
    await asyncio.to_thread(kill_one, stack)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(stack.redis.restart)
    return time.monotonic()


def kill_one(stack: MixedStack) -> None:
    os.kill(stack.worker_pids()[0], signal.SIGKILL)


def test_goal_5_killed_workers_and_a_wiped_redis_overspend_no_more_than_is_said(
    stack: MixedStack,
) -> None:
    keys = {tenant: stack.key(tenant) for tenant in ("closed", "shares")}
    until_s = time.monotonic() + 4.5
    loads = {tenant: Load(stack.port, key, numbers, until_s) for tenant, key in keys.items()}

    async def run() -> float:
        half = WORKERS * STREAMS // 2
        back_s, *_ = await asyncio.gather(
            havoc(stack), *(load.work(half) for load in loads.values())
        )
        return back_s

    with Watch(stack.redis, window("closed")) as watch:
        back_s = asyncio.run(run())
        eventually(lambda: settled(stack), "every request that began has ended")
        for tenant, load in loads.items():
            spent, *_ = reckoned(stack, load, tenant)
            eventually(
                lambda is_=(spent, 0), of=window(tenant): counted(stack.redis, of) == is_,
                f"the counter of {tenant!r} equals the ledger",
                BACK_S,
            )
    took_s = time.monotonic() - back_s

    closed, shares = loads["closed"], loads["shares"]
    spent, billed, reckoning = reckoned(stack, closed, "closed")
    assert (reckoning.wrong, reckoning.unknown) == ([], [])
    assert {it.why for it in reckoning.estimates} == {"lost"}
    assert billed <= SIZE + sum(max(-it.off_nano, 0) for it in reckoning.estimates)
    assert spent <= SIZE
    assert max(sum(it) for it in watch.seen) <= SIZE
    assert most_committed(stack.rows(ATTEMPTS, "closed")) <= SIZE
    assert not closed.alone

    spent, billed, reckoning = reckoned(stack, shares, "shares")
    alone = [it for it in stack.rows(ATTEMPTS, "shares") if it["request_id"] in shares.alone]
    assert (reckoning.wrong, reckoning.unknown) == ([], [])
    assert alone
    assert sum(it["cost_nano"] for it in alone) <= SIZE // 2
    assert spent <= SIZE + SIZE // 2
    print(took_s, closed.statuses, shares.statuses, len(alone), spent / SIZE)
