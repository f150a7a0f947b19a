"""Whether a keeper does what it is there for: a real query, and a real append that is stored."""

import asyncio
from pathlib import Path

from trimtab import wiring
from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable, TryLater
from trimtab.store.base.reading import RecordFilter
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool

FRESH_S = 3.0
PATIENCE_S = 4.0
_LOOK_S = 0.02
_NOTHING = b"\x80"


class Pulse:
    """Tells what is wrong, if anything is. State: what was found last, and when.

    Whoever asks is told what was found less than 3 s ago: anybody may ask, as often as they like.
    """

    def __init__(self, home: Path, spool: Spool, recorder: Recorder, clock: Clock) -> None:
        self._home = home
        self._spool = spool
        self._recorder = recorder
        self._clock = clock
        self._turn = asyncio.Lock()
        self._found_s = -FRESH_S
        self._found: str | None = None

    async def __call__(self) -> str | None:
        """Find what is wrong; without a path or a host, for anybody may ask."""
        async with self._turn:
            if self._clock.monotonic_s() - self._found_s >= FRESH_S:
                self._found = await self._look()
                self._found_s = self._clock.monotonic_s()
            return self._found

    async def _look(self) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._append()
        except RecorderUnavailable:
            return "the spool cannot be written"
        except TimeoutError:
            return "what is appended is not stored"
        try:
            await self._query()
        except TryLater:
            return "records cannot be read"
        return None

    async def _append(self) -> None:
        """Append to the keeper's own spool, and wait until the recorder has got on in it."""
        worker = self._spool.worker_id
        before = self._recorder.recorded().get(worker)
        await self._spool.synced(self._spool.append(Kind.NOTE, _NOTHING))
        while self._recorder.recorded().get(worker) == before:  # noqa: ASYNC110 -- it polls itself
            await asyncio.sleep(_LOOK_S)

    async def _query(self) -> None:
        """Read as somebody does who comes anew: what is open already may outlive its file.

        A query is given up by itself.
        """
        reading = wiring.records(self._home)
        try:
            await reading.page(RecordFilter(), limit=1)
        finally:
            await asyncio.to_thread(reading.close)
