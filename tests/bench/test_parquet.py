"""Whether an export to Parquet is in the way of what is stored meanwhile. Prints.

1,000 records a second come in as a worker writes them; each must be visible within 1 s (p99) while
`trimtab records export` takes all that is there.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random
from time import perf_counter

import msgspec
import pytest
from tests.bench.test_records import finishes, tenant_key

from trimtab.domain.record import Finish
from trimtab.store.base.recording import Batch
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool, claim
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

RECORDS = int(os.environ.get("TRIMTAB_BENCH_RECORDS", "100000"))
PART = 1000
A_SECOND = 1000
FRAMES = 20
WITHIN_S = 1.0


async def test_export_does_not_block(tmp_path: Path) -> None:
    made = finishes(RECORDS + 200_000, SystemClock(), Random(7))  # noqa: S311 -- repeatable
    with closing(SqliteRecording(tmp_path)) as store:
        for _ in range(0, RECORDS, PART):
            await store.commit(Batch(finishes=tuple(next(made) for _ in range(PART))))
        own = Spool(claim(tmp_path / "spool", "keeper"), SystemClock())
        with closing(own), closing(SqliteReading(tmp_path, tenant_key, SystemClock())) as reading:
            recorder = Recorder(tmp_path, store, own, lambda _: pytest.fail("nothing is lost"))
            running = asyncio.create_task(recorder.run())
            alone = await _delays(tmp_path, made, reading, asyncio.sleep(5.0))
            export = await _export(tmp_path)
            beside = await _delays(tmp_path, made, reading, export.wait())
            running.cancel()
            assert export.returncode == 0
    for name, delays in (("alone", alone), ("beside the export", beside)):
        print(
            f"{name:18} {len(delays):5} samples visible after {_at(delays, 0.5) * 1e3:.0f} ms p50,"
            f" {_at(delays, 0.99) * 1e3:.0f} ms p99"
        )
    # A machine that is busy otherwise delays both.
    assert _at(beside, 0.99) < max(WITHIN_S, 1.5 * _at(alone, 0.99))


async def _export(home: Path) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "trimtab", "records", "export", "--home", str(home))
    return await asyncio.create_subprocess_exec(*command, "--out", str(home / "all.parquet"))


async def _delays(
    home: Path,
    made: Iterator[Finish],
    reading: SqliteReading,
    until: Coroutine[object, object, object],
) -> list[float]:
    """Write records until something is over; gives after how long the last of each few is seen."""
    over = asyncio.create_task(until)
    delays: list[float] = []
    encoder = msgspec.msgpack.Encoder()
    looks: set[asyncio.Task[None]] = set()

    async def look(request_id: str, began_s: float) -> None:
        while await reading.find(request_id) is None:  # noqa: ASYNC110 -- what a reader does
            await asyncio.sleep(0.005)
        delays.append(perf_counter() - began_s)

    with closing(Spool(claim(home / "spool", "gateway"), SystemClock())) as worker:
        next_s = perf_counter()
        while not over.done():
            few = list(islice(made, FRAMES))
            for finish in few:
                worker.append(Kind.FINISH, encoder.encode(finish))
            looks.add(asyncio.create_task(look(few[-1].record.request_id, perf_counter())))
            next_s += FRAMES / A_SECOND
            await asyncio.sleep(max(0.0, next_s - perf_counter()))
        await asyncio.gather(*looks)
    return sorted(delays)


def _at(delays: list[float], share: float) -> float:
    return delays[int((len(delays) - 1) * share)]
