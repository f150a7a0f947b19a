"""The reference implementation of what ends records, in dicts."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from trimtab.domain.erasure import Erasure
from trimtab.domain.record import ContentState, Detail, RequestRecord
from trimtab.store.base import Cursor, Erased, StoredRecord
from trimtab.store.content import pieces_of
from trimtab.store.memory_records import MemoryRecords
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
    """`store.base.Eraser`, `HoldStore` and `RetentionStore` over `MemoryRecords`.

    State: what is kept for which case, and which erasures were carried out, with how many held.
    """

    def __init__(self, tenant_key: Callable[[str], bytes]) -> None:
        super().__init__(tenant_key)
        self._held: dict[tuple[str, str], tuple[str, int | None]] = {}
        self._carried_out: dict[str, int] = {}

    async def erase(
        self, erasure: Erasure, *, now_us: int, after: Cursor | None = None, limit: int = 1_000
    ) -> Erased:
        """See `Eraser.erase`."""
        place = Cursor(-1, "") if after is None else after
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
        said = [it for it in self._annotations.values() if it.request_id in victims]
        deleted = {"records_scrubbed": len(victims), "annotations": len(said), "blobs": 0}
        texts = self._texts()
        going = {key for it in victims.values() for key in self._reached(it, texts)}
        gone = {it.request_id for it in self._of(erasure, now_us)} | victims.keys()
        for it in self._left(now_us, held=True):
            if it.request_id not in gone:
                going -= self._reached(it, texts)
        for request in self._open.values():
            begin = request.begin
            going -= self._behind(begin.tenant_id, begin.ts_us, [begin.input_ref])
        deleted["blobs"] = sum(self._blobs.pop(key, None) is not None for key in going)
        for it in said:
            del self._annotations[it.annotation_id]
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

    async def shred(self) -> tuple[str, ...]:
        """See `Eraser.shred`: there are no files."""
        return ()

    async def carried_out(self) -> frozenset[str]:
        """See `Eraser.carried_out`."""
        return frozenset(self._carried_out)

    async def carry_out(self, erasure_id: str, *, done_us: int, held: int) -> None:  # noqa: ARG002 -- for people
        """See `Eraser.carry_out`."""
        self._carried_out.setdefault(erasure_id, held)

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
        match what:
            case "record":
                old = sorted(
                    (it.record.ts_us, request_id)
                    for request_id, it in self._records.items()
                    if it.record.ts_us < before_us and request_id not in held
                )[:limit]
                for _, request_id in old:
                    stored = self._records.pop(request_id)
                    # The ledger outlives them.
                    self._adjustments.update((line.line_id, line) for line in stored.lines)
                return len(old)
            case "annotation":
                said = [
                    it.annotation_id
                    for it in self._annotations.values()
                    if it.ts_us < before_us and it.request_id not in held
                ][:limit]
                for annotation_id in said:
                    del self._annotations[annotation_id]
                return len(said)
            case "rollup_hour":
                hours = [key for key in self._hours if key[0] < before_us]
                for key in hours:
                    del self._hours[key]
                return len(hours)
            case _:
                return 0

    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """See `RetentionStore.content_of`."""
        return tuple(sorted({(day * DAY_US, tenant) for tenant, day, _ in self._blobs}))

    async def expire_content(self, day_us: int, tenant_id: str | None, *, limit: int) -> int:
        """See `RetentionStore.expire_content`."""
        found = [
            key for key in self._blobs if key[1] == day_us // DAY_US and tenant_id in (None, key[0])
        ][:limit]
        for key in found:
            del self._blobs[key]
        return len(found)

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
        for it in self._annotations.values():
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
