"""Looking into spools beside the keeper, so that no store is needed: what ended just now."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from trimtab.domain.record import Begin, Finish
from trimtab.telemetry import frames
from trimtab.telemetry.follow import START, Place, follow, workers
from trimtab.telemetry.frames import HEADER_BYTES, Frame, Kind

T = TypeVar("T")

_begin = msgspec.msgpack.Decoder(Begin)
_finish = msgspec.msgpack.Decoder(Finish)


class Spooled(NamedTuple):
    """A request in a worker's spool; without `finish` it runs, or its worker died."""

    worker: str
    begin: Begin | None
    finish: Finish | None


class Fresh:
    """Follows the outcomes that workers write. State: how far each spool was read."""

    def __init__(self, spool: Path) -> None:
        """Begin behind all that is there."""
        self._spool = spool
        self._places = {it.name: _end(it) for it in workers(spool)}

    def read(self) -> Iterator[Finish]:
        """Give what came since; each worker's in its order."""
        for directory in workers(self._spool):
            for place, frame in _frames(directory, self._places.get(directory.name, START)):
                self._places[directory.name] = place
                finish = None if frame is None else _decoded(frame, Kind.FINISH, _finish)
                if finish is not None:
                    yield finish


def find_spooled(spool: Path, prefix: str) -> Spooled | None:
    """Find a request by a prefix of its id in what is left of the spools."""
    begun: Spooled | None = None
    for directory in workers(spool):
        for _, frame in _frames(directory, START):
            if frame is None:
                continue
            finish = _decoded(frame, Kind.FINISH, _finish)
            if finish is not None and finish.record.request_id.startswith(prefix):
                return Spooled(directory.name, None, finish)
            begin = _decoded(frame, Kind.BEGIN, _begin)
            if begin is not None and begin.request_id.startswith(prefix):
                begun = Spooled(directory.name, begin, None)
    return begun


def _frames(directory: Path, place: Place) -> Iterator[tuple[Place, Frame | None]]:
    try:
        for step in follow(directory, place):
            yield step.place, step.found if isinstance(step.found, Frame) else None
    except FileNotFoundError:
        # Everybody else had read that segment, and it went; the next look goes on behind it.
        return


def _end(directory: Path) -> Place:
    segments = frames.segments(directory)
    place = Place(segments[-1], HEADER_BYTES) if segments else START
    for step, _ in _frames(directory, place):
        place = step
    return place


def _decoded(frame: Frame, kind: Kind, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    """Read a frame of a kind; of one that cannot be read, the recorder tells."""
    try:
        return decoder.decode(frame.payload) if frame.kind == kind else None
    except ValueError:
        return None
