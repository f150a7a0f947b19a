"""How a process learns of changes: one cheap question, asked when told and at least each second.

The snapshot is swapped whole. When the store is away, or what it says does not continue what is
known, the last good snapshot stays; it is on disk too, so that a restart does not lose it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from trimtab.control.saved import Saved, read, saved, write
from trimtab.control.snapshot import Snapshot, State, build, fold
from trimtab.domain.change import Change
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ControlUnavailable, SchemaTooNew, SettingsInvalid, TrimtabError
from trimtab.store.base.control import Acknowledgement, Acknowledgements, ChangeLog
from trimtab.store.chain import follows

POLL_S = 0.1
SEEN_POLLS = 80
MAX_STALE_S = 30.0
RENEW_S = 0.05
PAGE = 10_000

log = logging.getLogger("trimtab")


class Follower:
    """Keeps the newest good snapshot of the change log.

    State: the snapshot, the state and newest change it was built from, when the store last said
    that nothing is newer, what was acknowledged and saved, and why the store could not be followed,
    if so.
    """

    def __init__(
        self,
        changes: ChangeLog,
        acknowledgements: Acknowledgements,
        clock: Clock,
        *,
        worker_id: str,
        file: Path | None = None,
    ) -> None:
        """Begin without a snapshot.

        Args:
            changes: The change log to follow.
            acknowledgements: Where this process says what it runs.
            clock: Stamps acknowledgements.
            worker_id: Name of this process there.
            file: Where the last good state is kept; `None` keeps none.
        """
        self.current = Snapshot()
        self.problem: TrimtabError | None = None
        self._changes = changes
        self._acknowledgements = acknowledgements
        self._clock = clock
        self._worker_id = worker_id
        self._file = file
        self._callbacks: list[Callable[[Snapshot], None]] = []
        self._state: State = {}
        self._head: Change | None = None
        self._acknowledged = -1
        self._good_s = clock.monotonic_s()

    def on_change(self, callback: Callable[[Snapshot], None]) -> None:
        """Call back with every new snapshot, before any request runs under it."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Get the first snapshot: from the store, else from disk.

        Raises:
            SchemaTooNew: the store is there, and of a newer program: what is on disk is old.
            TrimtabError: the store is away and there is no good file; why it is away.
        """
        try:
            await self._follow()
        except SchemaTooNew:
            raise
        except TrimtabError as exc:
            kept = None if self._file is None else await asyncio.to_thread(read, self._file)
            if kept is None:
                if self._file is not None and self._file.exists():
                    log.warning("the last good state in '%s' is damaged, and not used", self._file)
                raise
            self._swap(kept.head, kept.state())
            self._fall_behind(exc)
        await self._acknowledge()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self._changes.moved()
            await self.poll()

    @property
    def is_stale(self) -> bool:
        """Whether what it runs may be older than half a minute: it slept, or the store is away."""
        return self._clock.monotonic_s() - self._good_s > MAX_STALE_S

    async def renew(self) -> None:
        """Look once if this process slept, before anything is decided by what it knew; briefly."""
        if not self.is_stale or self.problem is not None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENEW_S):
                await self.poll()

    async def seen(self, seq: int) -> None:
        """Wait until a change that is in the store is in the snapshot.

        Raises:
            ControlUnavailable: it did not come, for the store cannot be followed.
        """
        for _ in range(SEEN_POLLS):
            if self.current.config_seq >= seq:
                return
            await asyncio.sleep(POLL_S / 4)
        raise ControlUnavailable(
            f"change {seq} has not reached this worker yet; try again", wait_s=1.0
        )

    async def poll(self) -> bool:
        """Look once; tells whether there is a new snapshot. Never raises `TrimtabError`."""
        try:
            moved = await self._follow()
        except TrimtabError as exc:
            self._fall_behind(exc)
            return False
        if self.problem is not None:
            log.info("the control store is back at change %d", self.current.config_seq)
            self.problem = None
        await self._acknowledge()
        return moved

    async def _follow(self) -> bool:
        newest = await self._changes.head()
        known = self._head.seq if self._head is not None else 0
        if newest < known:
            raise SettingsInvalid(
                f"the change log ends at {newest} and was at {known} before; restore the store, or"
                " restart to run what it says now"
            )
        if newest == known:
            if self.problem is not None:
                await self._recognise()
            self._good_s = self._clock.monotonic_s()
            return False
        state, head = self._state, self._head
        while page := await self._changes.changes(after=known, limit=PAGE):
            for change in page:
                if not follows(change, head):
                    raise SettingsInvalid(
                        f"change {change.seq} does not continue the log as known; look at"
                        " `trimtab changes verify`"
                    )
                head = change
            state, known = _folded(state, page), page[-1].seq
        self._swap(head, state)
        self._good_s = self._clock.monotonic_s()
        await self._save()
        return True

    async def _recognise(self) -> None:
        """See that a log of the length we know is the one we know, and not one put in its place."""
        if self._head is not None:
            page = await self._changes.changes(after=self._head.seq - 1, limit=1)
            if page != (self._head,):
                raise SettingsInvalid(
                    f"change {self._head.seq} is not the one this worker runs; restore the store,"
                    " or restart to run what it says now"
                )

    def _swap(self, head: Change | None, state: State) -> None:
        snapshot = build(head.seq if head is not None else 0, state)
        self._head, self._state, self.current = head, state, snapshot
        for callback in self._callbacks:
            callback(snapshot)

    async def _save(self) -> None:
        if self._file is None:
            return
        what: Saved = saved(self._head, self._state)
        try:
            await asyncio.to_thread(write, self._file, what)
        except OSError as exc:
            log.warning("the last good state cannot be kept in '%s' (%s)", self._file, exc.strerror)

    async def _acknowledge(self) -> None:
        seq = self.current.config_seq
        if seq == self._acknowledged:
            return
        ack = Acknowledgement(worker_id=self._worker_id, config_seq=seq, ts_us=self._clock.now_us())
        try:
            await self._acknowledgements.acknowledge(ack)
        except TrimtabError as exc:
            self._fall_behind(exc)
        else:
            self._acknowledged = seq

    def _fall_behind(self, exc: TrimtabError) -> None:
        if self.problem is None:
            seq = self.current.config_seq
            log.warning("the control store cannot be followed (%s); staying at change %d", exc, seq)
        self.problem = exc


def _folded(state: State, page: tuple[Change, ...]) -> State:
    try:
        return fold(state, page)
    except msgspec.DecodeError as exc:
        raise SettingsInvalid(
            f"the change log holds a value this program cannot read ({exc}); upgrade it"
        ) from exc
