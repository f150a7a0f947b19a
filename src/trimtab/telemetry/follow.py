"""Reading a worker's spool from a place on, while the worker writes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from trimtab.domain.record import SCHEMA_VERSION
from trimtab.telemetry import frames
from trimtab.telemetry.frames import HEADER_BYTES, Damage, Frame

_CHUNK = 1 << 20


class Place(NamedTuple):
    """A place in a worker's spool: everything before it is done with."""

    segment: int
    offset: int


START = Place(0, HEADER_BYTES)


class _Ended(Struct):
    end_us: int


class _Said(Struct):
    ts_us: int


class _Dated(Struct):
    """What says in the payload of a frame when it was written."""

    ts_us: int = 0
    record: _Ended | None = None
    annotation: _Said | None = None


_dated = msgspec.msgpack.Decoder(_Dated)


class Step(NamedTuple):
    """A frame and the place behind it.

    Attributes:
        found: Damage in its place where bytes were no frame; where the next segment begins, `None`
            or the damage that the one before ends in.
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
        torn: Damage | None = None
        for found, end in _segment(directory, segment, place):
            if isinstance(found, Frame) and found.schema > SCHEMA_VERSION:
                return
            if isinstance(found, Damage) and found.at_end:
                torn = found
            else:
                yield Step(Place(segment, end), found)
        if number + 1 < len(segments):
            yield Step(Place(segments[number + 1], HEADER_BYTES), torn)


def ends(spool: Path) -> dict[str, Place]:
    """Tell where each worker's spool ends just now."""
    found: dict[str, Place] = {}
    for directory in workers(spool):
        known = frames.segments(directory)
        if known:
            size = frames.segment_path(directory, known[-1]).stat().st_size
            found[directory.name] = Place(known[-1], size)
    return found


def whole(path: Path) -> Iterator[tuple[Frame | Damage, int]]:
    """Read all of a segment; each frame or damage comes with the offset behind it."""
    return _read(path, HEADER_BYTES)


def is_ahead(directory: Path, place: Place) -> bool:
    """Whether what comes next is a frame of a newer version, so that nothing is read for now."""
    for segment in frames.segments(directory):
        if segment >= place.segment:
            for found, _ in _segment(directory, segment, place):
                return isinstance(found, Frame) and found.schema > SCHEMA_VERSION
    return False


def waiting_bytes(directory: Path, place: Place) -> int:
    """Count the bytes behind a place."""
    total = 0
    for segment in frames.segments(directory):
        if segment >= place.segment:
            begin = place.offset if segment == place.segment else HEADER_BYTES
            size = frames.segment_path(directory, segment).stat().st_size
            total += max(0, size - begin)
    return total


def waits_s(directory: Path, place: Place, now_us: int) -> float:
    """Tell for how long what is behind a place has been there, in seconds; 0 if nothing is."""
    if not waiting_bytes(directory, place):
        return 0.0
    for _, found in follow(directory, place):
        if isinstance(found, Frame):
            since_us = _written_us(found)
            if since_us:
                return max(0, now_us - since_us) / 1e6
    return 0.0


def _written_us(frame: Frame) -> int:
    try:
        said = _dated.decode(frame.payload)
    except msgspec.DecodeError:
        return 0
    if said.record is not None:
        return said.record.end_us
    return said.ts_us if said.annotation is None else said.annotation.ts_us


def _segment(directory: Path, segment: int, place: Place) -> Iterator[tuple[Frame | Damage, int]]:
    """Read a segment from a place on."""
    begin = place.offset if segment == place.segment else HEADER_BYTES
    path = frames.segment_path(directory, segment)
    # What was never synced may be gone after a power cut: then the file is shorter than the place.
    return _read(path, max(HEADER_BYTES, min(begin, path.stat().st_size)))


def _read(path: Path, offset: int) -> Iterator[tuple[Frame | Damage, int]]:
    """Read a file in chunks, each grown until it holds a whole frame."""
    size = _CHUNK
    with path.open("rb") as file:
        while True:
            file.seek(offset)
            data = file.read(size)
            is_last = len(data) < size
            passed = offset
            for found in frames.read(data, 0):
                if isinstance(found, Damage) and found.at_end and not is_last:
                    break
                passed = offset + found.end
                yield found, passed
            if is_last:
                return
            size = _CHUNK if passed > offset else size * 2
            offset = passed
