"""Frames of the spool: their bytes, and reading them back after any accident.

    segment   <= 64 MiB, header of 64 bytes, then frames
    header    "TTSPOOL1" | u16 format | u16 flags | u64 segment | u64 created_us | padding
    frame     "TTFR" | u32 length | u32 crc32(kind..payload) | u8 kind | u8 flags | u16 schema
              | u64 seq | payload

Little endian. A payload is the msgpack map of a struct of `domain.record`. It never holds "TTFR":
in one that holds "TTF", a zero byte is put behind each, and a flag says so. What people write can
thus not pass for a frame when the frame around it is torn or read in part.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from trimtab.domain.record import SCHEMA_VERSION

MAGIC = b"TTFR"
SEGMENT_MAGIC = b"TTSPOOL1"
HEADER_BYTES = 64
FRAME_BYTES = 24
MAX_PAYLOAD = 40 << 20
SUFFIX = ".spool"

_STEM, _STUFFED, _IS_STUFFED = MAGIC[:3], MAGIC[:3] + b"\0", 1
_FRAME = struct.Struct("<4sIIBBHQ")
_CHECKED = struct.Struct("<BBHQ")
_HEADER = struct.Struct("<8sHHQQ")


class Kind(IntEnum):
    """What a frame holds."""

    BEGIN = 1
    CHECKPOINT = 2
    FINISH = 3
    ANNOTATION = 5
    SPANS = 6
    NOTE = 7
    START = 8
    """A process takes the spool over: what the one before it began will not finish."""
    REHYDRATED = 9
    """A finish whose trace was dropped, for exporters: its request is stored already."""
    RELEASED = 11
    """Spans of applications with what was decided of their trace, for exporters."""


class Frame(NamedTuple):
    """One frame; `end` is the offset behind it."""

    kind: int
    schema: int
    seq: int
    payload: bytes
    end: int


class Damage(NamedTuple):
    """Bytes that are no frame, between good frames or at the end of a segment.

    Attributes:
        at_end: Whether nothing good follows: the worker is writing, or died while it did.
    """

    start: int
    end: int
    at_end: bool


def encode(kind: Kind, seq: int, payload: bytes) -> bytes:
    """Write a frame."""
    flags = 0
    if _STEM in payload:
        flags, payload = _IS_STUFFED, payload.replace(_STEM, _STUFFED)
    checked = _CHECKED.pack(kind, flags, SCHEMA_VERSION, seq)
    check = crc32(payload, crc32(checked))
    return _FRAME.pack(MAGIC, len(payload), check, kind, flags, SCHEMA_VERSION, seq) + payload


def header(segment: int, created_us: int) -> bytes:
    """Write the header of a segment."""
    return _HEADER.pack(SEGMENT_MAGIC, 1, 0, segment, created_us).ljust(HEADER_BYTES, b"\0")


def segment_path(directory: Path, segment: int) -> Path:
    """Name a segment's file."""
    return directory / f"{segment:012d}{SUFFIX}"


def segments(directory: Path) -> list[int]:
    """List the segments of a worker, oldest first."""
    stems = (path.stem for path in directory.glob(f"*{SUFFIX}"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def read(data: bytes, start: int) -> Iterator[Frame | Damage]:
    """Read the frames of a segment's bytes from an offset on. Never raises, never invents."""
    offset = start
    while offset < len(data):
        frame = _frame_at(data, offset)
        if frame is not None:
            yield frame
            offset = frame.end
            continue
        following = _next_good(data, offset + 1)
        yield Damage(offset, following or len(data), at_end=following is None)
        if following is None:
            return
        offset = following


def _next_good(data: bytes, start: int) -> int | None:
    found = data.find(MAGIC, start)
    while found >= 0:
        if _frame_at(data, found) is not None:
            return found
        found = data.find(MAGIC, found + 1)
    return None


def _frame_at(data: bytes, offset: int) -> Frame | None:
    if len(data) < offset + FRAME_BYTES:
        return None
    magic, length, check, kind, flags, schema, seq = _FRAME.unpack_from(data, offset)
    start = offset + FRAME_BYTES
    end = start + length
    if magic != MAGIC or length > MAX_PAYLOAD or end > len(data):
        return None
    payload = data[start:end]
    if crc32(payload, crc32(_CHECKED.pack(kind, flags, schema, seq))) != check:
        return None
    if flags & _IS_STUFFED:
        payload = payload.replace(_STUFFED, _STEM)
    return Frame(kind, schema, seq, payload, end)
