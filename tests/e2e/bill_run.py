"""Asks mixed calls while workers are killed, and holds the ledger against the bill."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from tests.e2e.conftest import eventually
from tests.e2e.mixed import Call, Crowd, calls
from tests.e2e.mixed_stack import MixedStack, final_bill, mixed_stack, settled
from tests.e2e.reckoning import Estimate, Reckoning, reckon

WORKERS = 2
KILLED = 0.01
SETTLED_S = 60.0

NEAR_TOKENS, NEAR_SHARE = 16, 0.1
"""How far an estimate may be off: docs/concepts/cost.md."""


@dataclass(frozen=True, slots=True)
class BillRun:
    """What a run left behind.

    Attributes:
        kills: Workers that were killed, each with the calls that were under way in it.
    """

    crowd: Crowd
    kills: int
    seconds: float
    records: list[dict[str, Any]]
    reckoning: Reckoning
    bill: list[dict[str, Any]]
    told_estimated: int


def bill_run(home: Path, count: int, at_once: int) -> BillRun:
    """Ask so many calls; one in a hundred dies with its worker."""
    with mixed_stack(home, WORKERS) as stack:
        crowd = Crowd(stack.port, stack.key())
        began_s = time.monotonic()
        kills = asyncio.run(_ask(stack, crowd, islice(calls(seed=7), count), at_once))
        took_s = time.monotonic() - began_s
        eventually(lambda: settled(stack), "every request that began has ended", SETTLED_S)
        bill = final_bill(stack)
        records = stack.rows("SELECT * FROM request")
        ledger = stack.rows("SELECT * FROM ledger")
        [told] = stack.rows("SELECT sum(n_estimated) AS n, sum(cost_nano) AS cost FROM rollup_hour")
    assert told["cost"] == sum(line["cost_nano"] for line in ledger)
    reckoning = reckon(records, ledger, bill)
    return BillRun(crowd, kills, took_s, records, reckoning, bill, told["n"])


async def _ask(stack: MixedStack, crowd: Crowd, todo: Iterator[Call], at_once: int) -> int:
    killing = asyncio.create_task(_kill(stack, crowd, at_once))
    try:
        await crowd.work(todo, at_once)
    finally:
        killing.cancel()
    return await killing  # which tells how many when it is cancelled


async def _kill(stack: MixedStack, crowd: Crowd, at_once: int) -> int:
    """Kill a worker whenever those that died so far took fewer calls along than their share."""
    chance, kills = Random(7), 0  # noqa: S311 -- repeatable on purpose
    try:
        while True:
            await asyncio.sleep(0.02)
            owed = KILLED * crowd.begun - crowd.broken
            pids = stack.worker_pids()
            if owed >= at_once / WORKERS / 4 and len(pids) == WORKERS:
                os.kill(chance.choice(pids), signal.SIGKILL)
                kills += 1
                await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return kills


def check(run: BillRun) -> None:
    """Hold everything that a run must have against it."""
    stored = {record["request_id"]: record for record in run.records}
    assert len(stored) == len(run.records)
    heard = list(run.crowd.answered.values())
    assert len(set(heard)) == len(heard)
    assert not {request_id for request_id in heard if request_id not in stored}
    assert run.reckoning.wrong == []
    assert run.reckoning.unknown == []
    guessed = {it.line["request_id"] for it in run.reckoning.estimates}
    marked = {
        it["request_id"] for it in run.records if it["usage_source"] in ("estimated", "partial")
    }
    assert guessed == marked
    assert run.told_estimated == len(marked)
    assert [it for it in run.reckoning.estimates if not is_near(it)] == []


def is_near(it: Estimate) -> bool:
    """Whether an estimate is as near as the book says.

    An input is never far off. An output that was passed on is exact if the provider ended it, and
    short of what was under way if we did; one of which nothing was passed on is not known.
    """
    if it.billed is None:
        return it.line["output_tokens"] == 0
    read = sum(it.billed[name] for name in _READ)
    wrote, said = it.billed["output_tokens"], it.line["output_tokens"]
    near = abs(it.line["input_tokens"] - read) <= max(NEAR_TOKENS, NEAR_SHARE * read)
    if it.why in ("lost", "error"):
        return near and said <= wrote
    if it.why == "cancelled":
        return near and 0 <= wrote - said <= max(NEAR_TOKENS, NEAR_SHARE * wrote)
    return near and said == wrote


_READ = ("input_tokens", "cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
