"""What waits in the spool for an exporter: frames behind its places, rendered, up to one batch."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.annotation import Annotated
from trimtab.domain.record import Finish
from trimtab.telemetry import frames
from trimtab.telemetry.app_spans import App, Released, render_app
from trimtab.telemetry.evaluations import evaluation
from trimtab.telemetry.follow import START, Place, Step, follow, workers
from trimtab.telemetry.frames import HEADER_BYTES, Frame, Kind
from trimtab.telemetry.preset import Signal
from trimtab.telemetry.spans import Source, render
from trimtab.telemetry.view import View
from trimtab.telemetry.words import About

MAX_SPANS = 512
MAX_BYTES = 1 << 20
NO_END = Place(1 << 62, 0)

_finish = msgspec.msgpack.Decoder(Finish)
_released = msgspec.msgpack.Decoder(Released)
_annotated = msgspec.msgpack.Decoder(Annotated)


class Entry(NamedTuple):
    """A span on its way out.

    Attributes:
        passed: Place to be at once this span has its answer; `None` if more of its request follow.
        about: Whose words may be added.
        bare: The span without the words that were added.
    """

    source: Source | App
    worker: str
    span: Span
    passed: Place | None
    about: About = None
    bare: Span | None = None


@dataclass(slots=True)
class Batch:
    """Spans in the order of their spools.

    Attributes:
        places: Where each worker's spool is passed once every entry has its answer.
        full: Whether more may wait.
        unreadable: Frames that hold no record this version can render.
        spared: Requests, and pieces of traces of applications, that were left out.
    """

    entries: list[Entry] = field(default_factory=list[Entry])
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    full: bool = False
    unreadable: int = 0
    spared: int = 0


Sparing = Callable[[str], bool]
"""Whether to leave out what was kept by a rule."""


def gather(
    spool: Path,
    places: Mapping[str, Place],
    view: View,
    until: Mapping[str, Place] | None = None,
    spare: Sparing = lambda _rule: False,
) -> Batch:
    """Read and render what waits, one frame of each worker in turn, up to 512 spans or 1 MiB.

    Traces that are not kept are left out, unless the view has everything.

    Blocks on the disk and on the processor: run it in a thread.

    Args:
        spool: Where all spools are.
        places: What is done with in each.
        view: How it is rendered.
        until: Where to stop in each; those that are not named are not read.
        spare: What to pass and count.
    """
    batch = Batch()
    size = 0
    turns = deque(
        (path.name, follow(path, places.get(path.name, START))) for path in workers(spool)
    )
    while turns:
        worker, stream = turns.popleft()
        step = next(stream, None)
        if step is None or (until is not None and step.place > until.get(worker, START)):
            continue
        entries = _entries(worker, step, view, batch, spare)
        size += sum(entry.span.ByteSize() for entry in entries)
        if batch.entries and (len(batch.entries) + len(entries) > MAX_SPANS or size > MAX_BYTES):
            batch.full = True
            break
        batch.entries += entries
        batch.places[worker] = step.place
        turns.append((worker, stream))
    return batch


def pieces(entries: Iterable[Entry]) -> Iterable[list[Entry]]:
    """Cut entries, which words may have made large, into pieces of 1 MiB."""
    piece: list[Entry] = []
    size = 0
    for entry in entries:
        more = entry.span.ByteSize()
        if piece and size + more > MAX_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(entry)
        size += more
    if piece:
        yield piece


def aged(spool: Path, before_s: float) -> dict[str, Place]:
    """Tell up to where each worker's segments were last written before an instant (Unix seconds).

    Blocks, too.
    """
    found: dict[str, Place] = {}
    for path in workers(spool):
        segments = frames.segments(path)
        newer = [it for it in segments if _written_s(path, it) >= before_s]
        found[path.name] = Place(newer[0], HEADER_BYTES) if newer else NO_END
    return found


def _written_s(directory: Path, segment: int) -> float:
    return frames.segment_path(directory, segment).stat().st_mtime


def _entries(worker: str, step: Step, view: View, batch: Batch, spare: Sparing) -> list[Entry]:
    place, frame = step
    if not isinstance(frame, Frame):
        return []
    try:
        match frame.kind:
            case Kind.FINISH | Kind.REHYDRATED if view.signal is Signal.TRACES:
                return _of_finish(worker, place, frame, view, batch, spare)
            case Kind.RELEASED if view.signal is Signal.TRACES:
                return _of_released(worker, place, frame, view, batch, spare)
            case Kind.ANNOTATION if view.evaluations:
                return _of_annotation(worker, place, frame, view)
            case _:
                return []
    except (msgspec.DecodeError, ValueError):
        batch.unreadable += 1
        return []


def _of_finish(
    worker: str, place: Place, frame: Frame, view: View, batch: Batch, spare: Sparing
) -> list[Entry]:
    finish = _finish.decode(frame.payload)
    record = finish.record
    if spare(record.sampling_rule):
        batch.spared += 1
        return []
    if not (record.trace_kept or view.everything):
        return []
    return of_request(finish, worker, view, place)


def of_request(finish: Finish, worker: str, view: View, place: Place | None = None) -> list[Entry]:
    """Render a request; the words of it belong to its last attempt.

    Raises:
        ValueError: it cannot be rendered.
    """
    record = finish.record
    spans = render(finish, view.version, view.extras)
    source = Source(record.worker_id, record.env)
    entries = [Entry(source, worker, span, None) for span in spans]
    has_words = record.input_ref is not None or record.output_ref is not None
    about = record if has_words and finish.attempts else None
    entries[-1] = entries[-1]._replace(passed=place, about=about)
    return entries


def _of_released(
    worker: str, place: Place, frame: Frame, view: View, batch: Batch, spare: Sparing
) -> list[Entry]:
    released = _released.decode(frame.payload)
    if spare(released.decision.rule):
        batch.spared += 1
        return []
    if not (released.decision.is_kept or view.everything):
        return []
    return of_app(released, worker, view, place)


def of_app(released: Released, worker: str, view: View, place: Place | None = None) -> list[Entry]:
    """Render spans of applications; each has words of its own.

    Raises:
        ValueError: one cannot be rendered.
    """
    entries: list[Entry] = []
    for it in released.spans:
        app, span = render_app(it, released.decision, view.forbidden)
        entries.append(Entry(app, worker, span, None, it if it.content_ref else None))
    entries[-1] = entries[-1]._replace(passed=place)
    return entries


def _of_annotation(worker: str, place: Place, frame: Frame, view: View) -> list[Entry]:
    said = _annotated.decode(frame.payload)
    span = evaluation(said, view.version, view.extras)
    if span is None:
        return []
    return [Entry(Source(worker, said.env), worker, span, place, said)]
