"""What finds single requests, their content and what was said of them."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.record import RequestRecord
from trimtab.store.base.recording import StoredRecord
from trimtab.store.terms import Said, Term


class RecordFilter(Struct, frozen=True, kw_only=True):
    """Which records a list shows. `None` does not filter; times are [since, until).

    Attributes:
        terms: What else must be so of a record.
        said: What must have been said of it.
        phrases: Words that must follow each other in what was asked, or in what was answered.
    """

    tenant_id: str | None = None
    feature: str | None = None
    model_requested: str | None = None
    provider: str | None = None
    key_id: str | None = None
    status: str | None = None
    error_code: str | None = None
    origin: str | None = None
    trace_id: str | None = None
    response_id: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    min_latency_us: int | None = None
    since_us: int | None = None
    until_us: int | None = None
    terms: tuple[Term, ...] = ()
    said: tuple[Said, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()


class Cursor(Struct, frozen=True):
    """Position in a list ordered by (ts_us, request_id), newest first."""

    ts_us: int
    request_id: str


class Tried(NamedTuple):
    """How one attempt at a target went. `refused` is that the model would not answer."""

    target: str
    dur_us: int
    error_code: str | None
    refused: bool


class Took(NamedTuple):
    """How long a request with a version of a prompt took."""

    version: str
    latency_us: int


class Stratum(NamedTuple):
    """Requests that a sample holds apart: with one prompt, of tenants of one tier."""

    prompt: str
    tier: str


FACETS = ("status", "model_requested", "tenant_id", "feature", "prompt_name")
"""Columns by which lists of records are narrowed."""


class Facet(NamedTuple):
    """How many records have a value in a column; what is unknown is not counted."""

    column: str
    value: str
    n: int


class SavedFilter(Struct, frozen=True, kw_only=True):
    """A filter with a name. `owner` is who may use it; empty is everybody."""

    owner: str
    name: str
    text: str


class AnnotationReader(Protocol):
    """Reading what arrived about requests after they ended."""

    async def annotations(self, request_id: str) -> tuple[Annotation, ...]:
        """List what is known of a request, in the order it came in."""
        ...

    async def judged(self, *, since_us: int) -> Mapping[Stratum, int]:
        """Count the requests since an instant that a judge scored, by what samples hold apart."""
        ...


class SpanReader(Protocol):
    """Reading what applications told of their work. All of it within one tenant."""

    async def outline(
        self, tenant_id: str, trace_id: str, *, limit: int
    ) -> tuple[SpanOutline, ...]:
        """Outline the spans of a trace, oldest first, up to a limit."""
        ...

    async def spans(
        self, tenant_id: str, trace_id: str, span_ids: Collection[str]
    ) -> tuple[AppSpan, ...]:
        """Read some spans of a trace, oldest first."""
        ...

    async def told_of(
        self, tenant_id: str, request_id: str, response_id: str | None
    ) -> tuple[str, str] | None:
        """Find trace and span that say they are about a request, or else about its answer."""
        ...


class RecordReader(AnnotationReader, SpanReader, Protocol):
    """Reading records back. Lists never touch content."""

    async def find(self, request_id: str) -> StoredRecord | None:
        """Find one record by its id or a unique prefix of at least 6 characters."""
        ...

    async def page(
        self, where: RecordFilter, *, after: Cursor | None = None, limit: int = 50
    ) -> tuple[RequestRecord, ...]:
        """List records, newest first, continuing behind a cursor."""
        ...

    async def facets(self, where: RecordFilter, *, limit: int) -> tuple[Facet, ...]:
        """Count the newest records that fit, up to a limit, by what lists are narrowed by."""
        ...

    async def tried(
        self, *, providers: Collection[str], since_us: int, limit: int
    ) -> tuple[Tried, ...]:
        """List the attempts of live traffic, of each provider the newest up to a limit."""
        ...

    async def took(self, *, prompt: str, since_us: int, limit: int) -> tuple[Took, ...]:
        """List how long the newest live requests with a prompt took, up to a limit."""
        ...


class SavedFilterReader(Protocol):
    """Reading filters that people gave a name."""

    async def saved(self, owner: str) -> tuple[SavedFilter, ...]:
        """List the filters of somebody and of everybody, by name; his own before another's."""
        ...


class SavedFilterWriter(Protocol):
    """Giving filters a name."""

    async def save(self, saved: SavedFilter) -> None:
        """Keep a filter; one of the same owner and name is replaced."""
        ...

    async def unsave(self, owner: str, name: str) -> None:
        """Forget a filter, if there is one."""
        ...


class SearchIndex(Protocol):
    """Making what people wrote findable, behind the recorder."""

    async def index(self, allows: Callable[[str], bool], *, limit: int) -> int:
        """Take the words of records that were stored, at most so many; tells how many it took.

        Args:
            allows: Whether the content of a tenant may be searched; asked once for each record.
            limit: The most records to be looked at.

        Raises:
            TryLater: the store is away; what was not taken is taken another time.
        """
        ...


class ContentReader(Protocol):
    """Reading what people wrote. Only `control.audit` asks, so that no look is unseen."""

    async def content(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """Rebuild a content by the ref of its manifest; `None` if any piece is gone."""
        ...
