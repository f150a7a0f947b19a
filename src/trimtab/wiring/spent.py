"""What was spent before, as this host knows it: its ledger, and what its workers wrote since."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trimtab import wiring
from trimtab.domain.errors import LimitsUnavailable, TryLater
from trimtab.domain.record import Finish, LedgerLine, Origin
from trimtab.pipeline.fund import Spent
from trimtab.store.base import Spending, SpoolPosition
from trimtab.telemetry.follow import START, Place, follow, waiting_bytes, workers
from trimtab.telemetry.frames import Frame, Kind

TRIES, RETRY_S = 5, 0.1

_finish = msgspec.msgpack.Decoder(Finish)


def spent(home: Path) -> Spent:
    """Sum up what the lines of a budget cost: those in the ledger, and those on their way there."""
    reading = wiring.records(home)

    async def look(of: Spending) -> int:
        total, waiting = 0, 0
        for _ in range(TRIES):
            total, places = await reading.spent(of) if reading.exists else (0, ())
            waiting = await asyncio.to_thread(_waiting, home / "spool", places, of)
            after = (await reading.spent(of))[1] if reading.exists else ()
            # A segment that was read to its end meanwhile may have been removed under our eyes.
            if _segments(places) == _segments(after):
                break
        return total + waiting

    async def told(of: Spending) -> int:
        for _ in range(TRIES):
            try:
                return await look(of)
            except (TryLater, OSError):
                # At the very first start the keeper is just making it.
                await asyncio.sleep(RETRY_S)
        raise LimitsUnavailable(
            "the ledger that a budget begins at cannot be read; try again, or see that the disk of"
            " the state directory, or the Postgres of `gateway.records`, is well",
            wait_s=1.0,
        )

    return told


async def unstored_bytes(home: Path) -> int:
    """Count what workers wrote that is not in the ledger yet. Raises `TryLater`."""
    reading = wiring.records(home)
    places = await reading.positions() if reading.exists else ()
    known = {it.worker_id: Place(it.segment, it.offset) for it in places}
    return sum(
        waiting_bytes(directory, known.get(directory.name, START))
        for directory in workers(home / "spool")
    )


def _waiting(spool: Path, places: Sequence[SpoolPosition], of: Spending) -> int:
    known = {it.worker_id: Place(it.segment, it.offset) for it in places}
    return sum(
        line.cost_nano or 0
        for directory in workers(spool)
        for _, found in follow(directory, known.get(directory.name, START))
        if isinstance(found, Frame) and found.kind == Kind.FINISH
        for line in _finish.decode(found.payload).lines
        if _counts(line, of)
    )


def _counts(line: LedgerLine, of: Spending) -> bool:
    wanted = (
        (of.tenant_id, line.tenant_id),
        (of.feature, line.feature),
        (of.user_hash, line.user_hash),
        (of.key_id, line.key_id),
    )
    fits = all(want in (None, is_) for want, is_ in wanted)
    return fits and of.since_us <= line.ts_us < of.until_us and line.origin == Origin.LIVE


def _segments(places: Sequence[SpoolPosition]) -> set[tuple[str, int]]:
    return {(it.worker_id, it.segment) for it in places}
