"""What the recorder commits, and to what."""

from typing import NamedTuple, Protocol

from msgspec import Struct

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan
from trimtab.domain.record import Attempt, Begin, Blob, Detail, Finish, LedgerLine, RequestRecord


class StoredRecord(Struct, frozen=True, kw_only=True):
    """A record with its parts, as read back."""

    record: RequestRecord
    detail: Detail
    attempts: tuple[Attempt, ...]
    lines: tuple[LedgerLine, ...]


class SpoolPosition(Struct, frozen=True, kw_only=True):
    """How far a worker's spool has been read: the next frame starts at `offset` of `segment`."""

    worker_id: str
    segment: int
    offset: int


class InLedger(NamedTuple):
    """What a host stored of some budgets, all of one instant.

    Attributes:
        sums: Of each budget its nano-USD, and how many lines have no price.
        opened: Requests that have begun and not ended.
        places: How far spools were read by then.
    """

    sums: tuple[tuple[int, int], ...] = ()
    opened: tuple[Begin, ...] = ()
    places: tuple[SpoolPosition, ...] = ()


class OpenRequest(Struct, frozen=True, kw_only=True):
    """A request that has begun and not ended, as far as its worker's spool was read.

    Attributes:
        begin: What the worker wrote down; its content is stored already and left out.
        output_tokens: What its last checkpoint proves.
        lost: Whether the process that began it is gone.
    """

    worker_id: str
    begin: Begin
    output_tokens: int = 0
    lost: bool = False


class StoredBlob(NamedTuple):
    """A piece of content on its way to the store of its tenant's day."""

    tenant_id: str
    ts_us: int
    blob: Blob


class Move(NamedTuple):
    """How far a spool is then read, and how far it must have been (`None`: not at all)."""

    to: SpoolPosition
    since: SpoolPosition | None


class Batch(Struct, frozen=True, kw_only=True):
    """What the recorder commits at once.

    Attributes:
        finishes: Outcomes, some perhaps stored before.
        annotations: What came later about requests, some perhaps stored before.
        spans: What applications told, some perhaps stored before.
        claims: The same, of whoever says that a request is theirs: it is stored once the request
            is, and is its tenant's.
        blobs: Content; the same piece may come many times.
        opened: Requests that still run, new or changed; those that finished are no longer open.
        moves: How far each spool is then read.
    """

    finishes: tuple[Finish, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    spans: tuple[AppSpan, ...] = ()
    claims: tuple[Annotation, ...] = ()
    blobs: tuple[StoredBlob, ...] = ()
    opened: tuple[OpenRequest, ...] = ()
    moves: tuple[Move, ...] = ()


class Unclaimed(NamedTuple):
    """Claims that were dropped: of another tenant's request, and of one that never came."""

    refused: int
    orphaned: int


class PositionMoved(Exception):
    """Another keeper moved a spool position; nothing of the batch was stored."""


class Unstorable(Exception):
    """Something in a batch can never be stored; nothing of the batch was."""


class RecordWriter(Protocol):
    """Where the recorder commits. Content first, then everything that adds up in one step."""

    async def commit(self, batch: Batch) -> int:
        """Store a batch exactly once; gives the number of outcomes that were new.

        Raises:
            PositionMoved: another keeper is active; nothing was stored.
            Unstorable: a value fits no column; nothing was stored.
            TryLater: the store is away; nothing was stored.
        """
        ...

    async def settle_claims(self, *, before_us: int) -> Unclaimed:
        """Store the claims whose request has come, and drop those made before an instant."""
        ...

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """Tell how far every spool has been committed."""
        ...

    async def opened(self) -> tuple[OpenRequest, ...]:
        """Tell which requests had begun and not ended then."""
        ...
