"""What reads and writes lines of the ledger."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from trimtab.domain.record import LedgerLine
from trimtab.store.base.reading import Cursor


class LedgerSum(NamedTuple):
    """Live lines of one tenant of one group, added up. What has no price is counted, not added.

    Attributes:
        month: Month of the tenant's own calendar, as `2026-10`.
        kind: Kind of the lines.
    """

    month: str
    kind: str
    feature: str
    model: str
    price_version: str
    n: int
    n_unpriced: int
    cost_nano: int


class LineReader(Protocol):
    """Reading the ledger back, line by line and in exact sums."""

    async def payers(self) -> tuple[str, ...]:
        """List the tenants that have lines, by name."""
        ...

    async def ledger(
        self,
        *,
        tenant_id: str,
        since_us: int,
        until_us: int,
        after: Cursor | None = None,
        limit: int = 5_000,
    ) -> tuple[LedgerLine, ...]:
        """List the lines of a tenant in [since, until), oldest first, going on behind a cursor.

        The `request_id` of the cursor is the id of the line it stands at.
        """
        ...

    async def sums(self, *, tenant_id: str, months: Collection[str]) -> tuple[LedgerSum, ...]:
        """Add up what a tenant's live lines of some months cost, by all that a bill can tell.

        A line is of the month of its `day_local`, which is that of its instant where it lives.
        """
        ...


class CostRow(Struct, frozen=True, kw_only=True):
    """Sums over one group. `cost_nano` leaves out `n_unpriced` requests."""

    group: tuple[str, ...]
    n: int
    n_estimated: int
    n_unpriced: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_nano: int


class Billed(Struct, frozen=True, kw_only=True):
    """Sums of the ledger lines of one UTC day, of every origin: what a provider bills us for.

    Attributes:
        day: ISO date.
        n: Lines.
        n_estimated: Those whose tokens are, at least in part, our guess.
        n_unpriced: Those without a price; `cost_nano` leaves them out.
        input_tokens: All that was read, from wherever.
    """

    day: str
    provider: str
    account: str
    model_sent: str
    n: int = 0
    n_estimated: int = 0
    n_unpriced: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_5m: int = 0
    cache_write_30m: int = 0
    cache_write_1h: int = 0
    cache_write_12h: int = 0
    output_tokens: int = 0
    cost_nano: int = 0


class LedgerReader(Protocol):
    """Reading the ledger as providers see it."""

    async def billed(self, *, since_us: int, until_us: int) -> tuple[Billed, ...]:
        """Sum lines up by UTC day, provider, account and model, exactly; in that order."""
        ...


class LedgerWriter(Protocol):
    """Adding to the ledger what no request did."""

    async def adjust(self, lines: Sequence[LedgerLine]) -> int:
        """Add signed lines of kind `adjustment` with their sums, all or none; tells how many.

        A line that is there already is left out.

        Raises:
            Unstorable: a line is of another kind, has no cost, or fits no column.
            TryLater: the store is away; nothing was added.
        """
        ...
