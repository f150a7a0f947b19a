"""The spool: the append-only file of one worker, and the seam between gateway and keeper.

A frame is in the page cache when `append` returns, so it survives `kill -9` of every process; a
thread brings it to the disk within 5 ms.
"""

import asyncio
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable, SettingsInvalid
from trimtab.domain.record import Note
from trimtab.store.files import sync_directory
from trimtab.telemetry.frames import (
    HEADER_BYTES,
    MAX_PAYLOAD,
    Kind,
    encode,
    header,
    segment_path,
    segments,
)

MAX_SEGMENT_BYTES = 64 << 20
GATHER_S = 0.005
NOTE_S = 60.0
MAX_WORKERS = 1000

_DAY_US = 86_400_000_000
_LOCK = "lock"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_CLAIM_TRIES, _CLAIM_RETRY_S = 3, 0.005
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone")

log = logging.getLogger("trimtab")


class Claim(NamedTuple):
    """The right to write a spool, held as long as the process lives."""

    worker_id: str
    directory: Path
    lock: int


def claim(root: Path, role: str) -> Claim:
    """Take the first spool of a role that no living process holds: `gateway-1`, `gateway-2` ...

    Raises:
        SettingsInvalid: the directory is on a network, where locks and syncs lie.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    _refuse_remote(root)
    for number in range(1, MAX_WORKERS):
        for _ in range(_CLAIM_TRIES):
            taken = _try_claim(root / f"{role}-{number}")
            if taken is not None:
                return taken
            # The keeper looks at a lock by taking it for a moment.
            time.sleep(_CLAIM_RETRY_S)
    raise SettingsInvalid(f"{MAX_WORKERS} workers run in '{root}' already; stop some")


def claim_alone(root: Path, role: str) -> Claim:
    """Take the one spool of a role of which a state directory has one process.

    Raises:
        SettingsInvalid: another process has it.
    """
    taken = claim(root, role)
    if taken.worker_id != f"{role}-1":
        os.close(taken.lock)
        raise SettingsInvalid(
            f"a {role} runs on '{root.parent}' already; stop it, or name another state directory"
        )
    return taken


def is_free(directory: Path) -> bool:
    """Whether no living process writes a spool."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


class Spool:
    """Writes the frames of one worker.

    State: the open segment and how much is in it, bytes written and bytes known to be on the disk
    since the start, who waits for the disk, and counts of what is not written.
    """

    def __init__(
        self, claimed: Claim, clock: Clock, make_room: Callable[[], bool] = lambda: False
    ) -> None:
        """Begin a new segment.

        Args:
            claimed: The right to write it.
            clock: Tells when a day ends.
            make_room: Asked where the disk is full; tells whether there is more room now.

        Raises:
            RecorderUnavailable: it cannot be written.
        """
        self.worker_id = claimed.worker_id
        self.segment = 0
        self._directory = claimed.directory
        self._lock = claimed.lock
        self._clock = clock
        self._make_room = make_room
        self._file = -1
        self._size = 0
        self._ends_us = 0
        self._seq = 0
        self._written = 0
        self._notes: dict[str, int] = {}
        self._disk = _Disk()
        self.append(Kind.START, b"\x80")

    def append(self, kind: Kind, payload: bytes) -> int:
        """Write a frame; gives the number of bytes written up to its end, for `synced`.

        Raises:
            RecorderUnavailable: it was not written; the segment is as before.
        """
        try:
            return self._append(kind, payload)
        except RecorderUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _NO_ROOM and self._make_room():
                return self._append(kind, payload)
            raise

    def _append(self, kind: Kind, payload: bytes) -> int:
        if (
            self._size > MAX_SEGMENT_BYTES
            or self._clock.now_us() >= self._ends_us
            or self._disk.failed
        ):
            self._rotate()
        self._seq += 1
        frame = encode(kind, self._seq, payload)
        if len(frame) > MAX_PAYLOAD:
            raise RecorderUnavailable("a request is too large to be remembered; send less")
        self._write(frame)
        self._size += len(frame)
        self._written += len(frame)
        self._disk.wrote(self._written)
        return self._written

    async def synced(self, offset: int) -> None:
        """Wait until everything up to an offset given by `append` is on the disk.

        Raises:
            RecorderUnavailable: the disk did not take it.
        """
        await self._disk.reached(offset)

    def note(self, reason: str) -> None:
        """Count something that gets no record of its own."""
        self._notes[reason] = self._notes.get(reason, 0) + 1

    async def run(self) -> None:
        """Write the counts down once a minute, for ever."""
        while True:
            await asyncio.sleep(NOTE_S)
            self.write_notes()

    def write_notes(self) -> None:
        """Write the counts since the last time, if there are any."""
        if not self._notes:
            return
        counts, self._notes = self._notes, {}
        log.warning("requests without a record in the last minute: %s", counts)
        note = Note(ts_us=self._clock.now_us(), counts=counts)
        try:
            self.append(Kind.NOTE, msgspec.msgpack.encode(note))
        except RecorderUnavailable:
            for reason, count in counts.items():
                self._notes[reason] = self._notes.get(reason, 0) + count

    def close(self) -> None:
        """Bring everything to the disk and give the spool up."""
        self.write_notes()
        self._disk.stop(self._file)
        os.close(self._lock)

    def _rotate(self) -> None:
        now_us = self._clock.now_us()
        known = segments(self._directory)
        # Numbers only rise, also where a spool was lost or left out of a backup: the first one is
        # the second it was made, so no reader takes a new spool for one it has read already.
        newest = known[-1] if known else now_us // 1_000_000
        segment = max(self.segment, newest) + 1
        try:
            file = _new_segment(segment_path(self._directory, segment), header(segment, now_us))
        except OSError as exc:
            raise _unavailable(exc) from exc
        self._disk.turn_to(file)
        self._file, self.segment, self._size = file, segment, HEADER_BYTES
        self._ends_us = now_us - now_us % _DAY_US + _DAY_US

    def _write(self, frame: bytes) -> None:
        try:
            written = os.write(self._file, frame)
        except OSError as exc:
            raise _unavailable(exc) from exc
        if written < len(frame):
            # Half a frame would be skipped as damage; whole frames must not follow it.
            self._ends_us = 0
            full = _full()
            raise _unavailable(full) from full


