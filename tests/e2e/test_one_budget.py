"""One budget under four workers and 800 streams: it is never overspent, and its counter equals the
ledger, which equals the bill; also when workers are killed and the Redis forgets everything.
"""

import asyncio
import math
import os
import signal
import time
from collections.abc import Generator
from datetime import UTC, datetime
from functools import partial
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
from tests.e2e.reckoning import Estimate, Reckoning, reckon

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("workers")]

WORKERS, STREAMS = 4, 200
SIZE = 780 * HOLDS_AT_LEAST_NANO
SCARCE = SIZE // 2
USD, SCARCE_USD = (f"{it / 10**9:.6f}" for it in (SIZE, SCARCE))
TENANTS = f"""
  steady: {{tier: wide, budget: {{usd: {USD}}}, when_redis_is_down: closed}}
  closed: {{tier: wide, budget: {{usd: {SCARCE_USD}}}, when_redis_is_down: closed}}
  shares: {{tier: wide, budget: {{usd: {USD}}}, when_redis_is_down: local_share}}
"""
AT_LEAST, MUCH = 0.9, 0.8
LONG_S, LOAD_S = 3.0, 2.5
BACK_S, AGAIN_S = 5.0, 25.0

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
    spent, billed = (sum(it["cost_nano"] for it in lines) for lines in (ledger, bill))
    return spent, billed, reckon(records, ledger, bill)


def test_800_streams_at_once_never_commit_more_than_the_budget(stack: MixedStack) -> None:
    load = Load(stack.port, stack.key("steady"), numbers, time.monotonic() + 30)
    with Watch(stack.redis, window("steady")) as watch:
        asyncio.run(load.work(WORKERS * STREAMS))
    eventually(lambda: settled(stack), "every record is stored")
    spent, billed, reckoning = reckoned(stack, load, "steady")

    assert max(spent + held for spent, held in watch.seen) <= SIZE
    # Otherwise nobody was ever refused, and it shows nothing.
    assert load.statuses[429] > 0
    assert max(spent + held for spent, held in watch.seen) > AT_LEAST * SIZE
    assert most_committed(stack.rows(ATTEMPTS, "steady")) <= SIZE
    assert AT_LEAST * SIZE < spent <= SIZE
    assert (reckoning.wrong, reckoning.estimates, reckoning.unknown) == ([], [], [])
    assert spent == billed
    assert not load.alone
    # At once, but for a settlement that a busy Redis did not answer: that is sent once more.
    agrees = partial(equals_the_ledger, stack, "steady")
    eventually(agrees, "the counter is right", AGAIN_S)


def equals_the_ledger(stack: MixedStack, tenant: str) -> bool:
    [ledger] = stack.rows("SELECT sum(cost_nano) AS nano FROM ledger WHERE tenant_id = ?", tenant)
    return counted(stack.redis, window(tenant)) == (ledger["nano"], 0)


async def havoc(stack: MixedStack, watch: Watch) -> None:
    """Kill workers and the Redis once much is held, and start that again, empty."""
    await asyncio.to_thread(
        eventually, lambda: watch.seen and watch.seen[-1][1] > MUCH * SCARCE, "much is held"
    )
    os.kill(stack.worker_pids()[0], signal.SIGKILL)
    await asyncio.sleep(0.1)
    stack.redis.kill()
    await asyncio.sleep(0.3)
    os.kill(stack.worker_pids()[0], signal.SIGKILL)
    # Long enough for streams to end, and for others to ask while it is away.
    await asyncio.sleep(2.0)
    await asyncio.to_thread(stack.redis.restart)


def test_goal_5_killed_workers_and_a_wiped_redis_overspend_no_more_than_is_said(
    stack: MixedStack,
) -> None:
    tenants = ("closed", "shares")
    keys = [stack.key(tenant) for tenant in tenants]
    closed, shares = (Load(stack.port, key, numbers, math.inf, LONG_S) for key in keys)

    async def break_all(watch: Watch) -> int:
        await havoc(stack, watch)
        closed.until_s = shares.until_s = time.monotonic() + LOAD_S
        return time.time_ns() // 1000

    async def run(watch: Watch) -> int:
        half = WORKERS * STREAMS // 2
        breaking = asyncio.create_task(break_all(watch))
        await asyncio.gather(breaking, *(it.work(half) for it in (closed, shares)))
        return breaking.result()

    with Watch(stack.redis, window("closed")) as watch:
        back_us = asyncio.run(run(watch))
        eventually(lambda: settled(stack), "every request that began has ended")
        end_s = time.monotonic() + BACK_S
        for tenant in tenants:
            agrees = partial(equals_the_ledger, stack, tenant)
            eventually(agrees, f"the counter of {tenant!r} is right", end_s - time.monotonic())

    lost = check_closed(stack, closed, back_us) + check_shares(stack, shares)
    assert {it.why for it in lost} == {"lost"}


def check_closed(stack: MixedStack, load: Load, back_us: int) -> list[Estimate]:
    spent, billed, reckoning = reckoned(stack, load, "closed")
    attempts = stack.rows(ATTEMPTS, "closed")
    assert (reckoning.wrong, reckoning.unknown) == ([], [])
    # What the counter said is no proof here: what ended while the Redis was away may count twice
    # in it for a moment.
    assert most_committed(attempts) <= SCARCE
    assert any(it["started_us"] > back_us for it in attempts)
    assert spent <= SCARCE
    assert billed <= SCARCE + sum(max(-it.off_nano, 0) for it in reckoning.estimates)
    assert not load.alone
    return reckoning.estimates


def check_shares(stack: MixedStack, load: Load) -> list[Estimate]:
    spent, _, reckoning = reckoned(stack, load, "shares")
    alone = [it for it in stack.rows(ATTEMPTS, "shares") if it["request_id"] in load.alone]
    assert (reckoning.wrong, reckoning.unknown) == ([], [])
    assert alone
    assert sum(it["cost_nano"] for it in alone) <= SIZE // 2
    assert spent <= SIZE + SIZE // 2
    return reckoning.estimates
