"""How many spans a second are durable here and in a real Phoenix, side by side. Prints.

The goal is 50 times as many. Both get the same requests with 3 KB of content each, as fast as they
take them: our recorder from a spool, Phoenix by OTLP from the exporter, in batches of 512.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.bench.test_records import finishes, tenant_key
from tests.e2e.conftest import eventually, free_port
from tests.phoenix import Phoenix

from trimtab.domain.record import Finish
from trimtab.providers.http1 import Http1Transport
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.export import Exporter
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.preset import Content, preset
from trimtab.telemetry.receiver import Receiver
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool, claim
from trimtab.telemetry.view import View
from trimtab.telemetry.words import Words
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.bench, pytest.mark.phoenix, pytest.mark.timeout(1800)]

RECORDS = 10_000
TO_PHOENIX = 400
SPANS = 7
"""What the exporter makes of each: root, stages and the call."""


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[Phoenix]:
    started = Phoenix(tmp_path / "phoenix", free_port(), free_port())
    try:
        started.start()
        yield started
    finally:
        started.stop()


async def test_spans_a_second_beside_phoenix(phoenix: Phoenix, tmp_path: Path) -> None:
    ours = await _ours(tmp_path / "ours", RECORDS)
    theirs, spent = await _theirs(tmp_path / "theirs", phoenix, TO_PHOENIX)

    print(f"\ntrimtab   {ours[0]:9,.0f} spans/s stored, durable, {ours[1]:7,.1f} us CPU a span")
    print(f"phoenix   {theirs:9,.0f} spans/s stored, durable, {spent:7,.1f} us CPU a span")
    print(f"ratio     {ours[0] / theirs:9.1f} by the clock, {spent / ours[1]:.1f} by the processor")
    assert ours[0] > theirs


async def _ours(home: Path, count: int) -> tuple[float, float]:
    """Store records; gives spans a second, and the processor time of each in us."""
    clock = SystemClock()
    _written(home, finishes(count, clock, _chance()))
    own = Spool(claim(home / "spool", "keeper"), clock)
    with closing(own), closing(SqliteRecording(home)) as store:
        recorder = Recorder(home, store, own, lambda _: pytest.fail("nothing is lost"))
        await recorder.start()
        began_s, spent_s = time.perf_counter(), time.process_time()
        while await recorder.step():
            pass
        took_s, spent_s = time.perf_counter() - began_s, time.process_time() - spent_s
    return count * SPANS / took_s, spent_s * 1e6 / (count * SPANS)


async def _theirs(home: Path, phoenix: Phoenix, count: int) -> tuple[float, float]:
    """Send records to Phoenix until its database has them; gives the same."""
    clock = SystemClock()
    _written(home, finishes(count, clock, _chance()))
    own = Spool(claim(home / "spool", "keeper"), clock)
    with closing(own), closing(SqliteRecording(home)) as store:
        recorder = Recorder(home, store, own, lambda _: pytest.fail("nothing is lost"))
        await recorder.start()
        while await recorder.step():
            pass
        reading = SqliteReading(home, tenant_key, clock)
        words = Words(content=Content.SPAN, read=reading.content, recorded=recorder.recorded)
        receiver = Receiver("phoenix", phoenix.url, view=View(extras=preset("phoenix").extras))
        exporter = Exporter(receiver, Http1Transport(), home, clock, _chance(), words)
        began_s, spent_s = time.perf_counter(), phoenix.spent_s()
        while exporter.counts.exported < count * SPANS:
            await exporter.step()
            await asyncio.sleep(min(exporter.wait_s, 0.1))
        eventually(lambda: _stored(phoenix) >= count * SPANS, "Phoenix has stored all", 900)
        took_s, spent_s = time.perf_counter() - began_s, phoenix.spent_s() - spent_s
        reading.close()
    return count * SPANS / took_s, spent_s * 1e6 / (count * SPANS)


def _chance() -> random.Random:
    return random.Random(7)  # noqa: S311 -- repeatable on purpose


def _written(home: Path, made: Iterator[Finish]) -> None:
    worker = Spool(claim(home / "spool", "gateway"), SystemClock())
    encoder = msgspec.msgpack.Encoder()
    with closing(worker):
        for number, finish in enumerate(made, 1):
            own = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
            traced = replace(finish, record=replace(finish.record, **own))
            worker.append(Kind.FINISH, encoder.encode(traced))


def _stored(phoenix: Phoenix) -> int:
    time.sleep(0.2)
    database = f"file:{phoenix.home / 'phoenix.db'}?mode=ro"
    with closing(sqlite3.connect(database, uri=True, timeout=30)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM spans").fetchone()
    return int(count)
