"""Taking what was erased out of the files around the store: spool, dead letters, quarantine.

A frame is overwritten where it stands, so that no reader's place moves and its worker may go on
writing behind it. Files that are aside for people to look at go whole.
"""

import asyncio
import gzip
import os
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from trimtab.store.base.ending import SpanKey
from trimtab.telemetry.follow import Place, whole, workers
from trimtab.telemetry.frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    Damage,
    Kind,
    blanks,
    is_half_erased,
    segment_path,
    segments,
)

ASKED_AT_ONCE = 1_000
ASIDE = ("dead", "quarantine")

Erased = Callable[[Collection[str]], Awaitable[frozenset[str]]]
"""Tells which of some requests were erased."""

Told = Callable[[Collection[SpanKey]], Awaitable[frozenset[SpanKey]]]
"""Tells which of some spans are stored."""

Passed = Callable[[Mapping[str, Place]], bool]
"""Tells whether everything before some places of spools was read by all who store it."""

_ABOUT = {Kind.BEGIN, Kind.CHECKPOINT, Kind.FINISH, Kind.ANNOTATION, Kind.REHYDRATED}
_ID = re.compile(rb"r_[0-9A-HJKMNP-TV-Z]{26}")


class _Id(Struct, frozen=True):
    request_id: str = ""


class _About(Struct, frozen=True):
    """The members by which a frame of any kind names its request."""

    request_id: str = ""
    record: _Id = _Id()
    annotation: _Id = _Id()


class _Span(Struct, frozen=True):
    tenant_id: str
    trace_id: str
    span_id: str


class _Spans(Struct, frozen=True):
    """As much of a `domain.app_span.SpanBatch` as tells what is in it."""

    spans: tuple[_Span, ...] = ()


class _Place(NamedTuple):
    """Where a frame is, and whose; one that was half erased is nobody's.

    Attributes:
        end: The place behind it.
        spans: Of what an application told of its work, what is in it.
    """

    path: Path
    start: int
    end: Place
    request_id: str = ""
    spans: frozenset[SpanKey] = frozenset()


_spans = msgspec.msgpack.Decoder(_Spans)
_about = msgspec.msgpack.Decoder(_About)


async def blank(spool: Path, erased: Erased, told: Told, passed: Passed) -> int:
    """Overwrite the frames of erased requests and spans; tells how many. Raises `OSError`."""
    done = 0
    found = (it for directory in workers(spool) for it in _frames(directory))
    while places := list(islice(found, ASKED_AT_ONCE)):
        gone = await erased({it.request_id for it in places if it.request_id})
        left = await told({key for it in places for key in it.spans})
        for place in places:
            if place.spans:
                # Nothing says of a span that it was erased: it was stored, and is not there.
                is_gone = not place.spans <= left and passed({place.path.parent.name: place.end})
            else:
                is_gone = not place.request_id or place.request_id in gone
            if is_gone:
                await asyncio.to_thread(_overwrite, place)
                done += 1
    return done


async def clear_aside(home: Path, words: Collection[bytes], erased: Erased) -> int:
    """Unlink what was put aside and names an erased request, or has one of some words in it."""
    done = 0
    for path in (it for name in ASIDE for it in sorted((home / name).rglob("*")) if it.is_file()):
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        ids = {it.decode() for it in _ID.findall(data)}
        if any(word in data for word in words) or await erased(ids):
            path.unlink()
            done += 1
    return done


def _frames(directory: Path) -> Iterator[_Place]:
    """List the frames of a worker that are about requests."""
    for path in (segment_path(directory, it) for it in segments(directory)):
        start, segment = HEADER_BYTES, int(path.stem)
        for found, end in whole(path) if path.exists() else ():
            at = _Place(path, start, Place(segment, end))
            if isinstance(found, Damage):
                with path.open("rb") as file:
                    file.seek(start)
                    if is_half_erased(file.read(FRAME_BYTES)):
                        yield at
            elif found.kind in _ABOUT:
                yield at._replace(request_id=_named(found.payload))
            elif found.kind == Kind.SPANS:
                yield at._replace(request_id="unknown", spans=_keys(found.payload))
            start = end


def _named(payload: bytes) -> str:
    """Name the request of a frame; what cannot be read names its own in its bytes, if at all."""
    try:
        about = _about.decode(payload)
    except ValueError:
        found = _ID.search(payload)
        return found[0].decode() if found else "unknown"
    return about.request_id or about.record.request_id or about.annotation.request_id or "unknown"


def _keys(payload: bytes) -> frozenset[SpanKey]:
    try:
        told = _spans.decode(payload)
    except ValueError:
        return frozenset()
    return frozenset(SpanKey(it.tenant_id, it.trace_id, it.span_id) for it in told.spans)


def _overwrite(place: _Place) -> None:
    file = os.open(place.path, os.O_RDWR)
    try:
        header, zeros = blanks(os.pread(file, FRAME_BYTES, place.start))
        os.pwrite(file, header, place.start)
        os.pwrite(file, zeros, place.start + FRAME_BYTES)
        os.fdatasync(file)
    finally:
        os.close(file)
