"""How long erasing a tenant takes, and how long retention keeps the recorder waiting."""

import asyncio
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.ids import request_id
from trimtab.domain.record import Finish
from trimtab.domain.retention import Retention
from trimtab.jobs.retention import Retain
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import seeded_entropy
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

RECORDS = int(os.environ.get("TRIMTAB_BENCH_ERASE", "100000"))
DAYS = 30
GOAL_PER_S = 1_000_000 / 60
MOST_BLOCKED_S = 0.05


async def filled(home: Path, n: int) -> SqliteRecording:
    """Store records of a tenant over a month, each with a text of its own and an answer."""
    store, capture, entropy = SqliteRecording(home), ContentCapture(tenant_key), seeded_entropy()
    for start in range(0, n, 1_000):
        finishes: list[Finish] = []
        blobs: list[StoredBlob] = []
        for number in range(start, min(n, start + 1_000)):
            ts_us = TS_US + number * DAYS * DAY_US // n
            # As in life, an id says when: what is of one time lies together.
            made = finish(
                number, ts_us=ts_us, tenant_id="acme", request_id=request_id(ts_us, entropy)
            )
            record = made.record
            texts = [f"{what} {number} ".encode() * 60 for what in ("asked", "answered")]
            kept = [capture.capture("acme", record.ts_us, text) for text in texts]
            record = replace(
                record, input_ref=kept[0].ref, output_ref=kept[1].ref, content_state="full"
            )
            finishes.append(replace(made, record=record))
            blobs += [StoredBlob("acme", record.ts_us, it) for one in kept for it in one.blobs]
        await store.commit(Batch(finishes=tuple(finishes), blobs=tuple(blobs)))
    return store


async def test_a_tenant_is_erased_at_the_rate_of_a_million_in_a_minute(tmp_path: Path) -> None:
    with closing(await filled(tmp_path, RECORDS)) as store:
        erasure = Erasure(scope=ErasureScope(tenant_id="acme"), until_us=1 << 60)
        begun_s, after, done, longest_s = time.perf_counter(), None, 0, 0.0
        cpu_s = time.process_time()
        while True:
            step_s = time.perf_counter()
            step = await store.erase(erasure, now_us=1 << 60, after=after)
            longest_s = max(longest_s, time.perf_counter() - step_s)
            done += step.deleted.get("records_scrubbed", 0)
            after = step.place
            if after is None:
                break
        passed_s = time.perf_counter() - begun_s
        await store.shred()
        took_s = time.perf_counter() - begun_s
        # Of a machine that others use, too, only what it took itself tells.
        cpu_s = time.process_time() - cpu_s
        print(
            f"{done} records erased in {passed_s:.1f} s, {took_s:.1f} s with shredding:"
            f" {done / took_s:.0f}/s ({done / cpu_s:.0f}/s of a core),"
            f" longest step {longest_s * 1e3:.0f} ms"
        )
        assert done == RECORDS
        assert done / cpu_s >= GOAL_PER_S


async def test_retention_does_not_keep_the_recorder_waiting(tmp_path: Path) -> None:
    with closing(await filled(tmp_path, RECORDS // 5)) as store:
        clock = SystemClock()
        retain = Retain(store, Retention(records=1, content=1), lambda _: 1, clock)
        waits: list[float] = []

        async def record() -> None:
            for number in range(10**9, 10**9 + 10**6):
                begun_s = time.perf_counter()
                await store.commit(Batch(finishes=(finish(number, ts_us=clock.now_us()),)))
                waits.append(time.perf_counter() - begun_s)
                await asyncio.sleep(0.005)

        recording = asyncio.create_task(record())
        ended = await retain.step()
        recording.cancel()
        waits.sort()
        print(
            f"{ended['record']} records ended; commits waited {waits[len(waits) // 2] * 1e3:.1f} ms"
            f" in the middle, {waits[round(len(waits) * 0.99) - 1] * 1e3:.1f} ms at p99,"
            f" {waits[-1] * 1e3:.1f} ms at most"
        )
        assert ended["record"] == RECORDS // 5
        assert waits[round(len(waits) * 0.99) - 1] < 2 * MOST_BLOCKED_S
