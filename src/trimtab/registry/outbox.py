"""What a subscriber is still to be told: the change log from a place on that is kept on disk.

The log is the outbox. It is told in its order, and the place moves only behind what was told: a
crash loses nothing, and has at most one event told again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.control.snapshot import Snapshot
from trimtab.domain.change import GENESIS_HASH
from trimtab.domain.errors import SettingsInvalid
from trimtab.registry.events import Event, event_of
from trimtab.store.base.control import ChangeLog
from trimtab.store.files import replace_file

PAGE = 500
MOST_WAITING = 1_000

log = logging.getLogger("trimtab")


class Mark(Struct, frozen=True):
    """A place in the log, and the hash of the change there: another log has another."""

    seq: int
    hash: str


_BEGINNING = Mark(0, GENESIS_HASH)


class Outbox:
    """Events that wait for one subscriber, oldest first.

    State: how far the log is read, told, and told on disk; what is read and not told.
    """

    def __init__(
        self, name: str, changes: ChangeLog, current: Callable[[], Snapshot], home: Path
    ) -> None:
        """Take up where the last run stopped; a new name begins with what comes next.

        Args:
            name: The subscriber.
            changes: The change log.
            current: Gives the newest snapshot; a change is told once that has it.
            home: State directory; writes `webhooks/NAME.json`.
        """
        self._name = name
        self._changes = changes
        self._current = current
        self._file = home / "webhooks" / f"{name}.json"
        self._saved = self._load()
        self._read: Mark | None = None
        self._told = _BEGINNING
        self._waiting: deque[tuple[Mark, Event]] = deque()

    def __len__(self) -> int:
        """Count what waits; behind `MOST_WAITING` no more is read."""
        return len(self._waiting)

    @property
    def first(self) -> Event:
        """What is to be told next. Something must wait."""
        return self._waiting[0][1]

    def told(self) -> None:
        """Let go of the first; the next `look` keeps that on disk, before it gives another."""
        self._told = self._waiting.popleft()[0]

    async def look(self) -> None:
        """Read on in the log, and keep on disk what was told.

        Raises:
            OSError: the place cannot be kept, so that nothing more may be told.
            TrimtabError: the log cannot be read, or is another one.
        """
        if self._read is None:
            self._read = self._told = await self._begin()
        read = await self._read_on(self._read)
        if not self._waiting:
            self._told = read
        if self._told != self._saved:
            await asyncio.to_thread(replace_file, self._file, msgspec.json.encode(self._told))
            self._saved = self._told

    async def _read_on(self, mark: Mark) -> Mark:
        snapshot = self._current()
        while mark.seq < snapshot.config_seq and len(self._waiting) < MOST_WAITING:
            page = await self._changes.changes(after=mark.seq, limit=PAGE)
            if not page or page[0].prev_hash != mark.hash:
                raise SettingsInvalid(
                    f"the change log does not go on behind {mark.seq} as it did; restore the store,"
                    " or restart to begin with what comes next"
                )
            for change in page:
                if change.seq > snapshot.config_seq:
                    break
                mark = self._read = Mark(change.seq, change.hash)
                event = event_of(change, snapshot.prompts)
                if event is not None:
                    self._waiting.append((mark, event))
        return mark

    async def _begin(self) -> Mark:
        kept = self._saved
        if kept is not None and await self._at(kept.seq) == kept:
            return kept
        newest = await self._at(await self._changes.head()) or _BEGINNING
        if kept is None:
            log.warning(
                "webhook '%s' is new; it is told what comes after change %d", self._name, newest.seq
            )
        else:
            log.error(
                "webhook '%s' was at change %d of another change log; it is told what comes after"
                " change %d of this one, so tell it by hand what it missed",
                self._name,
                kept.seq,
                newest.seq,
            )
        return newest

    async def _at(self, seq: int) -> Mark | None:
        if seq == 0:
            return _BEGINNING
        page = await self._changes.changes(after=seq - 1, limit=1)
        return Mark(page[0].seq, page[0].hash) if page else None

    def _load(self) -> Mark | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Mark)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            log.error(  # noqa: TRY400 -- where in the file helps nobody
                "'%s' is damaged, so where webhook '%s' was is not known; tell it by hand what it"
                " missed",
                self._file.name,
                self._name,
            )
            return None
