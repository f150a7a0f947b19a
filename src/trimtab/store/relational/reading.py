"""Reading records, content and sums back from whatever engine, while keepers write them."""

import json
import logging
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import starmap
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.errors import ModelRefused
from trimtab.domain.ids import ulid_ms
from trimtab.domain.record import Begin, LedgerLine, RequestRecord
from trimtab.store.base.ledger import Billed, CostRow, LedgerSum
from trimtab.store.base.limits import Spending
from trimtab.store.base.reading import (
    Cursor,
    Facet,
    RecordFilter,
    SavedFilter,
    Stratum,
    Took,
    Tried,
)
from trimtab.store.base.recording import InLedger, SpoolPosition, StoredRecord
from trimtab.store.base.sums import PromptRow, SeriesPoint, Use
from trimtab.store.content import Sealed, Unseal, Unsealing, is_whole, no_key
from trimtab.store.filtering import counted
from trimtab.store.relational.dialect import (
    ANNOTATION,
    ATTEMPT,
    LINE,
    REQUEST,
    SPAN,
    Connection,
    Dialect,
    Values,
)
from trimtab.store.relational.recording import position_of, unpacked
from trimtab.store.relational.rows import Table
from trimtab.store.rollup import DAY_US, HOUR_US, TotalKey, month_us, quantile_us
from trimtab.store.tally import Amount, Cell, Exemplar, Tally

LONGEST_QUERY_S = 5.0
MIN_PREFIX_CHARS = 6

_AFTER_ANY = "\x7f"
_ID_CHARS = 28
_FILLERS = ("0", "Z")
_ALWAYS_US = (1 << 63) - 1
_GROUPS = (
    "tenant_id",
    "feature",
    "model",
    "provider",
    "key_id",
    "prompt_name",
    "prompt_version",
    "experiment",
    "arm",
    "status",
)
_PROMPT_GROUPS: Mapping[str, str] = {
    "prompt": "prompt_name",
    "version": "prompt_version",
    "tenant_id": "tenant_id",
}
# A literal by itself is no group to Postgres.
_NO_GROUP = "CAST(NULL AS TEXT)"
_BILLED = Table(Billed)
_SUM_GROUPS = 5
_LONGEST_MONTH = 31
_MOST_DAYS = 4_000
_PAYERS = ("tenant_id", "feature", "user_hash", "key_id", "origin")

_begins = msgspec.msgpack.Decoder(Begin)
_T = TypeVar("_T")
log = logging.getLogger("trimtab")