class _Disk:
    """Calls `fdatasync` at most every 5 ms, in a thread, for as long as there is something to sync.

    State: the file to sync, files of segments that ended, bytes written and synced, who waits.

    Attributes:
        failed: Whether the file lost something: what is written next belongs into another.
    """

    def __init__(self) -> None:
        self.failed = False
        self._file = -1
        self._ended: list[int] = []
        self._wrote = 0
        self._synced = 0
        self._waiting: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        self._thread.start()

    def turn_to(self, file: int) -> None:
        """Sync another file from now on, and this one a last time."""
        with self._guard:
            if self._file >= 0:
                self._ended.append(self._file)
            self._file = file
            self.failed = False

    def wrote(self, offset: int) -> None:
        """Say how much was written."""
        self._wrote = offset
        if not self._wake.is_set():
            self._wake.set()

    async def reached(self, offset: int) -> None:
        """Wait until that much is on the disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._guard:
            if self._synced >= offset:
                return
            self._waiting.append((offset, loop, done))
        self._wake.set()
        await done

    def stop(self, file: int) -> None:
        """Sync a last time and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        if file >= 0:
            os.close(file)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait()
            # Not a clock: the time in which frames gather into one sync.
            time.sleep(GATHER_S)
            self._wake.clear()
            self._sync()
        self._sync()

    def _sync(self) -> None:
        with self._guard:
            target, file = self._wrote, self._file
            ended, self._ended = self._ended, []
        try:
            for old in ended:
                os.fdatasync(old)
                os.close(old)
            if file >= 0:
                os.fdatasync(file)
        except OSError as exc:
            log.error("the spool cannot be brought to the disk (%s); look at the disk", exc)  # noqa: TRY400 -- no bug
            self._tell(target, exc)
        else:
            self._tell(target, None)

    def _tell(self, target: int, failed: OSError | None) -> None:
        with self._guard:
            self.failed = failed is not None
            self._synced = self._synced if failed else target
            due = [entry for entry in self._waiting if entry[0] <= target]
            self._waiting = [entry for entry in self._waiting if entry[0] > target]
        for _, loop, done in due:
            loop.call_soon_threadsafe(_settle, done, failed)


def _settle(done: asyncio.Future[None], failed: OSError | None) -> None:
    if done.done():
        return
    if failed is None:
        done.set_result(None)
    else:
        done.set_exception(_unavailable(failed))


def _try_claim(directory: Path) -> Claim | None:
    directory.mkdir(exist_ok=True, mode=0o700)
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Claim(directory.name, directory, lock)


def _refuse_remote(root: Path) -> None:
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return
    place = str(root.resolve())
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].replace("\\040", " ")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    if kind.startswith(_REMOTE):
        raise SettingsInvalid(
            f"'{root}' is on a network file system ({kind}), where locks and syncs cannot be"
            " trusted; choose a local disk with TRIMTAB_HOME or --home"
        )


def _new_segment(path: Path, begin: bytes) -> int:
    """Make a segment, whole or not at all: where the disk is full, none must be left behind."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        if os.write(file, begin) < len(begin):
            raise _full()
        sync_directory(path.parent)
    except OSError:
        os.close(file)
        path.unlink()
        raise
    return file


def _full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unavailable(exc: OSError) -> RecorderUnavailable:
    return RecorderUnavailable(
        f"the spool cannot be written ({exc.strerror}); make room on its disk", wait_s=1.0
    )
