"""The ladder of backpressure: what is left out first when there is no room or time for all of it.

    level  when                                  what stops
    0      normal                                nothing
    1      the recorder is 30 s or 512 MiB late  derived work: judging, the search index
    2      an exporter is down                   its spans wait in the spool, at most 24 h
    3      the disk is over 85 % full            the middle of long content of ordinary requests
    4      the disk is over 95 % full, or full   content; the reserve is given up
    5      the spool cannot be written           requests of tenants that want all recorded

Ids, usage and cost are what never stops. A level is entered at once, and left when its cause has
been gone for a minute. A large disk is not short of room at 85 %: there must be less than 8 GiB
free for level 3, and less than 2 GiB for level 4.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

from trimtab.domain.clock import Clock

CALM_S = 60.0
LOOK_S = 1.0
LATE_S, LATE_BYTES = 30.0, 512 << 20
CUT_SHARE, CUT_BYTES = 0.85, 8 << 30
BARE_SHARE, BARE_BYTES = 0.95, 2 << 30
RESERVE_BYTES, RESERVE_SHARE = 64 << 20, 1 / 16

log = logging.getLogger("trimtab")


class Level(IntEnum):
    """How much is left out."""

    NORMAL = 0
    LATE = 1
    EXPORTER_DOWN = 2
    CUT = 3
    BARE = 4
    BLIND = 5


TOLD: Mapping[Level, str] = {
    Level.NORMAL: "everything is kept",
    Level.LATE: "the recorder is late; judging and the search index wait",
    Level.EXPORTER_DOWN: "an exporter is down; its spans wait in the spool",
    Level.CUT: "the disk fills up; long content is cut, make room",
    Level.BARE: "the disk is nearly full; content is not kept, make room",
    Level.BLIND: "the disk is full; requests cannot be recorded, make room now",
}
"""What each level means to people, and what to do."""


class Ladder:
    """The level of one process.

    State: when the cause of each level was seen last.

    Attributes:
        level: The highest whose cause is there, or went less than a minute ago.
    """

    def __init__(self, process: str, clock: Clock) -> None:
        self.level = Level.NORMAL
        self._process = process
        self._clock = clock
        self._seen_s: dict[Level, float] = {}

    def saw(self, cause: Level) -> None:
        """Say what the cause of a level is there now; `NORMAL` says that none is."""
        now_s = self._clock.monotonic_s()
        self._seen_s[cause] = now_s
        level = max(it for it, seen_s in self._seen_s.items() if now_s - seen_s < CALM_S)
        if level is not self.level:
            log.warning(
                "backpressure of '%s' goes from %d to %d: %s",
                self._process,
                self.level,
                level,
                TOLD[level],
            )
            self.level = level


class Room:
    """Watches the room for a spool, and keeps some of it in reserve. State: whether it is there."""

    def __init__(self, directory: Path, ladder: Ladder) -> None:
        self._directory = directory
        self._reserve = directory / "reserve"
        self._ladder = ladder

    def make(self) -> bool:
        """Give up the reserve, for a frame did not fit; tells whether there was any."""
        self._ladder.saw(Level.BARE)
        try:
            self._reserve.unlink()
        except OSError:
            self._ladder.saw(Level.BLIND)
            return False
        return True

    def look(self) -> None:
        """See how full the disk is; where there is room, put the reserve back."""
        found = os.statvfs(self._directory)
        used, free = found.f_blocks - found.f_bfree, found.f_bavail
        share, free_bytes = used / max(1, used + free), free * found.f_frsize
        if share > BARE_SHARE and free_bytes < BARE_BYTES:
            self._ladder.saw(Level.BARE)
        elif share > CUT_SHARE and free_bytes < CUT_BYTES:
            self._ladder.saw(Level.CUT)
        else:
            self._ladder.saw(Level.NORMAL)
            self._keep_reserve(round(found.f_blocks * found.f_frsize * RESERVE_SHARE))

    async def run(self) -> None:
        """Look once a second, for ever."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)

    def _keep_reserve(self, most_bytes: int) -> None:
        if self._reserve.exists():
            return
        file = os.open(self._reserve, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(file, 0, min(RESERVE_BYTES, most_bytes))
        except OSError:
            self._reserve.unlink()
        finally:
            os.close(file)
