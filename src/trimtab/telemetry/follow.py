"""Reading a worker's spool from a place on, while the worker writes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trimtab.domain.record import SCHEMA_VERSION
from trimtab.telemetry import frames
from trimtab.telemetry.frames import HEADER_BYTES, Damage, Frame

_CHUNK = 1 << 20


class Place(NamedTuple):
    """A place in a worker's spool: everything before it is done with."""

    segment: int
    offset: int


START = Place(0, HEADER_BYTES)


class Step(NamedTuple):
    """A frame and the place behind it.

    Attributes:
        found: Damage in its place where bytes were no frame; `None` where the next segment begins.
    """

    place: Place
    found: Frame | Damage | None


def workers(spool: Path) -> list[Path]:
    """List the spools of all workers there ever were, by name."""
    return sorted(path for path in spool.glob("*") if path.is_dir())


def follow(directory: Path, place: Place) -> Iterator[Step]:
    """Read a worker's spool from a place on.

    Stops at the end of what is written, and at a frame of a newer version.
    """
    segments = [it for it in frames.segments(directory) if it >= place.segment]
    for number, segment in enumerate(segments):
        begin = place.offset if segment == place.segment else HEADER_BYTES
        for found, end in _read(frames.segment_path(directory, segment), begin):
            if isinstance(found, Frame) and found.schema > SCHEMA_VERSION:
                return
            yield Step(Place(segment, end), found)
        if number + 1 < len(segments):
            yield Step(Place(segments[number + 1], HEADER_BYTES), None)


def waiting_bytes(directory: Path, place: Place) -> int:
    """Count the bytes behind a place."""
    total = 0
    for segment in frames.segments(directory):
        if segment >= place.segment:
            begin = place.offset if segment == place.segment else HEADER_BYTES
            size = frames.segment_path(directory, segment).stat().st_size
            total += max(0, size - begin)
    return total


def _read(path: Path, start: int) -> Iterator[tuple[Frame | Damage, int]]:
    """Read a segment in chunks, each grown until it holds a whole frame."""
    size = _CHUNK
    # What was never synced may be gone after a power cut: then the file is shorter than the place.
    offset = min(start, path.stat().st_size)
    with path.open("rb") as file:
        while True:
            file.seek(offset)
            data = file.read(size)
            passed = offset
            for found in frames.read(data, 0):
                if isinstance(found, Damage) and found.at_end:
                    break
                passed = offset + found.end
                yield found, passed
            if len(data) < size:
                return
            size = _CHUNK if passed > offset else size * 2
            offset = passed
