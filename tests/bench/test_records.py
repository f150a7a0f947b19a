"""How fast records become durable, and how fast one is found again. Prints.

`TRIMTAB_BENCH_RECORDS=1000000` fills the store as far as the goals speak of.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from time import perf_counter, process_time

import msgspec
import pytest
from msgspec.structs import replace
from tests.chdb import Engine, running_engine
from tests.postgres import Server, running_server
from tests.telemetry.shapes import answered

from trimtab.domain.ids import request_id
from trimtab.domain.record import Finish
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.keeper import KeeperStore
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.relational.reading import Reading
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool, claim
from trimtab.testing import seeded_entropy
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

RECORDS = int(os.environ.get("TRIMTAB_BENCH_RECORDS", "20000"))
PART = 20_000
LOOKUPS = 300

_SITE_KEY = b"k" * 32
_encoder = msgspec.msgpack.Encoder()


def tenant_key(_tenant_id: str) -> bytes:
    return _SITE_KEY


def finishes(count: int, clock: SystemClock, chance: Random) -> Iterator[Finish]:
    """Make records as a worker does, each with texts of its own: 2 KB asked, 1 KB answered."""
    entropy, capture = seeded_entropy(), ContentCapture(tenant_key)
    words = [f"word{number}" for number in range(4000)]
    ordinary = answered(7)
    for _ in range(count):
        ts_us = clock.now_us()
        asked = " ".join(chance.choices(words, k=270)).encode()
        said = " ".join(chance.choices(words, k=130)).encode()
        given = capture.capture("acme-corp", ts_us, asked)
        spoken = capture.capture("acme-corp", ts_us, said)
        record = replace(
            ordinary.record,
            request_id=request_id(ts_us, entropy),
            ts_us=ts_us,
            input_ref=given.ref,
            output_ref=spoken.ref,
        )
        lines = tuple(
            replace(line, line_id=f"{record.request_id}/{number}/charge/0")
            for number, line in enumerate(ordinary.lines, 1)
        )
        yield replace(ordinary, record=record, lines=lines, content=(*given.blobs, *spoken.blobs))


def sqlite(home: Path, clock: SystemClock) -> tuple[KeeperStore, Reading]:
    return SqliteRecording(home), SqliteReading(home, tenant_key, clock)


def postgres(server: Server) -> tuple[KeeperStore, Reading]:
    url = server.database()
    return (
        PostgresRecording(url, "bench", is_keeper=True),
        PostgresReading(url, "bench", tenant_key),
    )


def clickhouse(server: Server, engine: Engine) -> tuple[KeeperStore, Reading]:
    url, way = server.database(), engine.database()
    return (
        ClickHouseRecording(url, "bench", Archive(way), is_keeper=True),
        ClickHouseReading(url, "bench", tenant_key, Archive(way)),
    )


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "clickhouse"])
async def test_prints_how_fast_records_are_stored_and_found(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Durable, as in earnest.
    monkeypatch.setattr("tests.postgres.FAST", ("shared_buffers=128MB",))
    clock = SystemClock()
    with ExitStack() as stack:
        if engine == "sqlite":
            store, reading = sqlite(tmp_path, clock)
        elif engine == "postgres":
            store, reading = postgres(stack.enter_context(running_server()))
        else:
            server = stack.enter_context(running_server())
            store, reading = clickhouse(server, stack.enter_context(running_engine()))
        with closing(store), closing(reading):
            print(f"\n{engine}")
            await _measure(tmp_path, store, reading, clock)


async def _measure(
    tmp_path: Path, store: KeeperStore, reading: Reading, clock: SystemClock
) -> None:
    chance = Random(7)  # noqa: S311 -- repeatable on purpose
    worker = Spool(claim(tmp_path / "spool", "gateway"), clock)
    own = Spool(claim(tmp_path / "spool", "keeper"), clock)
    recorder = Recorder(tmp_path, store, own, lambda _: pytest.fail("nothing is lost"))
    await recorder.start()
    ids: list[str] = []
    wall_s = spent_s = 0.0
    for _ in range(0, RECORDS, PART):
        for finish in finishes(min(PART, RECORDS), clock, chance):
            worker.append(Kind.FINISH, _encoder.encode(finish))
            ids.append(finish.record.request_id)
        start_s, before_s = perf_counter(), process_time()
        while await recorder.step():
            pass
        wall_s += perf_counter() - start_s
        spent_s += process_time() - before_s
    slowest = sorted([await _found_s(reading, chance.choice(ids)) for _ in range(LOOKUPS)])

    print(
        f"stored           {len(ids) / wall_s:8.0f} records/s, durable, with 3 KB of content each"
    )
    print(f"                 {spent_s / len(ids) * 1e6:8.0f} us CPU a record")
    print(
        f"found again      {slowest[LOOKUPS // 2] * 1000:8.2f} ms p50,"
        f" {slowest[-LOOKUPS // 100] * 1000:.2f} ms p99, with content, among {len(ids)} records"
    )
    await asyncio.to_thread(worker.close)
    await asyncio.to_thread(own.close)
    assert slowest


async def _found_s(reading: Reading, wanted: str) -> float:
    start_s = perf_counter()
    stored = await reading.find(wanted)
    assert stored is not None
    record = stored.record
    for ref in (record.input_ref, record.output_ref):
        assert ref is not None
        assert await reading.content(record.tenant_id, record.ts_us, ref)
    return perf_counter() - start_s
