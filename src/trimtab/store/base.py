"""Store protocols, one per noun. `store.memory` is the reference for all of them.

A method is one atomic step, safe to repeat, and returns what it did. Ids, times and amounts are
made by the caller.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from msgspec import Struct

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.audit import Reading
from trimtab.domain.change import Change, Draft
from trimtab.domain.erasure import Erasure
from trimtab.domain.record import (
    Attempt,
    Begin,
    Blob,
    Detail,
    Finish,
    LedgerLine,
    Origin,
    RequestRecord,
)
from trimtab.domain.tenant import RESERVED_PREFIX, WhenAway
from trimtab.store.tally import Amount, Cell
from trimtab.store.terms import Said, Term


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Which `config_seq` a worker runs, since when."""

    worker_id: str
    config_seq: int
    ts_us: int


class Account(Struct, frozen=True, kw_only=True):
    """Somebody who may log in to the console. `password` is a salted hash."""

    name: str
    role: str
    password: str


class ChangeLog(Protocol):
    """The append-only, hash-chained change log."""

    async def append(
        self,
        drafts: Sequence[Draft],
        *,
        ts_us: int,
        change_ids: Sequence[str],
        at: int | None = None,
    ) -> tuple[Change, ...]:
        """Append all drafts or none. A draft that would change nothing is left out.

        With `at` nothing is appended unless the log ends there, so that whoever looked at all of
        it decides about all of it.

        Raises:
            ChangeConflict: a pointer is not at its draft's `expected_seq` any more, or the log not
                at `at`.
            VersionImmutable: what a pointer holds is final.
        """
        ...

    async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
        """Read the entries above a sequence number, oldest first."""
        ...

    async def head(self) -> int:
        """Tell the newest sequence number, 0 when empty. Cheap enough to ask ten times a second."""
        ...

    async def moved(self) -> None:
        """Wait until it is time to ask for the head again: at once if told, else within a second.

        What is told is a hint; it never raises `TrimtabError`.
        """
        ...


class Acknowledgements(Protocol):
    """Who runs which configuration."""

    async def acknowledge(self, ack: Acknowledgement) -> None:
        """Say what a worker runs now."""
        ...

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """List what every worker said last, by worker id."""
        ...


class Accounts(Protocol):
    """People who may log in."""

    async def put_account(self, account: Account) -> None:
        """Add or replace an account."""
        ...

    async def account(self, name: str) -> Account | None:
        """Find an account by name."""
        ...

    async def accounts(self) -> tuple[Account, ...]:
        """List all accounts, by name."""
        ...


class AuditLog(Protocol):
    """Who read what not everybody may; append-only."""

    async def note(self, reading: Reading) -> None:
        """Add a row at the end.

        Raises:
            TryLater: it could not be added.
        """
        ...

    async def readings(self, *, before: int | None = None, limit: int) -> tuple[Reading, ...]:
        """List rows, newest first; `before` leaves out that `seq` and all above."""
        ...


class ContentKey(Struct, frozen=True, kw_only=True):
    """The key that a tenant's content is sealed under, wrapped by the master key.

    Attributes:
        key_id: 8 random bytes: which of a tenant's keys, if it had several.
    """

    tenant_id: str
    key_id: bytes
    wrapped: bytes


class ContentKeys(Protocol):
    """Keys that content is sealed under, at most one a tenant. Unlike changes they can go."""

    async def content_keys(self, tenant_id: str | None = None) -> tuple[ContentKey, ...]:
        """List the keys of all tenants, by tenant, or of one."""
        ...

    async def content_keys_mark(self) -> tuple[int, int]:
        """Tell how many keys there are, and a number of the newest: other keys, another mark."""
        ...

    async def add_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """Add keys; of several for one tenant the first stays."""
        ...

    async def rewrap_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """Put the same keys wrapped otherwise, all or none; one that is gone stays gone."""
        ...

    async def destroy_content_key(self, tenant_id: str) -> bool:
        """Make what was sealed for a tenant unreadable for ever; tells whether there was a key.

        No copy stays in the store itself.
        """
        ...


class ControlStore(ChangeLog, Acknowledgements, Accounts, AuditLog, ContentKeys, Protocol):
    """All that one control store keeps."""


class SharedControlStore(ControlStore, Protocol):
    """A control store of several hosts."""

    async def is_of(self, proof: str) -> bool:
        """Tell whether a host is of the site that the store is of; the first host decides."""
        ...

    async def close(self) -> None:
        """Let go of the store; the next call takes it again."""
        ...


