"""Spans of applications: what they told us of their own work around a request of ours."""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from trimtab.domain.record import Blob


class SpanView(StrEnum):
    """How a span is looked at, whatever dialect told it."""

    LLM = "llm"
    RETRIEVAL = "retrieval"
    TOOL = "tool"
    OTHER = "other"


class Document(Struct, frozen=True, array_like=True):
    """What a retrieval found, best first: its rank is its place. The text is content."""

    doc_id: str
    score: float | None = None


class SpanFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a span in our words. `input_tokens` includes cached ones."""

    provider: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    session: str | None = None
    index: str | None = None
    documents: tuple[Document, ...] = ()


class SpanBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What lists never read. Content is not in it.

    Attributes:
        attributes: As they were told, those of the resource under `resource`.
        events: Instant, name and attributes of each.
        cut: How many values were too long or too many.
        tracestate, flags: As it was told; only flags that OpenTelemetry knows.
    """

    facts: SpanFacts = SpanFacts()
    attributes: dict[str, Any] = {}
    resource: dict[str, Any] = {}
    events: tuple[tuple[int, str, dict[str, Any]], ...] = ()
    cut: int = 0
    tracestate: str = ""
    flags: int = 0


class AppSpan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span of an application. Times are its own clock's, and may be anything.

    Attributes:
        received_us: When it came here, by our clock; its content is kept by that day.
        kind, status: The words of OpenTelemetry, in lower case.
        request_id, response_id: Request of ours and answer that it says it is about.
        content_ref: Ref of its content as JSON, `attributes` and `events` that carry some.
        body: msgpack of a `SpanBody`, compressed if it is long.
    """

    tenant_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    received_us: int
    ts_us: int
    end_us: int
    name: str
    kind: str = "internal"
    status: str = "unset"
    service: str = ""
    view: str = "other"
    request_id: str | None = None
    response_id: str | None = None
    content_ref: bytes | None = None
    body: bytes = b""


class SpanBatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Spans of one tenant on their way to the store, with the content that is new."""

    tenant_id: str
    received_us: int
    spans: tuple[AppSpan, ...]
    content: tuple[Blob, ...] = ()


class SpanOutline(Struct, frozen=True, array_like=True, gc=False):
    """As much of a span as the shape of its trace needs."""

    span_id: str
    parent_span_id: str | None
    ts_us: int
    end_us: int
    view: str
