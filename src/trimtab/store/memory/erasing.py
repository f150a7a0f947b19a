"""The reference implementation of what ends records, in dicts."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan
from trimtab.domain.erasure import Erasure
from trimtab.domain.ids import ulid_ms
from trimtab.domain.record import ContentState, Detail, RequestRecord
from trimtab.store.base.ending import Erased, SpanKey
from trimtab.store.base.reading import Cursor
from trimtab.store.base.recording import StoredRecord
from trimtab.store.content import pieces_of
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.rollup import DAY_US

_REFS = tuple(name for name in RequestRecord.__struct_fields__ if name.endswith("_ref"))
_SCRUBBED: Mapping[str, object] = {
    **dict.fromkeys(
        (*_REFS, "user_hash", "conversation_id", "tags", "idempotency_key_hash", "tracestate")
    ),
    "content_state": ContentState.ERASED.value,
    "content_bytes": 0,
    "replay": "none",
    "replay_gaps": "content_erased",
    "extra": "{}",
}


class MemoryKeeper(MemoryRecords):
    """`store.base.KeeperStore`: `MemoryRecords` that can end what they keep.

    State: what is kept for which case, and which erasures were carried out, with how many held.
    """

    def __init__(self, tenant_key: Callable[[str], bytes]) -> None:
        super().__init__(tenant_key)
        self._held: dict[tuple[str, str], tuple[str, int | None]] = {}
        self._carried_out: dict[str, int] = {}

    async def erase(
        self,
        erasure: Erasure,
        *,
        now_us: int,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Erased:
        """See `Eraser.erase`."""
        place = Cursor(-1, "") if after is None else after
        alone = erasure.scope.tenant_id and not (
            erasure.scope.user_hash or erasure.scope.request_id
        )
        if alone and place.ts_us < 0:
            told = self._told(erasure, now_us)
            if told:
                return Erased(Cursor(-1, ""), told)
        found = [
            it
            for it in self._of(erasure, now_us)
            if (it.ts_us, it.request_id) > (place.ts_us, place.request_id)
        ][:limit]
        if not found:
            return Erased(None)
        victims = {it.request_id: it for it in found}
        while more := [
            it
            for it in self._left(now_us)
            if it.origin_request_id in victims and it.request_id not in victims
        ]:
            victims.update((it.request_id, it) for it in more)
        said = [it for it in self._said() if it.request_id in victims]
        spans = self._around(victims.values(), now_us)
        deleted = {"records_scrubbed": len(victims), "annotations": len(said), "spans": len(spans)}
        deleted["words"] = sum(self._words.pop(it, None) is not None for it in victims)
        texts = self._texts()
        going = {key for it in victims.values() for key in self._reached(it, texts)}
        gone = {it.request_id for it in self._of(erasure, now_us)} | victims.keys()
        deleted["blobs"] = self._drop(going, gone, spans)
        for it in said:
            self._annotations.pop(it.annotation_id, None)
            self._claims.pop(it.annotation_id, None)
        self._due -= victims.keys()
        lines = sum(self._scrub(it) for it in victims)
        return Erased(Cursor(found[-1].ts_us, found[-1].request_id), deleted, lines, tuple(victims))

    async def count(self, erasure: Erasure, *, now_us: int) -> tuple[int, int]:
        """See `Eraser.count`."""
        free, every = self._of(erasure, now_us), self._of(erasure, now_us, held=True)
        return len(every), len(every) - len(free)

    async def erased(self, request_ids: Collection[str]) -> frozenset[str]:
        """See `Eraser.erased`."""
        return frozenset(
            it
            for it in request_ids
            if it in self._records and self._records[it].record.content_state == ContentState.ERASED
        )

    async def told(self, spans: Collection[SpanKey]) -> frozenset[SpanKey]:
        """See `Eraser.told`."""
        return frozenset(
            it for it in spans if it.span_id in self._spans.get((it.tenant_id, it.trace_id), {})
        )

    async def shred(self) -> tuple[str, ...]:
        """See `Eraser.shred`: there are no files."""
        return ()

    async def carried_out(self) -> frozenset[str]:
        """See `Eraser.carried_out`."""
        return frozenset(self._carried_out)

    async def carry_out(self, erasure_id: str, *, done_us: int, held: int) -> None:  # noqa: ARG002 -- for people
        """See `Eraser.carry_out`."""
        self._carried_out.setdefault(erasure_id, held)

    async def leads(self) -> bool:
        """See `KeeperStore.leads`: there is no other."""
        return True

    def close(self) -> None:
        """See `KeeperStore.close`: nothing is open."""

    async def hold(
        self, case_id: str, records: Sequence[RequestRecord], *, author: str, until_us: int | None
    ) -> None:
        """See `HoldStore.hold`: content stays where it is."""
        for it in records:
            self._held[it.request_id, case_id] = author, until_us

    async def holds(self, request_id: str, *, now_us: int) -> tuple[tuple[str, str], ...]:
        """See `HoldStore.holds`."""
        return tuple(
            (case_id, author)
            for (held, case_id), (author, until_us) in sorted(self._held.items())
            if held == request_id and (until_us is None or until_us > now_us)
        )

    async def release(self, case_id: str | None, *, now_us: int) -> int:
        """See `HoldStore.release`."""
        over = [
            key
            for key, (_, until_us) in self._held.items()
            if key[1] == case_id
            or (case_id is None and until_us is not None and until_us <= now_us)
        ]
        for key in over:
            del self._held[key]
        if over:
            self._carried_out = {it: held for it, held in self._carried_out.items() if not held}
        return len(over)

    async def expire(self, what: str, before_us: int, *, limit: int) -> int:
        """See `RetentionStore.expire`."""
        held = {request_id for request_id, _ in self._held}
        tables: Mapping[str, tuple[dict[Any, Any], Callable[[Any], int | None]]] = {
            "record": (
                self._records,
                lambda it: None if it.record.request_id in held else it.record.ts_us,
            ),
            "annotation": (
                self._annotations,
                lambda it: None if it.request_id in held else it.ts_us,
            ),
        }
        if what == "rollup_hour":
            return _end(self._hours, [key for key in self._hours if key[0] < before_us])
        if what == "span":
            old = [it for it in self._told_spans() if it.received_us < before_us][:limit]
            for it in old:
                del self._spans[it.tenant_id, it.trace_id][it.span_id]
            return len(old)
        if what not in tables:
            return 0
        rows, since_us = tables[what]
        aged = {key: at_us for key, it in rows.items() if (at_us := since_us(it)) is not None}
        going = sorted(
            (key for key, at_us in aged.items() if at_us < before_us), key=aged.__getitem__
        )
        if what == "record":
            # The ledger outlives them.
            lines = (line for key in going[:limit] for line in self._records[key].lines)
            self._adjustments.update((line.line_id, line) for line in lines)
        return _end(rows, going[:limit])

    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """See `RetentionStore.content_of`."""
        return tuple(sorted({(day * DAY_US, tenant) for tenant, day, _ in self._blobs}))

    async def expire_content(self, day_us: int, tenant_id: str | None, *, limit: int) -> int:
        """See `RetentionStore.expire_content`."""
        found = [
            key for key in self._blobs if key[1] == day_us // DAY_US and tenant_id in (None, key[0])
        ][:limit]
        of_day = [
            it.record.request_id
            for it in self._records.values()
            if (it.record.ts_us // DAY_US == day_us // DAY_US)
            and tenant_id in (None, it.record.tenant_id)
        ]
        for request_id in of_day:
            self._words.pop(request_id, None)
        return _end(self._blobs, found)

    def _told(self, erasure: Erasure, now_us: int) -> dict[str, int]:
        """Erase all that a tenant told of its own work, and of requests that never came."""
        tenant, until_us = erasure.scope.tenant_id, erasure.until_us
        left = {it.request_id for it in self._left(now_us)}
        held = {it.request_id: it for it in self._left(now_us, held=True)}
        spared = {it.trace_id for key, it in held.items() if key not in left}
        spans = [
            it
            for it in self._told_spans()
            if it.tenant_id == tenant and it.received_us <= until_us and it.trace_id not in spared
        ]
        claims = [
            it for it in self._claims.values() if it.tenant_id == tenant and it.ts_us <= until_us
        ]
        if not spans and not claims:
            return {}
        going = {key for it in claims for key in self._behind_claim(it)}
        for it in claims:
            del self._claims[it.annotation_id]
        gone = {it.request_id for it in self._of(erasure, now_us)}
        blobs = self._drop(going, gone, spans)
        return {"spans": len(spans), "annotations": len(claims), "blobs": blobs}

    def _drop(
        self, going: set[tuple[str, int, bytes]], gone: Collection[str], spans: Sequence[AppSpan]
    ) -> int:
        """Delete spans, and content that nobody else uses; tells how much of that."""
        for span in spans:
            going |= self._behind(span.tenant_id, span.received_us, [span.content_ref])
            del self._spans[span.tenant_id, span.trace_id][span.span_id]
        texts = self._texts()
        for it in self._records.values():
            if it.record.request_id not in gone:
                going -= self._reached(it.record, texts)
        for claim in self._claims.values():
            if claim.request_id not in gone:
                going -= self._behind_claim(claim)
        for span in self._told_spans():
            going -= self._behind(span.tenant_id, span.received_us, [span.content_ref])
        for request in self._open.values():
            begin = request.begin
            going -= self._behind(begin.tenant_id, begin.ts_us, [begin.input_ref])
        return sum(self._blobs.pop(key, None) is not None for key in going)

    def _around(self, victims: Collection[RequestRecord], now_us: int) -> list[AppSpan]:
        """Find the spans of the traces that records are in, or that name them or their answers."""
        left = {it.request_id for it in self._left(now_us)}
        spared = {
            (it.tenant_id, it.trace_id)
            for it in self._left(now_us, held=True)
            if it.request_id not in left
        }
        asked = {(it.tenant_id, it.request_id) for it in victims}
        answered = {(it.tenant_id, it.response_id) for it in victims if it.response_id}
        traces = {(it.tenant_id, it.trace_id) for it in victims} | {
            (it.tenant_id, it.trace_id)
            for it in self._told_spans()
            if (it.tenant_id, it.request_id) in asked or (it.tenant_id, it.response_id) in answered
        }
        return [it for it in self._told_spans() if (it.tenant_id, it.trace_id) in traces - spared]

    def _told_spans(self) -> list[AppSpan]:
        return [it for spans in self._spans.values() for it in spans.values()]

    def _said(self) -> list[Annotation]:
        return [*self._annotations.values(), *self._claims.values()]

    def _behind_claim(self, claim: Annotation) -> set[tuple[str, int, bytes]]:
        request_us = (ulid_ms(claim.request_id) or 0) * 1000
        return self._behind(claim.tenant_id, request_us, [claim.text_ref])

    def _left(self, now_us: int, *, held: bool = False) -> list[RequestRecord]:
        """List the records that are not erased, oldest first, those that are kept if asked."""
        kept = {
            request_id
            for (request_id, _), (_, until_us) in self._held.items()
            if until_us is None or until_us > now_us
        }
        found = [
            it.record
            for it in self._records.values()
            if it.record.content_state != ContentState.ERASED
            and (held or it.record.request_id not in kept)
        ]
        return sorted(found, key=lambda it: (it.ts_us, it.request_id))

    def _of(self, erasure: Erasure, now_us: int, *, held: bool = False) -> list[RequestRecord]:
        scope = erasure.scope
        return [
            it
            for it in self._left(now_us, held=held)
            if it.ts_us <= erasure.until_us
            and scope.tenant_id in ("", it.tenant_id)
            and scope.user_hash in ("", it.user_hash)
            and scope.request_id in ("", it.request_id, it.origin_request_id)
        ]

    def _texts(self) -> Mapping[str, list[bytes | None]]:
        said: dict[str, list[bytes | None]] = {}
        for it in self._said():
            said.setdefault(it.request_id, []).append(it.text_ref)
        return said

    def _reached(
        self, record: RequestRecord, texts: Mapping[str, list[bytes | None]]
    ) -> set[tuple[str, int, bytes]]:
        refs = [getattr(record, name) for name in _REFS]
        return self._behind(
            record.tenant_id, record.ts_us, [*refs, *texts.get(record.request_id, [])]
        )

    def _behind(
        self, tenant_id: str, ts_us: int, refs: Iterable[bytes | None]
    ) -> set[tuple[str, int, bytes]]:
        day = ts_us // DAY_US
        keys = {(tenant_id, day, ref) for ref in refs if ref is not None}
        found = [self._blobs[key] for key in keys if key in self._blobs]
        return keys | {(tenant_id, day, piece) for it in found for piece in pieces_of(it)}

    def _scrub(self, request_id: str) -> int:
        stored = self._records[request_id]
        self._records[request_id] = StoredRecord(
            record=replace(stored.record, **_SCRUBBED),
            detail=Detail(),
            attempts=tuple(replace(it, raw_reason=None) for it in stored.attempts),
            lines=tuple(replace(it, conversation_id=None, tags=None) for it in stored.lines),
        )
        return len(stored.lines)


def _end(rows: dict[Any, Any], keys: Sequence[Any]) -> int:
    for key in keys:
        del rows[key]
    return len(keys)
