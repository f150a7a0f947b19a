"""What was spent before, as this host knows it: its ledger, and what its workers wrote since."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from trimtab import wiring
from trimtab.domain.errors import LimitsUnavailable, TryLater
from trimtab.domain.record import Begin, Finish, LedgerLine
from trimtab.pipeline.fund import Spent
from trimtab.store.base.limits import Already, Spending
from trimtab.store.base.recording import InLedger, SpoolPosition
from trimtab.telemetry.follow import START, Place, follow, waiting_bytes, workers
from trimtab.telemetry.frames import Frame, Kind

TRIES, RETRY_S = 5, 0.1
MOST_AT_ONCE = 50

_begin = msgspec.msgpack.Decoder(Begin)
_finish = msgspec.msgpack.Decoder(Finish)


def spent(home: Path) -> Spent:
    """Sum up what the lines of a budget cost: those in the ledger, and those on their way there."""
    books = Books(home)

    async def told(of: Spending) -> Already:
        (found,) = await books.already([of])
        return found

    return told


class Books:
    """What the records of a host say counts against budgets. State: the open store."""

    def __init__(self, home: Path) -> None:
        self._reading = wiring.records(home)
        self._spool = home / "spool"

    async def already(self, budgets: Sequence[Spending]) -> list[Already]:
        """Sum up the lines of budgets and what runs against them, as of after the call began.

        Raises:
            LimitsUnavailable: the ledger cannot be read.
        """
        found: list[Already] = []
        for start in range(0, len(budgets), MOST_AT_ONCE):
            found += await self._patiently(budgets[start : start + MOST_AT_ONCE])
        return found

    async def ended(self, request_ids: Iterable[str]) -> set[str]:
        """Tell which requests are in the ledger. Raises `TryLater`."""
        asked = list(request_ids)
        return await self._reading.ended(asked) if asked and self._reading.exists else set()

    async def _patiently(self, budgets: Sequence[Spending]) -> list[Already]:
        for _ in range(TRIES):
            try:
                return await self._look(budgets)
            except (TryLater, OSError):
                # At the very first start the keeper is just making it.
                await asyncio.sleep(RETRY_S)
        raise LimitsUnavailable(
            "the ledger that a budget begins at cannot be read; try again, or see that the disk of"
            " the state directory, or the Postgres of `gateway.records`, is well",
            wait_s=1.0,
        )

    async def _look(self, budgets: Sequence[Spending]) -> list[Already]:
        ledger, waiting = InLedger(), _Waiting()
        for _ in range(TRIES):
            ledger = await self._stored(budgets)
            waiting = await asyncio.to_thread(_waiting, self._spool, ledger)
            after = await self._stored(())
            # A segment that was read to its end meanwhile may have been removed under our eyes.
            if _segments(ledger.places) == _segments(after.places):
                break
        sums = ledger.sums or ((0, 0),) * len(budgets)
        return [_already(of, it, waiting) for of, it in zip(budgets, sums, strict=True)]

    async def _stored(self, budgets: Sequence[Spending]) -> InLedger:
        return await self._reading.spent(budgets) if self._reading.exists else InLedger()


async def unstored_bytes(home: Path) -> int:
    """Count what workers wrote that is not in the ledger yet. Raises `TryLater`."""
    reading = wiring.records(home)
    places = await reading.positions() if reading.exists else ()
    known = {it.worker_id: Place(it.segment, it.offset) for it in places}
    return sum(
        waiting_bytes(directory, known.get(directory.name, START))
        for directory in workers(home / "spool")
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What is under way, and lines that the keeper has not stored yet. State: filled in reading."""

    lines: list[LedgerLine] = field(default_factory=list[LedgerLine])
    open: dict[str, Begin] = field(default_factory=dict[str, Begin])


def _waiting(spool: Path, ledger: InLedger) -> _Waiting:
    known = {it.worker_id: Place(it.segment, it.offset) for it in ledger.places}
    found, ended = _Waiting(), set[str]()
    for begin in ledger.opened:
        found.open[begin.request_id] = begin
    for directory in workers(spool):
        for _, frame in follow(directory, known.get(directory.name, START)):
            if not isinstance(frame, Frame):
                continue
            if frame.kind == Kind.BEGIN:
                begin = _begin.decode(frame.payload)
                found.open[begin.request_id] = begin
            elif frame.kind == Kind.FINISH:
                finish = _finish.decode(frame.payload)
                found.lines.extend(finish.lines)
                ended.add(finish.record.request_id)
    for request_id in ended:
        # The keeper ends, in a spool of its own, what a dead worker began.
        found.open.pop(request_id, None)
    return found


def _already(of: Spending, stored: tuple[int, int], waiting: _Waiting) -> Already:
    nano, unpriced = stored
    lines = [it for it in waiting.lines if _counts(it, of)]
    return Already(
        spent=nano + sum(it.cost_nano or 0 for it in lines),
        held={it.request_id: it.held_nano for it in waiting.open.values() if _runs(it, of)},
        unpriced=unpriced + sum(it.cost_nano is None for it in lines),
    )


def _counts(line: LedgerLine, of: Spending) -> bool:
    wanted = (
        (of.tenant_id, line.tenant_id),
        (of.feature, line.feature),
        (of.user_hash, line.user_hash),
        (of.key_id, line.key_id),
        (of.origin, line.origin),
    )
    fits = all(want in (None, is_) for want, is_ in wanted)
    return fits and of.since_us <= line.ts_us < of.until_us


def _runs(begin: Begin, of: Spending) -> bool:
    # Whose end user it is, only the end tells.
    wanted = (
        (of.tenant_id, begin.tenant_id),
        (of.feature, begin.feature),
        (of.user_hash, None),
        (of.key_id, begin.key_id),
        (of.origin, begin.origin),
    )
    fits = all(want in (None, is_) for want, is_ in wanted)
    return fits and of.since_us <= begin.ts_us < of.until_us


def _segments(places: Sequence[SpoolPosition]) -> set[tuple[str, int]]:
    return {(it.worker_id, it.segment) for it in places}
