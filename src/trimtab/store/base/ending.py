"""What ends, holds and erases what was recorded."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from trimtab.domain.erasure import Erasure
from trimtab.domain.record import RequestRecord
from trimtab.store.base.reading import Cursor


class SpanKey(NamedTuple):
    """By what a span of an application is known."""

    tenant_id: str
    trace_id: str
    span_id: str


class Erased(NamedTuple):
    """What one step of an erasure did.

    Attributes:
        place: Where the next step goes on; `None` if there is nothing behind.
        deleted: Numbers by what was deleted, as a receipt has them.
        lines: Ledger lines of the records, which stay.
        request_ids: Of the records.
    """

    place: Cursor | None
    deleted: Mapping[str, int] = MappingProxyType({})
    lines: int = 0
    request_ids: tuple[str, ...] = ()


class Eraser(Protocol):
    """Taking what people wrote out of what is recorded. Figures and the ledger stay."""

    async def erase(
        self,
        erasure: Erasure,
        *,
        now_us: int,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Erased:
        """Erase the next records of a scope, oldest first, and all that carry their text.

        They are as many as is quick, and at most `limit`; what is gone is gone at the latest when
        the next step begins.

        Content goes that no surviving record of the same tenant and day uses. What is kept for a
        case is left out.

        Raises:
            TryLater: the store is away; nothing of this step was done, or all.
        """
        ...

    async def count(self, erasure: Erasure, *, now_us: int) -> tuple[int, int]:
        """Count the records of a scope that are not erased yet, and those kept for a case."""
        ...

    async def erased(self, request_ids: Collection[str]) -> frozenset[str]:
        """Tell which requests were erased."""
        ...

    async def told(self, spans: Collection[SpanKey]) -> frozenset[SpanKey]:
        """Tell which spans of applications are stored."""
        ...

    async def shred(self) -> tuple[str, ...]:
        """Leave nothing of what was deleted in any file; tells what could not be done now."""
        ...

    async def carried_out(self) -> frozenset[str]:
        """Tell which erasures this host carried out in this store: after a restore, fewer."""
        ...

    async def carry_out(self, erasure_id: str, *, done_us: int, held: int) -> None:
        """Say that this host carried an erasure out, but for some that are kept for a case."""
        ...


class HoldStore(Protocol):
    """Keeping records for a case."""

    async def hold(
        self, case_id: str, records: Sequence[RequestRecord], *, author: str, until_us: int | None
    ) -> None:
        """Keep records, and a copy of their content, whatever else would end them."""
        ...

    async def holds(self, request_id: str, *, now_us: int) -> tuple[tuple[str, str], ...]:
        """Tell for which cases a record is kept, each with its author."""
        ...

    async def release(self, case_id: str | None, *, now_us: int) -> int:
        """Let go of what is kept for a case, or of what is overdue; tells how many holds."""
        ...


class RetentionStore(Protocol):
    """Ending what is old enough, in steps that are short for whoever else writes."""

    async def expire(self, what: str, before_us: int, *, limit: int) -> int:
        """Delete rows of a kind that are older than an instant, some of them; tells how many.

        `what` is of `relational.retention.KINDS`. Of sums whole spans of time go.
        """
        ...

    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """List the UTC days of which content is kept, with each tenant that has some."""
        ...

    async def expire_content(self, day_us: int, tenant_id: str | None, *, limit: int) -> int:
        """Delete content of a day, of one tenant or of all; tells how many pieces, 0 at the end."""
        ...