class Reading(ABC):
    """Every reader of `store.base` that is about records, of one engine.

    Attributes:
        unsealer: What is sealed cannot be read without.
    """

    def __init__(self, dialect: Dialect, tenant_key: Callable[[str], bytes]) -> None:
        """Begin with nothing open."""
        self.dialect = dialect
        self._sql = dialect.records()
        self._groups = {name: name for name in _GROUPS} | {"day": dialect.day("bucket_us")}
        self._tenant_key = tenant_key
        self.unsealer: Unsealing | None = None

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Whether there is anything to read from."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""

    @abstractmethod
    async def do(self, work: Callable[[Connection], _T]) -> _T:
        """Run a query in a thread, given up after 5 s.

        Raises:
            TryLater: it takes too long, or the store is not there yet or cannot be read.
        """

    @abstractmethod
    async def stored(
        self, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key
    ) -> bytes | None:
        """Rebuild a content; `None` if a piece, or the whole day, is gone.

        Raises:
            Sealed: it needs `unseal`.
            ValueError: a piece cannot be read.
            TryLater: as `do`.
        """

    async def kept(self, work: Callable[[Connection], _T]) -> _T:
        """Run a query over single requests, where those are kept; else as `do`."""
        return await self.do(work)

    @abstractmethod
    def listed(
        self,
        connection: Connection,
        name: str,
        where: RecordFilter,
        after: Cursor | None,
        limit: int,
    ) -> list[Any]:
        """Run a statement over records that fit, newest first, behind a cursor."""

    async def find(self, request_id: str) -> StoredRecord | None:
        """See `RecordReader.find`."""
        if len(request_id) < MIN_PREFIX_CHARS:
            return None
        found = await self.kept(lambda connection: self._find(connection, request_id))
        if found is None:
            return None
        values = (found.record.request_id,) * 2
        lines = await self.do(partial(_fetched, self._sql["lines"], values))
        return replace(found, lines=tuple(LINE.struct(row) for row in lines))

    async def page(
        self, where: RecordFilter, *, after: Cursor | None = None, limit: int = 50
    ) -> tuple[RequestRecord, ...]:
        """See `RecordReader.page`."""
        rows = await self.kept(lambda it: self.listed(it, "page", where, after, limit))
        return tuple(REQUEST.struct(row) for row in rows)

    async def facets(self, where: RecordFilter, *, limit: int) -> tuple[Facet, ...]:
        """See `RecordReader.facets`."""
        rows = await self.kept(lambda it: self.listed(it, "facets", where, None, limit))
        return counted(rows)

    async def saved(self, owner: str) -> tuple[SavedFilter, ...]:
        """See `SavedFilterReader.saved`."""
        rows = await self.do(lambda it: it.execute(self._sql["saved_filters"], (owner,)).fetchall())
        return tuple(SavedFilter(owner=of, name=name, text=text) for of, name, text in rows)

    def run(
        self, connection: Connection, name: str, made: str, values: Sequence[object]
    ) -> list[Any]:
        """Run a statement over records, under conditions."""
        sql = self._sql[name].replace("/*where*/", made)
        return connection.execute(sql, values).fetchall()

    async def tried(
        self, *, providers: Collection[str], since_us: int, limit: int
    ) -> tuple[Tried, ...]:
        """See `RecordReader.tried`."""

        def read(connection: Connection) -> list[Any]:
            rows: list[Any] = []
            for provider in providers:
                asked = {"provider": provider, "since_us": since_us, "most": limit}
                rows += connection.execute(self._sql["tried"], asked)
            return rows

        return tuple(
            Tried(target, dur_us, error_code, bool(refused) or error_code == ModelRefused.code)
            for target, dur_us, error_code, refused in await self.kept(read)
        )

    async def took(self, *, prompt: str, since_us: int, limit: int) -> tuple[Took, ...]:
        """See `RecordReader.took`."""
        values = (prompt, since_us, limit)
        rows = await self.kept(partial(_fetched, self._sql["took"], values))
        return tuple(Took(*row) for row in rows)

    async def annotations(self, request_id: str) -> tuple[Annotation, ...]:
        """See `AnnotationReader.annotations`."""
        rows = await self.kept(partial(_fetched, self._sql["annotations"], (request_id,)))
        return tuple(ANNOTATION.struct(row) for row in rows)

    async def outline(
        self, tenant_id: str, trace_id: str, *, limit: int
    ) -> tuple[SpanOutline, ...]:
        """See `SpanReader.outline`."""
        values = (tenant_id, trace_id, limit)
        rows = await self.kept(partial(_fetched, self._sql["outline"], values))
        return tuple(starmap(SpanOutline, rows))

    async def spans(
        self, tenant_id: str, trace_id: str, span_ids: Collection[str]
    ) -> tuple[AppSpan, ...]:
        """See `SpanReader.spans`."""
        values = (tenant_id, trace_id, json.dumps(list(span_ids)))
        rows = await self.kept(partial(_fetched, self._sql["spans"], values))
        return tuple(SPAN.struct(row) for row in rows)

    async def told_of(
        self, tenant_id: str, request_id: str, response_id: str | None
    ) -> tuple[str, str] | None:
        """See `SpanReader.told_of`."""

        def look(connection: Connection) -> tuple[str, str] | None:
            ask = connection.execute
            return (
                ask(self._sql["told_of_request"], (tenant_id, request_id)).fetchone()
                or ask(self._sql["told_of_response"], (tenant_id, response_id)).fetchone()
            )

        return await self.kept(look)

    async def judged(self, *, since_us: int) -> Mapping[Stratum, int]:
        """See `AnnotationReader.judged`."""
        rows = await self.kept(partial(_fetched, self._sql["judged"], (since_us, since_us)))
        return {Stratum(prompt, tier): n for prompt, tier, n in rows}

    async def spent(self, budgets: Sequence[Spending]) -> InLedger:
        """Sum up what the lines of budgets cost, and tell what is under way.

        Raises:
            TryLater: it takes too long, or the file cannot be read.
        """
        return await self.do(lambda connection: self._spent(connection, budgets))

    async def ended(self, request_ids: Collection[str]) -> set[str]:
        """Tell which requests have their record."""
        values = (json.dumps(list(request_ids)),)
        rows = await self.do(lambda it: it.execute(self._sql["known"], values).fetchall())
        return {it for (it,) in rows}

    async def content(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """See `ContentReader.content`."""
        try:
            found = await self._unsealed(tenant_id, ts_us, ref)
        except ValueError as exc:
            log.error("content '%s' cannot be read: %s", ref.hex(), exc)  # noqa: TRY400 -- no bug
            return None
        if found is not None and not is_whole(found, ref, self._tenant_key(tenant_id)):
            log.error("content '%s' is not what was stored", ref.hex())
            return None
        return found

    async def _unsealed(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """Rebuild a content. Only what is sealed asks for a key, each time: it may be destroyed."""
        try:
            return await self.stored(tenant_id, ts_us, ref)
        except Sealed:
            if self.unsealer is None:
                raise
        unseal = await self.unsealer(tenant_id)
        if unseal is None:
            return None
        return await self.stored(tenant_id, ts_us, ref, unseal)

    async def costs(
        self,
        *,
        since_us: int,
        until_us: int,
        group_by: Sequence[str],
        tenant_id: str | None = None,
    ) -> tuple[CostRow, ...]:
        """See `RollupReader.costs`."""
        name, values = _costs_of(since_us, until_us, tenant_id)
        columns = ", ".join(self._groups[group] for group in group_by) or _NO_GROUP
        sql = self._sql[name].replace("/*group*/", columns)
        rows = await self.do(lambda it: it.execute(sql, values).fetchall())
        return tuple(_cost_row(row, len(group_by)) for row in rows)

    async def billed(self, *, since_us: int, until_us: int) -> tuple[Billed, ...]:
        """See `LedgerReader.billed`."""
        values = (since_us, until_us)
        rows = await self.do(lambda it: it.execute(self._sql["billed"], values).fetchall())
        return tuple(_BILLED.struct(row) for row in rows)

    async def series(
        self, *, since_us: int, until_us: int, tenant_id: str | None = None
    ) -> tuple[SeriesPoint, ...]:
        """See `RollupReader.series`."""
        values = (since_us, until_us, tenant_id, tenant_id)
        rows = await self.do(lambda it: it.execute(self._sql["series"], values).fetchall())
        minutes: defaultdict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        for bucket_us, *sums in rows:
            minutes[bucket_us].append((sums[0], sums[1], sums[2], sums[3]))
        return tuple(_point(bucket_us, found) for bucket_us, found in minutes.items())

    async def used(self, *, since_us: int) -> tuple[Use, ...]:
        """See `RollupReader.used`."""
        hour_us = since_us - since_us % HOUR_US
        rows = await self.do(lambda it: it.execute(self._sql["used"], (hour_us,)).fetchall())
        return tuple(Use(*row) for row in rows)

    async def prompted(
        self, *, since_us: int, group_by: Sequence[str], name: str | None = None
    ) -> tuple[PromptRow, ...]:
        """See `RollupReader.prompted`."""
        columns = ", ".join(_PROMPT_GROUPS[group] for group in group_by)
        sql = self._sql["prompted"].replace("/*group*/", columns)
        values = (since_us - since_us % HOUR_US, name, name)
        rows = await self.do(lambda it: it.execute(sql, values).fetchall())
        return tuple(
            PromptRow(
                group=tuple(group), n=n, n_error=n_error, n_unpriced=n_unpriced, cost_nano=cost_nano
            )
            for *group, n, n_error, n_unpriced, cost_nano in rows
        )

    async def totals(self) -> tuple[CostRow, ...]:
        """See `RollupReader.totals`."""
        rows = await self.do(lambda it: it.execute(self._sql["totals"]).fetchall())
        return tuple(_cost_row(row, len(TotalKey._fields)) for row in rows)

    async def tallies(self) -> Mapping[Cell, Amount]:
        """See `RollupReader.tallies`."""
        rows = await self.do(lambda it: it.execute(self._sql["counters"]).fetchall())
        return {
            Cell(Tally(which), tuple(json.loads(labels)), bucket): Amount(
                n, total, Exemplar(*shown) if shown[0] else None
            )
            for which, labels, bucket, n, total, *shown in rows
        }

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """See `RecordWriter.positions`."""
        rows = await self.do(lambda it: it.execute(self._sql["positions"]).fetchall())
        return tuple(map(position_of, rows))

    async def payers(self) -> tuple[str, ...]:
        """See `LineReader.payers`."""
        rows = await self.do(lambda it: it.execute(self._sql["payers"]).fetchall())
        return tuple(tenant_id for (tenant_id,) in rows)

    async def ledger(
        self,
        *,
        tenant_id: str,
        since_us: int,
        until_us: int,
        after: Cursor | None = None,
        limit: int = 5_000,
    ) -> tuple[LedgerLine, ...]:
        """See `LineReader.ledger`."""
        place = (since_us, "") if after is None else (after.ts_us, after.request_id)
        # From where it stands on, not from the beginning each time.
        values = (tenant_id, max(since_us, place[0]), until_us, *place, limit)
        rows = await self.do(lambda it: it.execute(self._sql["ledger"], values).fetchall())
        return tuple(LINE.struct(row) for row in rows)

    async def sums(self, *, tenant_id: str, months: Collection[str]) -> tuple[LedgerSum, ...]:
        """See `LineReader.sums`."""
        totals: dict[tuple[str, ...], LedgerSum] = {}
        for month in sorted(set(months)):
            # A day may begin up to 14 hours from that of UTC. Day by day, no query is a long one.
            for day in range(-1, _LONGEST_MONTH + 1):
                since_us = month_us(month) + day * DAY_US
                values = (tenant_id, since_us, since_us + DAY_US, month)
                rows = await self.do(partial(_fetched, self._sql["ledger_sums"], values))
                for row in rows:
                    found = LedgerSum(*row)
                    before = totals.get(found[:_SUM_GROUPS])
                    totals[found[:_SUM_GROUPS]] = _added(found, before) if before else found
        return tuple(totals[group] for group in sorted(totals))

    def _find(self, connection: Connection, request_id: str) -> StoredRecord | None:
        since_us, until_us = span_us(request_id)
        asked = {
            "first": request_id,
            "behind": request_id + _AFTER_ANY,
            "since_us": since_us,
            "until_us": until_us,
        }
        found = connection.execute(self._sql["find"], asked).fetchall()
        records = [REQUEST.struct(row) for row in found]
        exact = [record for record in records if record.request_id == request_id]
        if len(records) != 1 and not exact:
            return None
        record = (exact or records)[0]
        key = {"request_id": record.request_id, "ts_us": record.ts_us}
        (detail,) = connection.execute(self._sql["detail"], key).fetchone()
        attempts = connection.execute(self._sql["attempts"], key).fetchall()
        return StoredRecord(
            record=record,
            detail=unpacked(detail),
            attempts=tuple(ATTEMPT.struct(row) for row in attempts),
            lines=(),
        )

    def _spent(self, connection: Connection, budgets: Sequence[Spending]) -> InLedger:
        connection.execute(self.dialect.snapshot)
        try:
            sums = tuple(self._sum(connection, it) for it in budgets)
            opened = connection.execute(self._sql["opened"]).fetchall()
            places = connection.execute(self._sql["positions"]).fetchall()
        finally:
            connection.execute("COMMIT")
        begins = tuple(_begins.decode(begin) for _, begin, *_ in opened)
        return InLedger(sums, begins, tuple(map(position_of, places)))

    def _sum(self, connection: Connection, of: Spending) -> tuple[int, int]:
        names = [it for it in _PAYERS if getattr(of, it) is not None]
        # Sums by the hour know whole hours, and not every feature.
        by_hour = of.since_us % HOUR_US == 0 and not {"feature", "user_hash"} & set(names)
        where = " AND ".join(f"{name} = ?" for name in names) or "TRUE"
        sql = self._sql["spent_by_hour" if by_hour else "spent_by_line"].replace("/*where*/", where)
        values = (of.since_us, of.until_us, *(getattr(of, name) for name in names))
        cost_nano, unpriced = connection.execute(sql, values).fetchone()
        return cost_nano, unpriced


def span_us(request_id: str) -> tuple[int, int]:
    """Tell when a request with such an id, or one that begins so, was admitted."""
    first_ms, last_ms = (
        ulid_ms(request_id[:_ID_CHARS].ljust(_ID_CHARS, filler)) for filler in _FILLERS
    )
    if first_ms is None or last_ms is None or request_id[2:] != request_id[2:].upper():
        return 0, _ALWAYS_US
    # A whole id tells the millisecond; of one that somebody cut off, near is enough.
    spare_us = 0 if len(request_id) >= _ID_CHARS else DAY_US
    return first_ms * 1000 - spare_us, (last_ms + 1) * 1000 + spare_us


def _costs_of(
    since_us: int, until_us: int, tenant_id: str | None
) -> tuple[str, tuple[int | str, ...]]:
    """Choose the statement for a span. Day by day, no other tenant's sums are read."""
    if tenant_id is None:
        return "costs", (since_us, until_us)
    days = range(-(-since_us // DAY_US) * DAY_US, until_us, DAY_US)
    if len(days) > _MOST_DAYS:
        return "costs_of_tenant_ever", (since_us, until_us, tenant_id)
    return "costs_of_tenant", (json.dumps([*days]), tenant_id)


def _fetched(sql: str, values: Values, connection: Connection) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def _added(one: LedgerSum, other: LedgerSum) -> LedgerSum:
    return one._replace(
        n=one.n + other.n,
        n_unpriced=one.n_unpriced + other.n_unpriced,
        cost_nano=one.cost_nano + other.cost_nano,
    )


def _cost_row(row: Sequence[Any], groups: int) -> CostRow:
    n, n_estimated, n_unpriced, input_tokens, cached_tokens, output_tokens, cost = row[-7:]
    return CostRow(
        group=tuple(row[:groups]),
        n=n,
        n_estimated=n_estimated,
        n_unpriced=n_unpriced,
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        cost_nano=cost,
    )


def _point(bucket_us: int, found: Sequence[tuple[int, int, int, int]]) -> SeriesPoint:
    counts = {index: n for index, n, _, _ in found}
    return SeriesPoint(
        bucket_us=bucket_us,
        n=sum(n for _, n, _, _ in found),
        n_error=sum(n_error for _, _, n_error, _ in found),
        cost_nano=sum(cost_nano for _, _, _, cost_nano in found),
        p50_us=quantile_us(counts, 0.5),
        p95_us=quantile_us(counts, 0.95),
    )
