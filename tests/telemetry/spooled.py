"""A spool on disk, written as a worker does."""

import os
import struct
from pathlib import Path
from zlib import crc32

import msgspec

from trimtab.domain.record import SCHEMA_VERSION, Finish
from trimtab.telemetry.frames import Kind, encode, header, segment_path

CREATED_US = 1_777_142_531_000_000


class Spooled:
    """Writes segments of one worker. State: the segment and the number of the last frame."""

    def __init__(self, home: Path, worker: str = "w1", segment: int = 1) -> None:
        self.directory = home / "spool" / worker
        self.directory.mkdir(parents=True, exist_ok=True)
        self._segment = segment
        self._seq = 0
        self.raw(header(segment, CREATED_US))

    @property
    def path(self) -> Path:
        return segment_path(self.directory, self._segment)

    def raw(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def frame(self, kind: Kind, payload: bytes) -> bytes:
        self._seq += 1
        return encode(kind, self._seq, payload)

    def finish(self, *finishes: Finish) -> None:
        for finish in finishes:
            self.raw(self.frame(Kind.FINISH, msgspec.msgpack.encode(finish)))

    def newer(self, finish: Finish) -> None:
        """Write a frame of a version to come."""
        now = self.frame(Kind.FINISH, msgspec.msgpack.encode(finish))
        self.raw(_as_version(now, SCHEMA_VERSION + 1))

    def rotate(self) -> None:
        self._segment += 1
        self.raw(header(self._segment, CREATED_US))

    def aged(self, written_s: float) -> None:
        """Say that the current segment was last written at a Unix time."""
        os.utime(self.path, (written_s, written_s))


def _as_version(frame: bytes, version: int) -> bytes:
    """Change the version of a frame, and the check sum that covers it."""
    payload = frame[24:]
    checked = frame[12:14] + struct.pack("<H", version) + frame[16:24]
    return frame[:8] + struct.pack("<I", crc32(payload, crc32(checked))) + checked + payload
