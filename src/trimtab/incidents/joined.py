"""The trace around a request: what its application told of its own work, within one tenant.

They are joined when somebody looks: records are final, and spans come in any order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from trimtab.domain.app_span import SpanOutline, SpanView
from trimtab.domain.record import RequestRecord
from trimtab.store.base.reading import RecordFilter, RecordReader
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.ingest import body_of

MAX_SPANS = 50_000
MAX_RECORDS = 200
MAX_RETRIEVALS = 20

_BESIDE = ("doc_version", "chunk_sha256")


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of an application around a request of ours, and our requests among them.

    Attributes:
        spans: In the order of time, by id; of a larger trace the first.
        anchor: The span that our request is in; `None` if it is in none that is here.
        records: Our requests in it, in the order of time; of more than that the last.
    """

    trace_id: str
    spans: Mapping[str, SpanOutline]
    anchor: str | None
    records: tuple[RequestRecord, ...]

    @property
    def is_cut(self) -> bool:
        """Whether there is more of it than was read."""
        return len(self.spans) >= MAX_SPANS or len(self.records) >= MAX_RECORDS

    def around(self, span_id: str | None) -> Iterator[str]:
        """List a span and those that it is in, inmost first; parents may go in a circle."""
        seen: set[str] = set()
        span = self.spans.get(span_id or "")
        while span is not None and span.span_id not in seen:
            seen.add(span.span_id)
            yield span.span_id
            span = self.spans.get(span.parent_span_id or "")


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A document that a request was made of. `source` is `inline`, or the name of the span.

    Attributes:
        sha256: That of its text, in hex.
    """

    rank: int
    doc_id: str
    score: float | None
    source: str
    version: str | None = None
    sha256: str | None = None


async def join(reader: RecordReader, record: RequestRecord) -> Trace | None:
    """Find the trace around a request: its own, or the one of a span that names the request.

    Raises:
        TryLater: the store takes too long.
    """
    tenant, trace_id, anchor = record.tenant_id, record.trace_id, record.parent_span_id
    found = await reader.outline(tenant, trace_id, limit=MAX_SPANS)
    spans = {it.span_id: it for it in found}
    if anchor not in spans:
        told = await reader.told_of(tenant, record.request_id, record.response_id)
        anchor = None
        if told is not None and (not found or told[0] == trace_id):
            trace_id, anchor = told
            found = found or await reader.outline(tenant, trace_id, limit=MAX_SPANS)
            spans = {it.span_id: it for it in found}
    if not spans:
        return None
    where = RecordFilter(tenant_id=tenant, trace_id=record.trace_id)
    ours = {it.request_id: it for it in await reader.page(where, limit=MAX_RECORDS)}
    ours[record.request_id] = record
    in_order = sorted(ours.values(), key=lambda it: (it.ts_us, it.request_id))
    return Trace(trace_id, spans, anchor, tuple(in_order))


async def retrieved(
    reader: RecordReader, stored: StoredRecord, trace: Trace | None
) -> tuple[Retrieved, ...]:
    """List what a request was made of: as it said itself, or else as its retrieval spans do."""
    if stored.detail.retrieved or trace is None:
        return tuple(_inline(stored.detail.retrieved))
    record = stored.record
    names = [it.span_id for it in _retrievals(trace, record)][-MAX_RETRIEVALS:]
    spans = await reader.spans(record.tenant_id, trace.trace_id, names)
    return tuple(
        Retrieved(rank, it.doc_id, it.score, span.name)
        for span in spans
        for rank, it in enumerate(body_of(span).facts.documents, 1)
    )


def _inline(told: Iterable[Mapping[str, str | float]]) -> Iterator[Retrieved]:
    for rank, it in enumerate(told, 1):
        score = it.get("score")
        known = score if isinstance(score, float | int) else None
        version, sha256 = (str(it[name]) if name in it else None for name in _BESIDE)
        yield Retrieved(rank, str(it.get("doc_id", "")), known, "inline", version, sha256)


def _retrievals(trace: Trace, record: RequestRecord) -> Iterator[SpanOutline]:
    """Take the retrievals before a request, and after the request before it, by one clock."""
    at_us = _began_us(trace, record, trace.anchor)
    others = [
        _began_us(trace, it, it.parent_span_id)
        for it in trace.records
        if it.request_id != record.request_id
    ]
    since_us = max((it for it in others if it < at_us), default=-1)
    sought = SpanView.RETRIEVAL.value
    for it in trace.spans.values():
        if it.view == sought and since_us <= it.ts_us <= at_us:
            yield it


def _began_us(trace: Trace, record: RequestRecord, anchor: str | None) -> int:
    """Tell when a request began, by the clock of the span it is in where ours differs from it."""
    around = trace.spans.get(anchor or "")
    if around is None or around.ts_us <= record.ts_us <= around.end_us:
        return record.ts_us
    return max(around.ts_us, around.end_us - record.latency_us)
