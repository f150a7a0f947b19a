"""What waits in the spool for an exporter: frames behind its places, rendered, up to one batch."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from gzip import compress
from pathlib import Path
from typing import NamedTuple

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.annotation import Annotated
from trimtab.domain.record import Finish
from trimtab.telemetry import frames
from trimtab.telemetry.evaluations import evaluation
from trimtab.telemetry.facts import Attributes
from trimtab.telemetry.follow import START, Place, Step, follow, workers
from trimtab.telemetry.frames import HEADER_BYTES, Frame, Kind
from trimtab.telemetry.semconv.base import Version
from trimtab.telemetry.spans import Source, render, resource_spans

MAX_SPANS = 512
MAX_BYTES = 1 << 20

_GZIP_LEVEL = 1

_finish = msgspec.msgpack.Decoder(Finish)
_annotated = msgspec.msgpack.Decoder(Annotated)


class Entry(NamedTuple):
    """A span on its way out.

    Attributes:
        passed: Place to be at once this span has its answer; `None` if more of its request follow.
    """

    source: Source
    worker: str
    span: Span
    passed: Place | None


@dataclass(slots=True)
class Batch:
    """Spans in the order of their spools.

    Attributes:
        places: Where each worker's spool is passed once every entry has its answer.
        full: Whether more may wait.
        unreadable: Frames that hold no record this version can render.
    """

    entries: list[Entry] = field(default_factory=list[Entry])
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    full: bool = False
    unreadable: int = 0


def gather(
    spool: Path, places: Mapping[str, Place], version: Version, *, everything: bool = False
) -> Batch:
    """Read and render what waits, one frame of each worker in turn, up to 512 spans or 1 MiB.

    Traces that are not kept are left out, unless everything goes.

    Blocks on the disk and on the processor: run it in a thread.
    """
    batch = Batch()
    size = 0
    turns = deque(
        (path.name, follow(path, places.get(path.name, START))) for path in workers(spool)
    )
    while turns:
        worker, stream = turns.popleft()
        step = next(stream, None)
        if step is None:
            continue
        entries = _entries(worker, step, version, batch, everything=everything)
        size += sum(entry.span.ByteSize() for entry in entries)
        if batch.entries and (len(batch.entries) + len(entries) > MAX_SPANS or size > MAX_BYTES):
            batch.full = True
            break
        batch.entries += entries
        batch.places[worker] = step.place
        turns.append((worker, stream))
    return batch


def encode(entries: Iterable[Entry], resource: Attributes, version: Version) -> bytes:
    """Write spans as a gzipped OTLP request."""
    sources: dict[Source, list[Span]] = {}
    for entry in entries:
        sources.setdefault(entry.source, []).append(entry.span)
    request = ExportTraceServiceRequest(
        resource_spans=[
            resource_spans(source, spans, resource, version) for source, spans in sources.items()
        ]
    )
    return compress(request.SerializeToString(), _GZIP_LEVEL, mtime=0)


def give_up(
    spool: Path, places: Mapping[str, Place], before_s: float
) -> dict[str, tuple[Place, int]]:
    """Pass segments last written before an instant (Unix seconds); count the requests in them.

    Gives, for each worker that has such segments, its new place and the count. Blocks, too.
    """
    found = {
        path.name: _give_up(path, places.get(path.name, START), before_s) for path in workers(spool)
    }
    return {worker: left for worker, left in found.items() if left[0] != places.get(worker, START)}


def _entries(
    worker: str, step: Step, version: Version, batch: Batch, *, everything: bool
) -> list[Entry]:
    place, frame = step
    if not isinstance(frame, Frame):
        return []
    try:
        match frame.kind:
            case Kind.FINISH | Kind.REHYDRATED:
                finish = _finish.decode(frame.payload)
                is_wanted = everything or finish.record.trace_kept
                spans = render(finish, version) if is_wanted else []
                source = Source(finish.record.worker_id, finish.record.env)
            case Kind.ANNOTATION:
                said = _annotated.decode(frame.payload)
                span = evaluation(said, version)
                spans = [] if span is None else [span]
                source = Source(worker, said.env)
            case _:
                return []
    except (msgspec.DecodeError, ValueError):
        batch.unreadable += 1
        return []
    last = len(spans) - 1
    return [
        Entry(source, worker, span, place if number == last else None)
        for number, span in enumerate(spans)
    ]


def _give_up(directory: Path, place: Place, before_s: float) -> tuple[Place, int]:
    kept = [
        segment
        for segment in frames.segments(directory)
        if segment >= place.segment
        and frames.segment_path(directory, segment).stat().st_mtime >= before_s
    ]
    limit = Place(kept[0], HEADER_BYTES) if kept else None
    requests = 0
    for after, frame in follow(directory, place):
        if limit is not None and after > limit:
            break
        place = after
        requests += isinstance(frame, Frame) and frame.kind == Kind.FINISH
    return place, requests