class Unit(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    NANO = "nano"
    MICRO = "micro"


class Need(Struct, frozen=True, kw_only=True):
    """What a request asks of one limit.

    Attributes:
        name: Names the limit in a refusal, for example `tenant acme requests per minute`.
        scope: Identity of its counter; a change of size keeps the counter.
        kind: `slots`, `bucket`, or `window`: a counter of one span of a calendar, never refilled.
        size: Slots there are, units a full bucket holds, or units that may be spent in the window.
        per_s: Seconds in which an empty bucket refills; others ignore it.
        amount: Units asked for.
        ends_us: First instant after the window.
        enforced: Whether it may refuse; if not, it only counts.
        unit: What is counted; money in nano- or micro-USD.
    """

    name: str
    scope: str
    kind: str
    size: int
    per_s: float = 60.0
    amount: int = 1
    ends_us: int = 0
    enforced: bool = True
    unit: Unit = Unit.REQUESTS


class Spending(Struct, frozen=True, kw_only=True):
    """Lines of the ledger that one budget counts; `None` is all of a kind."""

    tenant_id: str | None = None
    feature: str | None = None
    user_hash: str | None = None
    key_id: str | None = None
    since_us: int = 0
    until_us: int = 0

    @property
    def origin(self) -> Origin | None:
        """Which origin counts; `None` is any: no tenant's own budget pays for what is tried out."""
        of_customer = self.tenant_id is not None and not self.tenant_id.startswith(RESERVED_PREFIX)
        return Origin.LIVE if of_customer else None


class Asker(Struct, frozen=True, kw_only=True):
    """Who holds, for stores that several workers share.

    Attributes:
        config_seq: The configuration that the request runs under.
        scopes: What kill switches may know it by.
        when_away: What becomes of it while the store is away; `None` leaves that to the store.
    """

    config_seq: int = 0
    scopes: tuple[str, ...] = ()
    when_away: WhenAway | None = None


NOBODY = Asker()
NOTHING: Mapping[str, int] = MappingProxyType({})


class Already(NamedTuple):
    """What counts against a budget as the records of a host have it.

    Attributes:
        spent: What its lines cost, in nano-USD.
        held: What requests hold that are under way, by request id.
        unpriced: Lines whose cost nobody knows; they count as 0, where a store booked an estimate.
    """

    spent: int
    held: Mapping[str, int] = NOTHING
    unpriced: int = 0


class Held(Struct, frozen=True, kw_only=True):
    """The answer to a hold.

    Attributes:
        denied: Index of the first need that was refused; `None` if all were granted.
        wait_s: Seconds until that need could pass; `None` if it depends on other requests.
        left: What remains of each need, in the order asked; empty when refused.
        stopped: Index of the scope that a newer configuration than the asker's stops.
        is_degraded: Whether this worker decided alone, for the shared store is away.
        unknown: Index of a window of which nobody has said yet what was spent in it before.
        fits_later: Whether the window that refused has room once what runs is settled.
        room: What is left of the window that refused.
    """

    denied: int | None = None
    wait_s: float | None = None
    left: tuple[int, ...] = ()
    stopped: int | None = None
    is_degraded: bool = False
    unknown: int | None = None
    fits_later: bool = False
    room: int | None = None


class LimitStore(Protocol):
    """Rates, slots and budgets. One call decides all needs of a request, all or nothing."""

    async def hold(
        self, request_id: str, needs: Sequence[Need], *, lease_s: float, asker: Asker = NOBODY
    ) -> Held:
        """Take what every need asks, or nothing. Asking twice for a request answers the same.

        Raises:
            LimitsUnavailable: the store is away, and the asker may not go on without.
        """
        ...

    async def settle(self, request_id: str, actual: Sequence[int]) -> None:
        """Free the slots and correct each bucket to what was really used, once."""
        ...

    async def prime(self, need: Need, spent: int, held: Mapping[str, int] = NOTHING) -> None:
        """Say what was spent in a window before, as the ledger of this host has it; once.

        With it goes what requests hold that the records say are under way, by their ids.
        """
        ...

    async def renew(self, *, lease_s: float) -> None:
        """Begin anew the leases of what this process holds; those of a dead one run out."""
        ...


class Counter(Struct, frozen=True, kw_only=True):
    """A window that workers share, as it stands.

    Attributes:
        spent: What counts against the budget, of all hosts, and of whom nobody knows the end of.
        held: What running requests hold of it.
        booked: What of `spent` was booked of this host; its ledger says the same.
        astray: By how much `spent` and `held` are more than the sum of their parts.
        requests: Requests of this host that hold something, and whether their lease still runs.
    """

    spent: int
    held: int
    booked: int
    astray: tuple[int, int] = (0, 0)
    requests: Mapping[str, bool] = MappingProxyType({})


class CounterStore(Protocol):
    """Windows that workers share, for who compares them with the ledger of a host."""

    async def look(self, need: Need) -> Counter | None:
        """Read a window; `None` if the ledger of this host was not counted in."""
        ...

    async def mend(self, need: Need, more: int, ended: Collection[str] = ()) -> bool:
        """Book so much more of this host, and let go of what ended requests hold; all or nothing.

        What is booked of one that ended is in `more`: its settlement, if it still comes, changes
        nothing. `False`: one of them holds nothing any more, so what was seen is not true now.
        """
        ...


class SharedLimitStore(LimitStore, Protocol):
    """Limits that several workers share through an engine, which may be away."""

    @property
    def is_up(self) -> bool:
        """Whether the engine answers."""
        ...

    def publish(self, config_seq: int, stopped: Mapping[str, int | None]) -> None:
        """Let workers with an older configuration know what is stopped, until which instant."""
        ...

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        ...

    async def started(self) -> None:
        """Wait until it is known whether the engine answers."""
        ...


class Claim(Struct, frozen=True, kw_only=True):
    """Which request has an idempotency key, and what came of it.

    Attributes:
        asked: Hash of what it asked for.
        done: Whether it was carried out.
        answer: What it was answered, if that can be given again.
    """

    request_id: str
    asked: bytes
    done: bool = False
    answer: bytes | None = None


class IdempotencyStore(Protocol):
    """Keys under which callers send a request, perhaps more than once."""

    async def claim(self, key: str, claim: Claim, *, lease_s: float) -> Claim | None:
        """Take a key; if another request has it, give that one's claim and change nothing.

        Who does not say how it ended has the key for as long as the lease.
        """
        ...

    async def keep(self, key: str, claim: Claim, *, for_s: float) -> None:
        """Say what came of the request that has a key; nothing happens if it has it no more."""
        ...

    async def free(self, key: str, request_id: str) -> None:
        """Give a key back, if that request still has it."""
        ...


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


class KeeperStore(
    RecordWriter,
    LedgerWriter,
    SearchIndex,
    SavedFilterWriter,
    Eraser,
    HoldStore,
    RetentionStore,
    Protocol,
):
    """What a keeper writes into."""

    async def leads(self) -> bool:
        """Whether this keeper does what one of all keepers of the store does, for them all.

        Raises:
            TryLater: the store is away.
        """
        ...

    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""
        ...


class SharedKeeperStore(KeeperStore, Protocol):
    """A record store of several hosts."""

    async def is_of(self, proof: str) -> bool:
        """Tell whether a host is of the site that the records are of; the first host decides."""
        ...

    async def keeps_as_others(self) -> bool:
        """Tell whether other hosts keep single requests where this one does; the first decides."""
        ...


class SeriesPoint(Struct, frozen=True, kw_only=True):
    """One minute of live traffic; percentiles of latency are within 4.5 %."""

    bucket_us: int
    n: int
    n_error: int
    cost_nano: int
    p50_us: int | None
    p95_us: int | None


class Use(NamedTuple):
    """Who called which model."""

    tenant_id: str
    key_id: str
    model: str


class PromptRow(Struct, frozen=True, kw_only=True):
    """Live requests with prompts, summed up over one group.

    `cost_nano` leaves out `n_unpriced` requests.
    """

    group: tuple[str, ...]
    n: int
    n_error: int
    n_unpriced: int
    cost_nano: int


class RollupReader(Protocol):
    """Sums by hour and day. Equal to the sum of ledger lines, exactly."""

    async def costs(
        self,
        *,
        since_us: int,
        until_us: int,
        group_by: Sequence[str],
        tenant_id: str | None = None,
    ) -> tuple[CostRow, ...]:
        """Sum live cost of configured models from daily rollups, dearest group first.

        `group_by` names columns of: `tenant_id`, `feature`, `model`, `provider`, `key_id`,
        `prompt_name`, `prompt_version`, `experiment`, `arm`, `status`, `day`, `origin`. By origin
        all are summed, not only what is live.
        Days begin at the tenant's midnight if one is named, else at midnight UTC; a day is in the
        span if its date, taken as UTC, is.
        """
        ...

    async def series(
        self, *, since_us: int, until_us: int, tenant_id: str | None = None
    ) -> tuple[SeriesPoint, ...]:
        """Give the live traffic by minute, oldest first, buckets without traffic left out."""
        ...

    async def used(self, *, since_us: int) -> tuple[Use, ...]:
        """Tell who called what since the hour of an instant; what was rejected does not count."""
        ...

    async def prompted(
        self, *, since_us: int, group_by: Sequence[str], name: str | None = None
    ) -> tuple[PromptRow, ...]:
        """Sum live requests with prompts since the hour of an instant, in the order of groups.

        `group_by` names columns of: `prompt`, `version`, `tenant_id`; `name` is of one prompt. What
        was rejected does not count.
        """
        ...

    async def tallies(self) -> Mapping[Cell, Amount]:
        """Give what is counted of all outcomes stored, by kind, series and bucket."""
        ...
