"""What a keeper finds when it feels its own pulse."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool, claim
from trimtab.testing import FrozenClock
from trimtab.wiring import pulse
from trimtab.wiring.pulse import FRESH_S, Pulse


@asynccontextmanager
async def recording(home: Path) -> AsyncGenerator[tuple[Recorder, Pulse, FrozenClock]]:
    clock = FrozenClock()
    spool = Spool(claim(home / "spool", "keeper"), clock)
    with closing(spool), closing(SqliteRecording(home)) as store:
        recorder = Recorder(home, store, spool, lambda _: pytest.fail("nothing is lost"))
        yield recorder, Pulse(home, spool, recorder, clock), clock


async def test_a_keeper_that_records_is_well(tmp_path: Path) -> None:
    async with recording(tmp_path) as (recorder, feel, _):
        running = asyncio.create_task(recorder.run())

        assert await feel() is None

        running.cancel()


async def test_a_keeper_that_stores_nothing_is_not_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PATIENCE_S", 0.05)
    async with recording(tmp_path) as (recorder, feel, _):
        await recorder.start()

        assert await feel() == "what is appended is not stored"


async def test_what_was_found_is_told_again_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recording(tmp_path) as (recorder, feel, clock):
        running = asyncio.create_task(recorder.run())
        assert await feel() is None
        monkeypatch.setattr(pulse, "PATIENCE_S", 0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

        assert await feel() is None

        clock.advance(FRESH_S + 1)
        assert await feel() == "what is appended is not stored"


async def test_records_that_nobody_can_read_are_told_of(tmp_path: Path) -> None:
    async with recording(tmp_path) as (recorder, feel, clock):
        running = asyncio.create_task(recorder.run())
        assert await feel() is None
        (tmp_path / "records.db").rename(tmp_path / "away.db")
        clock.advance(FRESH_S + 1)

        assert await feel() == "records cannot be read"

        running.cancel()
