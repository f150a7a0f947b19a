"""Builds what compares the counters that workers share with the ledger of this host."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.jobs.counters import Comparison, CounterJob
from trimtab.jobs.schedule import Job
from trimtab.pipeline.standing import all_windows
from trimtab.settings import GatewaySettings, Settings
from trimtab.wiring.record_store import SHARED, ledger_name
from trimtab.wiring.sharing import Counters, counters
from trimtab.wiring.spent import Books

STEP_S = 0.5


class Counting:
    """What the keeper does about counters. State: the job, and the connection if there is any."""

    def __init__(
        self,
        home: Path,
        settings: GatewaySettings,
        current: Callable[[], Snapshot],
        clock: Clock,
        leads: Callable[[], Awaitable[bool]],
    ) -> None:
        """Build it; where there is one worker, there is nothing to do."""
        self._found = counters(home, settings)
        self._job = None if self._found is None else _job(home, self._found, current, clock)
        self._leads = leads

    @property
    def repaired(self) -> int | None:
        """How many counters were mended; `None` where there are none."""
        return None if self._job is None else self._job.repaired

    def job(self) -> list[Job]:
        """Give what is to be done every so often, once something is being recorded."""
        job = self._job
        if job is None:
            return []

        async def step() -> None:
            if await self._leads():
                await job.run()

        return [Job("counters", STEP_S, step)]

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        if self._found is None or self._job is None:
            await asyncio.Event().wait()
        else:
            await self._found.run(self._job.returned)


def comparison_of(home: Path, found: Counters) -> Comparison:
    """Compare with the ledger of a state directory, its own or that of all hosts."""
    is_whole = ledger_name(home) != SHARED
    return Comparison(found.store, Books(home), asyncio.sleep, is_whole=is_whole)


def _job(home: Path, found: Counters, current: Callable[[], Snapshot], clock: Clock) -> CounterJob:
    comparison = comparison_of(home, found)
    return CounterJob(comparison, lambda: all_windows(current(), clock.now_us()), clock)


@asynccontextmanager
async def comparing(home: Path, settings: Settings) -> AsyncGenerator[Comparison]:
    """Compare for as long as a command runs.

    Raises:
        SettingsInvalid: there are no counters to compare.
    """
    found = counters(home, settings.gateway)
    if found is None:
        raise SettingsInvalid(
            f"'{settings.file}' names no gateway.redis: the one worker keeps its counters itself,"
            " and begins them at the ledger when it starts; restart it to have them anew"
        )
    keeping = asyncio.create_task(found.run(_nothing))
    try:
        await found.tried()
        yield comparison_of(home, found)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def _nothing() -> None:
    pass
