"""Carrying erasures out: what the change log orders, on this host, until nothing of it is left.

Workers first forget what they wrote, the recorder then passes what is in the spool, and only then
records, content and files are gone through. How far it is lies in a file, and the last thing that
is written is that it is done: who dies in between begins again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.control.erasures import Erasures, Ordered
from trimtab.domain.clock import Clock
from trimtab.domain.erasure import Erasure, ErasureScope, Receipt, Sent
from trimtab.domain.record import Finish, RequestRecord
from trimtab.evals.adding import CASE_ID, case_id_of
from trimtab.jobs.message import instant
from trimtab.store.base.keeper import KeeperStore
from trimtab.store.base.reading import Cursor
from trimtab.store.files import replace_file
from trimtab.store.rollup import DAY_US
from trimtab.telemetry.erasing import blank, clear_aside
from trimtab.telemetry.follow import Place, ends

LOOK_S = 0.5
WAIT_S = 30.0
POLL_S = 0.05
SAVE_S = 1.0
LATEST_US = 7 * DAY_US
"""How long after the order an outcome may still wait in a spool for its store."""

log = logging.getLogger("trimtab")


class _Progress(Struct):
    """What was done so far; saved each second, so the numbers of who dies are short by a second."""

    started_us: int
    deleted: dict[str, int] = {}
    lines: int = 0
    cases: set[str] = set()
    remarks: list[str] = []


@dataclass(slots=True)
class Erasing:
    """Carries erasures out. State: what was ordered, and outcomes that may have come too late.

    Attributes:
        acknowledged: Tells what the living workers run.
        passed: Tells whether everything before some places of spools was read by all who store it.
        exporters: Names of where spans are sent.
        remarks: What every receipt is to say.
    """

    home: Path
    erasures: Erasures
    store: KeeperStore
    clock: Clock
    acknowledged: Callable[[], Awaitable[Iterable[int]]]
    passed: Callable[[Mapping[str, Place]], bool]
    exporters: Sequence[str] = ()
    remarks: Sequence[str] = ()
    _tombstones: "_Tombstones" = field(init=False)
    _late: list[RequestRecord] = field(default_factory=list[RequestRecord], init=False)

    def __post_init__(self) -> None:
        self._tombstones = _Tombstones(())

    def offer(self, finishes: Sequence[Finish]) -> None:
        """Hear of outcomes that were stored; those of something erased before are to go, too."""
        if self._tombstones:
            self._late += [
                it.record
                for it in finishes
                if it.record.origin_request_id or self._tombstones.cover(it.record)
            ]

    async def restore(self) -> None:
        """Erase anew what a restored backup brought back; before anybody is served.

        So is what was stored behind an erasure by a keeper that died before it saw to that.

        Raises:
            TryLater: a store is away.
        """
        orders = await self.erasures.listed()
        self._tombstones = _Tombstones(it.erasure for it in orders)
        done = await self.store.carried_out() if orders else ()
        for ordered in orders:
            if ordered.id not in done:
                await self._strike(ordered.erasure, _Progress(self.clock.now_us()))
            elif await self._was_overtaken(ordered):
                await self._strike(ordered.erasure, _Progress(self.clock.now_us()))
                await self._blank()
                await self.store.shred()

    async def step(self) -> None:
        """Carry out what is ordered and not done, oldest first.

        Raises:
            TryLater: a store is away; it goes on later.
            OSError: a file cannot be used.
        """
        orders = await self.erasures.listed()
        if not orders:
            return
        self._tombstones = _Tombstones(it.erasure for it in orders)
        done = await self.store.carried_out()
        for ordered in reversed(orders):
            if ordered.id not in done:
                await self._carry_out(ordered)
        late, self._late = self._late, []
        if late:
            await self._catch_up(late)

    async def _carry_out(self, ordered: Ordered) -> None:
        file = self.home / "erasing" / f"{ordered.id}.json"
        progress = self._progress(file)
        await self._settled(ordered, progress)
        await self._strike(ordered.erasure, progress, file)
        scope = ordered.erasure.scope
        frames = await self._blank()
        aside = await clear_aside(self.home, _words(scope), self.store.erased)
        counted = Counter(progress.deleted) + Counter(spool_frames=frames, files_aside=aside)
        progress.deleted = dict(counted)
        progress.remarks += await self.store.shred()
        now_us = self.clock.now_us()
        _, held = await self.store.count(ordered.erasure, now_us=now_us)
        if ordered.receipt is None:
            await self.erasures.give_receipt(self._receipt(ordered, progress, held))
        await self.store.carry_out(ordered.id, done_us=now_us, held=held)
        file.unlink(missing_ok=True)
        log.warning("erasure '%s' is carried out: %s", ordered.id, dict(progress.deleted))

    async def _settled(self, ordered: Ordered, progress: _Progress) -> None:
        """Wait until workers write all content anew, and what they wrote before is stored."""
        end_s = self.clock.monotonic_s() + WAIT_S

        async def wait(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
            while not await is_so():
                if self.clock.monotonic_s() > end_s:
                    progress.remarks.append(what)
                    return
                await asyncio.sleep(POLL_S)

        async def told() -> bool:
            return all(seq >= ordered.change.seq for seq in await self.acknowledged())

        await wait(told, "a worker did not say that it knows of the erasure")
        places = ends(self.home / "spool")

        async def stored() -> bool:
            return self.passed(places)

        await wait(stored, "what is still in a spool is erased when it is stored")

    async def _strike(
        self, erasure: Erasure, progress: _Progress, file: Path | None = None
    ) -> None:
        """Go through the records of a scope."""
        suspects = _suspects(self.home)
        after: Cursor | None = None
        saved_s = self.clock.monotonic_s()
        counted = Counter(progress.deleted)
        while True:
            now_us = self.clock.now_us()
            found = await self.store.erase(erasure, now_us=now_us, after=after)
            counted.update(found.deleted)
            progress.deleted = dict(counted)
            progress.lines += found.lines
            progress.cases |= suspects & {case_id_of(it) for it in found.request_ids}
            after = found.place
            if file is not None and self.clock.monotonic_s() > saved_s + SAVE_S:
                await asyncio.to_thread(replace_file, file, msgspec.json.encode(progress))
                saved_s = self.clock.monotonic_s()
            if after is None:
                return

    async def _was_overtaken(self, ordered: Ordered) -> bool:
        """Whether something of an erasure was stored after it was carried out."""
        now_us = self.clock.now_us()
        if ordered.change.ts_us + LATEST_US < now_us:
            return False
        n, held = await self.store.count(ordered.erasure, now_us=now_us)
        return n > held

    async def _catch_up(self, late: Sequence[RequestRecord]) -> None:
        """Erase what was under way when its erasure was carried out, or is read once more."""
        gone = await self.store.erased({it.origin_request_id or "" for it in late})
        victims = [it for it in late if it.origin_request_id in gone or self._tombstones.cover(it)]
        now_us = self.clock.now_us()
        for it in victims:
            one = Erasure(scope=ErasureScope(request_id=it.request_id), until_us=now_us)
            await self._strike(one, _Progress(now_us))
        if victims:
            await self._blank()
            await self.store.shred()

    async def _blank(self) -> int:
        spool, store = self.home / "spool", self.store
        return await blank(spool, store.erased, store.told, self.passed)

    def _progress(self, file: Path) -> _Progress:
        try:
            progress = msgspec.json.decode(file.read_bytes(), type=_Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return _Progress(self.clock.now_us())
        progress.remarks.append("it was cut short once: numbers may be short by a second's work")
        return progress

    def _receipt(self, ordered: Ordered, progress: _Progress, held: int) -> Receipt:
        change = ordered.change
        traces = progress.deleted.get("records_scrubbed", 0)
        return Receipt(
            receipt=ordered.id,
            scope=ordered.erasure.scope,
            requested_by=change.author,
            reason=change.reason,
            started=instant(progress.started_us),
            finished=instant(self.clock.now_us()),
            deleted=progress.deleted,
            kept={"ledger_lines": progress.lines, "legal_hold": held},
            by_hand={"dataset_cases": tuple(sorted(progress.cases))},
            sent_elsewhere=tuple(Sent(exporter=it, traces=traces) for it in self.exporters),
            remarks=tuple(dict.fromkeys((*progress.remarks, *self.remarks))),
            config_seq=change.seq,
            change_hash=change.hash,
        )


class _Tombstones:
    """Tells whether a record should be gone: one look-up for each way to be named."""

    def __init__(self, erasures: Iterable[Erasure]) -> None:
        self._until_us: dict[ErasureScope, int] = {}
        for it in erasures:
            self._until_us[it.scope] = max(it.until_us, self._until_us.get(it.scope, 0))

    def __bool__(self) -> bool:
        return bool(self._until_us)

    def cover(self, record: RequestRecord) -> bool:
        """Whether an erasure takes a record."""
        tenant, user = record.tenant_id, record.user_hash or ""
        scopes = [ErasureScope(tenant_id=tenant), ErasureScope(request_id=record.request_id)]
        if user:
            scopes += [ErasureScope(user_hash=user), ErasureScope(tenant_id=tenant, user_hash=user)]
        return any(record.ts_us <= self._until_us.get(scope, 0) for scope in scopes)


def _words(scope: ErasureScope) -> Collection[bytes]:
    """Give what names a scope in a frame that was never stored."""
    return [scope.title.encode()]


def _suspects(home: Path) -> frozenset[str]:
    """Name the cases of stored runs and their labels that are made of requests."""
    found = set[str]()
    for path in (home / "evals").rglob("*.json*"):
        found.update(it.decode() for it in CASE_ID.findall(path.read_bytes()))
    return frozenset(found)
