"""What a run has done, line by line as it is done: a run that died goes on from there.

A file of JSON lines, `<run>.jsonl`: who runs what, then each answer, each score, and each call of
a judge that was paid for. A line is one write, and the disk has it within a second.
"""

import asyncio
import fcntl
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.metrics.base import Score
from trimtab.evals.result import Arm, Sample, Subject

SUFFIX = ".jsonl"
SYNC_S = 1.0


class Head(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run"):
    """The first line: all that must be the same when the run goes on.

    Attributes:
        file: The manifest.
        unpaired: Cases that changed since the answers of the baseline were given.
    """

    run_id: str
    file: str
    suite_hash: str
    candidate: Subject
    baseline: Subject | None = None
    started_us: int = 0
    unpaired: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Answered(Struct, frozen=True, tag="answer"):
    """An answer, or why there is none; without scores."""

    sample: Sample


class Scored(Struct, frozen=True, kw_only=True, tag="score"):
    """What one metric says about one answer."""

    case: str
    arm: Arm
    index: int
    metric: str
    score: Score


class Judged(Struct, frozen=True, tag="judged"):
    """A call of a judge, and what it cost."""

    cost_nano: int | None = None


Line = Head | Answered | Scored | Judged
_decoder = msgspec.json.Decoder(Line)


class Journal:
    """The journal of one run, which nobody else may write while this is open.

    State: the open file, and whether the disk still lacks a line.

    Raises:
        SettingsInvalid: the run goes on elsewhere.
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self.path = folder / f"{run_id}{SUFFIX}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(self._file)
            raise SettingsInvalid(f"run '{run_id}' is going on elsewhere; wait for it") from exc
        self._syncing: asyncio.TimerHandle | None = None

    def lines(self) -> tuple[Line, ...]:
        """Read all lines; one that was cut short by the end of its writer is cut off.

        Raises:
            SettingsInvalid: another is no line of a journal.
        """
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, whole)
        try:
            return tuple(map(_decoder.decode, data[:whole].splitlines()))
        except msgspec.DecodeError as exc:
            raise SettingsInvalid(
                f"'{self.path}' is no journal of this version ({exc}); run the suite anew"
            ) from exc

    def append(self, line: Line) -> None:
        """Write a line."""
        os.write(self._file, msgspec.json.encode(line) + b"\n")
        if self._syncing is None:
            loop = asyncio.get_running_loop()
            self._syncing = loop.call_later(SYNC_S, self._sync, loop)

    def close(self) -> None:
        """Let the disk have all lines, and others the run. Safe twice."""
        if self._syncing is not None:
            self._syncing.cancel()
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Forget a run that is kept elsewhere."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        self._syncing = None
        # A file of its own: this one may be closed meanwhile.
        loop.run_in_executor(None, _sync, os.dup(self._file))


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    finally:
        os.close(file)
