"""Puts a line for every request, and what is said of it later, into a file of the day, once each.

It reads the spool itself, so it needs no store. What is saved is how far it read *and* how long
the file then was; after a crash the file is cut back to that length.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from trimtab.domain.annotation import Annotated
from trimtab.domain.clock import Clock
from trimtab.domain.record import Finish
from trimtab.store.files import replace_file
from trimtab.telemetry.follow import START, Place, follow, workers
from trimtab.telemetry.frames import Frame, Kind
from trimtab.telemetry.log_line import annotation_line, day_of, log_line

MAX_LINES = 1000
POLL_S = 0.1

_finish = msgspec.msgpack.Decoder(Finish)
_annotated = msgspec.msgpack.Decoder(Annotated)

log = logging.getLogger("trimtab")


class _Saved(Struct, frozen=True, kw_only=True):
    """How far each spool was read, and how long the newest file then was."""

    places: dict[str, Place]
    file: str
    length: int


class LogFile:
    """Writes log lines. State: what is saved."""

    def __init__(self, home: Path, clock: Clock, *, copy: BinaryIO | None = None) -> None:
        """Take up where the last run stopped.

        Args:
            home: State directory; reads `spool/`, writes `log/requests-YYYYMMDD.jsonl`.
            clock: Tells which day it is.
            copy: Gets every line too; after a crash perhaps twice.
        """
        self._spool = home / "spool"
        self._directory = home / "log"
        self._state = home / "log" / "position.json"
        self._clock = clock
        self._copy = copy
        self._saved = _load(self._state)
        self._cut_back()

    def passed(self, ends: Mapping[str, Place]) -> bool:
        """Whether everything before some places has its lines."""
        return all(self._saved.places.get(worker, START) >= end for worker, end in ends.items())

    def needed(self, worker_id: str) -> int:
        """Give the oldest segment of a worker that is still to be read; older ones may go."""
        return self._saved.places.get(worker_id, START).segment

    async def run(self) -> None:
        """Write for ever."""
        while True:
            try:
                written = await asyncio.to_thread(self.step)
            except OSError as exc:
                log.warning("the log file cannot be written (%s); make room", exc.strerror)
                self._cut_back()
                written = 0
            if not written:
                await asyncio.sleep(POLL_S)

    def step(self) -> int:
        """Write the lines that wait, at most 1,000; gives their number. Raises `OSError`."""
        lines: list[bytes] = []
        places = dict(self._saved.places)
        for directory in workers(self._spool):
            for place, found in follow(directory, places.get(directory.name, START)):
                places[directory.name] = place
                if isinstance(found, Frame):
                    lines.extend(_line(found))
                if len(lines) >= MAX_LINES:
                    break
        if places != self._saved.places:
            self._write(b"".join(lines), places)
        return len(lines)

    def _write(self, text: bytes, places: dict[str, Place]) -> None:
        name = f"requests-{day_of(self._clock.now_us())}.jsonl"
        if name != self._saved.file:
            path = self._directory / name
            length = path.stat().st_size if path.exists() else 0
            self._save(_Saved(places=self._saved.places, file=name, length=length))
        with (self._directory / name).open("ab") as file:
            file.write(text)
            file.flush()
            # What is saved next counts on it.
            os.fsync(file.fileno())
        self._copied(text)
        length = self._saved.length + len(text)
        self._save(_Saved(places=places, file=name, length=length))

    def _copied(self, text: bytes) -> None:
        if self._copy is None:
            return
        try:
            self._copy.write(text)
            self._copy.flush()
        except OSError as exc:
            # Whoever listens is gone; the file must not wait for them.
            log.warning("log lines cannot be copied (%s); they are in the file", exc.strerror)

    def _save(self, saved: _Saved) -> None:
        replace_file(self._state, msgspec.json.encode(saved))
        self._saved = saved

    def _cut_back(self) -> None:
        path = self._directory / self._saved.file
        if self._saved.file and path.exists() and path.stat().st_size > self._saved.length:
            with path.open("r+b") as file:
                file.truncate(self._saved.length)


def _line(frame: Frame) -> list[bytes]:
    try:
        match frame.kind:
            case Kind.FINISH:
                return [log_line(_finish.decode(frame.payload))]
            case Kind.ANNOTATION:
                return [annotation_line(_annotated.decode(frame.payload))]
            case _:
                return []
    except ValueError:
        log.error("frame %d of the spool holds no record; its line is left out", frame.seq)  # noqa: TRY400 -- no bug
        return []


def _load(path: Path) -> _Saved:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Saved)
    except (FileNotFoundError, msgspec.DecodeError):
        return _Saved(places={}, file="", length=0)
