"""The reference implementation of the record stores, in dicts."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import astuple, replace

from trimtab.domain.annotation import Annotation, AnnotationKind, AnnotationSource
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.errors import ModelRefused
from trimtab.domain.record import (
    Attempt,
    Blob,
    Finish,
    LedgerLine,
    Origin,
    RequestRecord,
    Status,
)
from trimtab.domain.tenant import RESERVED_PREFIX
from trimtab.store.base.ledger import Billed, CostRow, LedgerSum
from trimtab.store.base.reading import (
    FACETS,
    Cursor,
    Facet,
    RecordFilter,
    SavedFilter,
    Stratum,
    Took,
    Tried,
)
from trimtab.store.base.recording import (
    Batch,
    Move,
    OpenRequest,
    PositionMoved,
    SpoolPosition,
    StoredRecord,
    Unclaimed,
    Unstorable,
)
from trimtab.store.base.sums import PromptRow, SeriesPoint, Use
from trimtab.store.bodies import answered_words, asked_words
from trimtab.store.content import SEALED, Sealed, Unsealing, assemble, is_whole
from trimtab.store.filtering import counted, fits, has_phrase
from trimtab.store.rollup import (
    DAY_US,
    FAILED,
    HOUR_US,
    Buckets,
    Key,
    Known,
    MinuteKey,
    MinuteSums,
    Sums,
    adjusted,
    bounded,
    buckets,
    is_estimate,
    minute,
    parts,
    quantile_us,
)
from trimtab.store.tally import Amount, Cell, Scored, is_scored, tally

MIN_PREFIX_CHARS = 6

_INT64 = range(-(1 << 63), 1 << 63)
_Days = dict[tuple[int, Key], Sums]


class MemoryRecords:
    """The record stores and the ledger of `store.base`, in dicts.

    Atomic because no method awaits anything. State: records, annotations, claims, spans,
    adjustments, content by tenant and day with its words, requests that run, spool positions,
    sums, counters, the features that have some of their own, and filters with a name.
    """

    def __init__(self, tenant_key: Callable[[str], bytes]) -> None:
        self._tenant_key = tenant_key
        self.unsealer: Unsealing | None = None
        self._records: dict[str, StoredRecord] = {}
        self._annotations: dict[str, Annotation] = {}
        self._spans: dict[tuple[str, str], dict[str, AppSpan]] = {}
        self._claims: dict[str, Annotation] = {}
        self._adjustments: dict[str, LedgerLine] = {}
        self._blobs: dict[tuple[str, int, bytes], Blob] = {}
        self._open: dict[str, OpenRequest] = {}
        self._positions: dict[str, SpoolPosition] = {}
        self._days: _Days = {}
        self._hours: _Days = {}
        self._local_days: _Days = {}
        self._minutes: dict[MinuteKey, MinuteSums] = {}
        self._known: dict[str, Known] = {}
        self._counters: dict[Cell, Amount] = {}
        self._counted: set[str] = set()
        self._due: set[str] = set()
        self._words: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._saved: dict[tuple[str, str], SavedFilter] = {}

    async def commit(self, batch: Batch) -> int:
        """See `RecordWriter.commit`."""
        _check_storable(batch)
        for move in batch.moves:
            self._check_move(move)
        for tenant_id, ts_us, blob in batch.blobs:
            key = tenant_id, ts_us // DAY_US, blob.ref
            known = self._blobs.get(key)
            if known is None or known.codec.endswith(SEALED):
                self._blobs[key] = blob
        fresh = [finish for finish in batch.finishes if self._put(finish)]
        scored = self._scored(batch.annotations)
        for finish in batch.finishes:
            self._open.pop(finish.record.request_id, None)
        for it in batch.annotations:
            self._annotations.setdefault(it.annotation_id, it)
        for it in batch.spans:
            self._spans.setdefault((it.tenant_id, it.trace_id), {}).setdefault(it.span_id, it)
        for cell, amount in tally(fresh, scored, self._counted):
            self._counters[cell] = self._counters.get(cell, Amount(0, 0)).plus(amount)
        self._claim(batch.claims)
        self._open.update((it.begin.request_id, it) for it in batch.opened)
        self._positions.update((it.to.worker_id, it.to) for it in batch.moves)
        return len(fresh)

    async def settle_claims(self, *, before_us: int) -> Unclaimed:
        """See `RecordWriter.settle_claims`."""
        self._accept({it.request_id for it in self._claims.values()})
        refused = [key for key, it in self._claims.items() if it.request_id in self._records]
        for key in refused:
            del self._claims[key]
        orphaned = [key for key, it in self._claims.items() if it.ts_us < before_us]
        for key in orphaned:
            del self._claims[key]
        return Unclaimed(len(refused), len(orphaned))

    def _claim(self, claims: Sequence[Annotation]) -> None:
        for it in claims:
            if it.annotation_id not in self._annotations:
                self._claims.setdefault(it.annotation_id, it)
        self._accept({it.request_id for it in claims})

    def _accept(self, request_ids: Collection[str]) -> None:
        for key, it in list(self._claims.items()):
            stored = self._records.get(it.request_id)
            ours = stored is not None and stored.record.tenant_id == it.tenant_id
            if ours and it.request_id in request_ids:
                self._annotations.setdefault(key, self._claims.pop(key))

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """See `RecordWriter.positions`."""
        return tuple(position for _, position in sorted(self._positions.items()))

    async def opened(self) -> tuple[OpenRequest, ...]:
        """See `RecordWriter.opened`."""
        return tuple(request for _, request in sorted(self._open.items()))

    async def find(self, request_id: str) -> StoredRecord | None:
        """See `RecordReader.find`."""
        if len(request_id) < MIN_PREFIX_CHARS:
            return None
        found = [known for known in self._records if known.startswith(request_id)]
        if request_id in found:
            return self._records[request_id]
        return self._records[found[0]] if len(found) == 1 else None

    async def page(
        self, where: RecordFilter, *, after: Cursor | None = None, limit: int = 50
    ) -> tuple[RequestRecord, ...]:
        """See `RecordReader.page`."""
        found = [it.record for it in self._records.values() if self._fits(it.record, where)]
        if after is not None:
            found = [it for it in found if (it.ts_us, it.request_id) < astuple(after)]
        found.sort(key=lambda it: (it.ts_us, it.request_id), reverse=True)
        return tuple(found[:limit])

    async def facets(self, where: RecordFilter, *, limit: int) -> tuple[Facet, ...]:
        """See `RecordReader.facets`."""
        found = await self.page(where, limit=limit)
        return counted([getattr(it, name) for name in FACETS] for it in found)

    async def index(self, allows: Callable[[str], bool], *, limit: int) -> int:
        """See `SearchIndex.index`."""
        due = sorted(self._due)[:limit]
        for request_id in due:
            record = self._records[request_id].record
            if allows(record.tenant_id):
                asked, answered = [
                    (ref and await self.content(record.tenant_id, record.ts_us, ref)) or b""
                    for ref in (record.input_ref, record.output_ref)
                ]
                self._words[request_id] = asked_words(asked), answered_words(answered)
        self._due.difference_update(due)
        return len(due)

    async def save(self, saved: SavedFilter) -> None:
        """See `SavedFilterWriter.save`."""
        self._saved[saved.name, saved.owner] = saved

    async def unsave(self, owner: str, name: str) -> None:
        """See `SavedFilterWriter.unsave`."""
        self._saved.pop((name, owner), None)

    async def saved(self, owner: str) -> tuple[SavedFilter, ...]:
        """See `SavedFilterReader.saved`."""
        found = [it for it in self._saved.values() if it.owner in (owner, "")]
        return tuple(sorted(found, key=lambda it: (it.name, not it.owner)))

    def _fits(self, record: RequestRecord, where: RecordFilter) -> bool:
        said = [it for it in self._annotations.values() if it.request_id == record.request_id]
        said.sort(key=lambda it: (it.ts_us, it.annotation_id))
        texts = self._words.get(record.request_id, ())
        return fits(record, where, said) and all(
            any(has_phrase(text, phrase) for text in texts) for phrase in where.phrases
        )

    async def tried(
        self, *, providers: Collection[str], since_us: int, limit: int
    ) -> tuple[Tried, ...]:
        """See `RecordReader.tried`."""
        live = [it for it in self._records.values() if it.record.origin == Origin.LIVE]
        made = [(it.record, attempt) for it in live for attempt in it.attempts]
        made.sort(key=lambda it: -it[1].started_us)
        return tuple(
            _tried(record, attempt)
            for provider in providers
            for record, attempt in [
                it for it in made if it[1].provider == provider and it[1].started_us >= since_us
            ][:limit]
        )

    async def took(self, *, prompt: str, since_us: int, limit: int) -> tuple[Took, ...]:
        """See `RecordReader.took`."""
        found = [
            it.record
            for it in self._records.values()
            if it.record.prompt_name == prompt
            and it.record.ts_us >= since_us
            and it.record.origin == Origin.LIVE
            and it.record.status != Status.REJECTED
        ]
        found.sort(key=lambda it: (it.ts_us, it.request_id), reverse=True)
        return tuple(Took(it.prompt_version or "", it.latency_us) for it in found[:limit])

    async def annotations(self, request_id: str) -> tuple[Annotation, ...]:
        """See `AnnotationReader.annotations`."""
        found = [it for it in self._annotations.values() if it.request_id == request_id]
        return tuple(sorted(found, key=lambda it: (it.ts_us, it.annotation_id)))

    async def outline(
        self, tenant_id: str, trace_id: str, *, limit: int
    ) -> tuple[SpanOutline, ...]:
        """See `SpanReader.outline`."""
        found = self._of_trace(tenant_id, trace_id)[:limit]
        return tuple(
            SpanOutline(it.span_id, it.parent_span_id, it.ts_us, it.end_us, it.view) for it in found
        )

    async def spans(
        self, tenant_id: str, trace_id: str, span_ids: Collection[str]
    ) -> tuple[AppSpan, ...]:
        """See `SpanReader.spans`."""
        return tuple(it for it in self._of_trace(tenant_id, trace_id) if it.span_id in span_ids)

    async def told_of(
        self, tenant_id: str, request_id: str, response_id: str | None
    ) -> tuple[str, str] | None:
        """See `SpanReader.told_of`."""
        of_tenant = [
            it
            for (tenant, _), found in self._spans.items()
            if tenant == tenant_id
            for it in found.values()
        ]
        of_request = [it for it in of_tenant if it.request_id == request_id]
        of_response = [it for it in of_tenant if it.response_id == response_id is not None]
        for it in sorted(of_request, key=_by_time) or sorted(of_response, key=_by_time):
            return it.trace_id, it.span_id
        return None

    def _of_trace(self, tenant_id: str, trace_id: str) -> list[AppSpan]:
        return sorted(self._spans.get((tenant_id, trace_id), {}).values(), key=_by_time)

    async def judged(self, *, since_us: int) -> Mapping[Stratum, int]:
        """See `AnnotationReader.judged`."""
        wanted = AnnotationKind.EVALUATION, AnnotationSource.JUDGE
        scored = {
            it.request_id for it in self._annotations.values() if (it.kind, it.source) == wanted
        }
        found = [self._records[it].record for it in scored if it in self._records]
        return Counter(
            Stratum(it.prompt_name or "", it.tier) for it in found if it.ts_us >= since_us
        )

    async def content(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """See `ContentReader.content`."""
        try:
            found = await self._assembled(tenant_id, ts_us, ref)
        except ValueError:
            return None
        if found is None or not is_whole(found, ref, self._tenant_key(tenant_id)):
            return None
        return found

    async def _assembled(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        def get(ref: bytes) -> Blob | None:
            return self._blobs.get((tenant_id, ts_us // DAY_US, ref))

        try:
            return assemble(get, ref)
        except Sealed:
            unseal = await self.unsealer(tenant_id) if self.unsealer else None
        return None if unseal is None else assemble(get, ref, unseal)

    async def costs(
        self,
        *,
        since_us: int,
        until_us: int,
        group_by: Sequence[str],
        tenant_id: str | None = None,
    ) -> tuple[CostRow, ...]:
        """See `RollupReader.costs`."""
        groups: dict[tuple[str, ...], Sums] = {}
        days = self._days if tenant_id is None else self._local_days
        for (bucket_us, key), sums in days.items():
            asked = since_us <= bucket_us < until_us and tenant_id in (None, key.tenant_id)
            ours = tenant_id is not None and tenant_id.startswith(RESERVED_PREFIX)
            counts = ours or key.origin == Origin.LIVE or "origin" in group_by
            if asked and counts and key.model:
                named = {**key._asdict(), "day": _date(bucket_us)}
                group = tuple(named[name] for name in group_by)
                groups[group] = groups.get(group, Sums()).plus(sums)
        rows = [_cost_row(group, sums) for group, sums in groups.items()]
        return tuple(sorted(rows, key=lambda row: (-row.cost_nano, row.group)))

    async def series(
        self, *, since_us: int, until_us: int, tenant_id: str | None = None
    ) -> tuple[SeriesPoint, ...]:
        """See `RollupReader.series`."""
        points: dict[int, dict[int, MinuteSums]] = {}
        for (bucket_us, tenant, index), sums in sorted(self._minutes.items()):
            if since_us <= bucket_us < until_us and tenant_id in (None, tenant):
                point = points.setdefault(bucket_us, {})
                point[index] = point.get(index, MinuteSums(0, 0, 0)).plus(sums)
        return tuple(_point(bucket_us, found) for bucket_us, found in points.items())

    async def used(self, *, since_us: int) -> tuple[Use, ...]:
        """See `RollupReader.used`."""
        since_us -= since_us % HOUR_US
        found = {
            Use(key.tenant_id, key.key_id, key.model)
            for (hour_us, key), sums in self._hours.items()
            if hour_us >= since_us and sums.n and key.model and _is_use(key)
        }
        return tuple(sorted(found))

    async def prompted(
        self, *, since_us: int, group_by: Sequence[str], name: str | None = None
    ) -> tuple[PromptRow, ...]:
        """See `RollupReader.prompted`."""
        since_us -= since_us % HOUR_US
        groups: dict[tuple[str, ...], PromptRow] = {}
        for (hour_us, key), sums in self._hours.items():
            asked = hour_us >= since_us and name in (None, key.prompt_name)
            if asked and key.prompt_name and _is_use(key):
                named = {
                    "prompt": key.prompt_name,
                    "version": key.prompt_version,
                    "tenant_id": key.tenant_id,
                }
                group = tuple(named[it] for it in group_by)
                groups[group] = _with(groups.get(group), group, key, sums)
        return tuple(row for _, row in sorted(groups.items()))

    async def billed(self, *, since_us: int, until_us: int) -> tuple[Billed, ...]:
        """See `LedgerReader.billed`."""
        groups: dict[tuple[str, ...], Billed] = {}
        for line in self._lines():
            if since_us <= line.ts_us < until_us:
                day = _date(line.ts_us - line.ts_us % DAY_US)
                group = (day, line.provider, line.account, line.model_sent)
                groups[group] = _plus(groups.get(group), group, line)
        return tuple(row for _, row in sorted(groups.items()))

    async def adjust(self, lines: Sequence[LedgerLine]) -> int:
        """See `LedgerWriter.adjust`."""
        fresh = {it.line_id: it for it in reversed(lines) if it.line_id not in self._adjustments}
        try:
            added = [adjusted(line) for line in fresh.values()]
        except ValueError as exc:
            raise Unstorable(str(exc)) from exc
        for line in fresh.values():
            _check_numbers(line)
        for starts, key, sums in added:
            self._add(starts, key, sums)
        self._adjustments |= fresh
        return len(fresh)

    def _add(self, starts: Buckets, key: Key, sums: Sums) -> None:
        known = self._known.setdefault(key.tenant_id, Known(set(), set()))
        kept = bounded(key, known)
        for days, start_us in (
            (self._hours, starts.hour_us),
            (self._days, starts.day_us),
            (self._local_days, starts.local_day_us),
        ):
            days[start_us, kept] = days.get((start_us, kept), Sums()).plus(sums)

    async def payers(self) -> tuple[str, ...]:
        """See `LineReader.payers`."""
        return tuple(sorted({line.tenant_id for line in self._lines()}))

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
        found = [
            line
            for line in self._lines()
            if line.tenant_id == tenant_id
            and since_us <= line.ts_us < until_us
            and (line.ts_us, line.line_id) > place
        ]
        return tuple(sorted(found, key=lambda line: (line.ts_us, line.line_id))[:limit])

    async def sums(self, *, tenant_id: str, months: Collection[str]) -> tuple[LedgerSum, ...]:
        """See `LineReader.sums`."""
        sums: defaultdict[tuple[str, str, str, str, str], list[int]]
        sums = defaultdict(lambda: [0, 0, 0])
        for line in self._lines():
            month = line.day_local[:7] or _date(line.ts_us)[:7]
            if line.tenant_id == tenant_id and line.origin == Origin.LIVE and month in months:
                group = (month, line.kind, line.feature, line.model_requested)
                found = sums[*group, line.price_version or ""]
                found[0] += 1
                found[1] += line.cost_nano is None
                found[2] += line.cost_nano or 0
        return tuple(
            LedgerSum(*group, n, none, cost) for group, (n, none, cost) in sorted(sums.items())
        )

    async def tallies(self) -> Mapping[Cell, Amount]:
        """See `RollupReader.tallies`."""
        return dict(self._counters)

    def _scored(self, annotations: Sequence[Annotation]) -> list[Scored]:
        scores = {it.annotation_id: it for it in reversed(annotations) if is_scored(it)}
        found: list[Scored] = []
        for annotation_id, it in scores.items():
            if annotation_id not in self._annotations:
                stored = self._records.get(it.request_id)
                record = stored.record if stored else None
                names = record and (record.prompt_name, record.prompt_version)
                prompt, number = names or (None, None)
                found.append(Scored(it, prompt or "", number or ""))
        return found

    def _lines(self) -> Iterable[LedgerLine]:
        for stored in self._records.values():
            yield from stored.lines
        yield from self._adjustments.values()

    def _put(self, finish: Finish) -> bool:
        record = finish.record
        if record.request_id in self._records:
            return False
        self._records[record.request_id] = StoredRecord(
            record=record, detail=finish.detail, attempts=finish.attempts, lines=finish.lines
        )
        if record.input_ref or record.output_ref:
            self._due.add(record.request_id)
        starts = buckets(finish)
        for key, sums in parts(finish):
            self._add(starts, key, sums)
        live = minute(record)
        if live is not None:
            key, sums = live
            self._minutes[key] = self._minutes.get(key, MinuteSums(0, 0, 0)).plus(sums)
        return True

    def _check_move(self, move: Move) -> None:
        if self._positions.get(move.to.worker_id) != move.since:
            raise PositionMoved(f"spool '{move.to.worker_id}' was moved by somebody else")


_SUMMED = (
    *("input_tokens", "cached_tokens", "cache_write_5m", "cache_write_30m", "cache_write_1h"),
    *("cache_write_12h", "output_tokens", "cost_nano"),
)


def _plus(before: Billed | None, group: tuple[str, ...], line: LedgerLine) -> Billed:
    day, provider, account, model_sent = group
    known = before or Billed(day=day, provider=provider, account=account, model_sent=model_sent)
    summed = {name: getattr(known, name) + (getattr(line, name) or 0) for name in _SUMMED}
    return replace(
        known,
        n=known.n + 1,
        n_estimated=known.n_estimated + is_estimate(line.usage_source),
        n_unpriced=known.n_unpriced + (line.cost_nano is None),
        **summed,
    )


def _tried(record: RequestRecord, attempt: Attempt) -> Tried:
    answers = attempt.n == record.attempt_count and record.refusal is True
    refused = answers or attempt.error_code == ModelRefused.code
    return Tried(attempt.target, attempt.dur_us, attempt.error_code, refused)


def _is_use(key: Key) -> bool:
    return key.origin == Origin.LIVE and key.status != Status.REJECTED


def _with(row: PromptRow | None, group: tuple[str, ...], key: Key, sums: Sums) -> PromptRow:
    """Add what a key has to the row of its group."""
    n_error = sums.n if key.status in FAILED else 0
    return PromptRow(
        group=group,
        n=sums.n + (row.n if row else 0),
        n_error=n_error + (row.n_error if row else 0),
        n_unpriced=sums.n_unpriced + (row.n_unpriced if row else 0),
        cost_nano=sums.cost_nano + (row.cost_nano if row else 0),
    )


def _by_time(span: AppSpan) -> tuple[int, str]:
    return span.ts_us, span.span_id


def _check_storable(batch: Batch) -> None:
    """Refuse what no column holds."""
    for finish in batch.finishes:
        try:
            buckets(finish)
        except ValueError as exc:
            raise Unstorable(str(exc)) from exc
        for struct in (finish.record, *finish.attempts, *finish.lines):
            _check_numbers(struct)
    for struct in (*batch.opened, *batch.annotations, *batch.claims, *batch.spans):
        _check_numbers(struct)


def _check_numbers(struct: Struct) -> None:
    for value in astuple(struct):
        if isinstance(value, int) and value not in _INT64:
            raise Unstorable(f"{value} is no number of 64 bits")


def _date(bucket_us: int) -> str:
    return datetime.fromtimestamp(bucket_us // 1_000_000, UTC).date().isoformat()


def _cost_row(group: tuple[str, ...], sums: Sums) -> CostRow:
    return CostRow(
        group=group,
        n=sums.n,
        n_estimated=sums.n_estimated,
        n_unpriced=sums.n_unpriced,
        input_tokens=sums.input_tokens,
        cached_tokens=sums.cached_tokens,
        output_tokens=sums.output_tokens,
        cost_nano=sums.cost_nano,
    )


def _point(bucket_us: int, found: Mapping[int, MinuteSums]) -> SeriesPoint:
    counts = {index: sums.n for index, sums in found.items()}
    return SeriesPoint(
        bucket_us=bucket_us,
        n=sum(sums.n for sums in found.values()),
        n_error=sum(sums.n_error for sums in found.values()),
        cost_nano=sum(sums.cost_nano for sums in found.values()),
        p50_us=quantile_us(counts, 0.5),
        p95_us=quantile_us(counts, 0.95),
    )
