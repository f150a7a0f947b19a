"""Asking for erasures, and keeping records for a case: every move is an entry of the change log."""

from dataclasses import dataclass
from typing import NamedTuple

from trimtab.control.changes import Control
from trimtab.control.models import By
from trimtab.domain.change import (
    Change,
    Draft,
    Pointer,
    PointerKind,
    Source,
    canonical,
    read_reason,
)
from trimtab.domain.clock import Clock
from trimtab.domain.erasure import Erasure, ErasureScope, Hold, Receipt, sealed
from trimtab.domain.errors import InvalidRequest, LegalHoldActive, NotFound
from trimtab.domain.ids import Entropy, ulid
from trimtab.store.base.control import ContentKeys
from trimtab.store.base.keeper import KeeperStore
from trimtab.store.base.reading import Cursor, RecordFilter, RecordReader

PAGE = 500


class Ordered(NamedTuple):
    """An erasure, who ordered it and why, and its receipt once it was carried out."""

    id: str
    erasure: Erasure
    change: Change
    receipt: Receipt | None


class Counted(NamedTuple):
    """Records that an erasure would take, and those that stay for a case."""

    records: int
    legal_hold: int


@dataclass(frozen=True, slots=True)
class Erasures:
    """Orders what a keeper carries out."""

    control: Control
    records: RecordReader
    store: KeeperStore
    clock: Clock
    entropy: Entropy
    keys: ContentKeys

    async def count(self, scope: ErasureScope) -> Counted:
        """Count what would be erased. Raises `NotFound`, `InvalidRequest`, `LegalHoldActive`."""
        await self._check(scope)
        now_us = self.clock.now_us()
        asked = Erasure(scope=scope, until_us=now_us)
        n, held = await self.store.count(asked, now_us=now_us)
        return Counted(n - held, held)

    async def order(self, scope: ErasureScope, by: By) -> Ordered:
        """Put a tombstone into the change log: from now on it will be carried out.

        Raises:
            InvalidRequest: the scope names nobody, or more than one, or there is no reason.
            NotFound: there is no such request.
            LegalHoldActive: the request is kept for a case.
        """
        await self._check(scope)
        now_us = self.clock.now_us()
        erasure_id = f"e_{ulid(now_us // 1000, self.entropy)}"
        erasure = Erasure(scope=scope, until_us=now_us)
        _, held = await self.store.count(erasure, now_us=now_us)
        change = await self.control.move(
            Pointer(PointerKind.ERASURE, erasure_id),
            erasure,
            reason=by.reason,
            author=by.author,
            source=by.source,
        )
        if change is None:
            raise InvalidRequest(f"erasure '{erasure_id}' is ordered already")
        # All that was sealed for a tenant, in backups, too; not what is kept for a case.
        if scope == ErasureScope(tenant_id=scope.tenant_id) and not held:
            await self.keys.destroy_content_key(scope.tenant_id)
        return Ordered(erasure_id, erasure, change, None)

    async def listed(self) -> tuple[Ordered, ...]:
        """List all erasures there ever were, newest first."""
        state = await self.control.state()
        found = [
            Ordered(pointer.name, entry.value, entry.change, receipt.value if receipt else None)
            for pointer, entry in state.items()
            if pointer.kind is PointerKind.ERASURE
            for receipt in [state.get(Pointer(PointerKind.RECEIPT, pointer.name))]
        ]
        return tuple(sorted(found, key=lambda it: -it.change.seq))

    async def find(self, erasure_id: str) -> Ordered:
        """Find an erasure. Raises `NotFound`."""
        for ordered in await self.listed():
            if ordered.id == erasure_id:
                return ordered
        raise NotFound(f"there is no erasure '{erasure_id}'; look at `trimtab erase list`")

    async def give_receipt(self, receipt: Receipt) -> Receipt:
        """Put a receipt into the change log; the first of an erasure is the one that counts."""
        made = sealed(receipt)
        pointer = Pointer(PointerKind.RECEIPT, made.receipt)
        entry = (await self.control.state()).get(pointer)
        if entry is not None:
            known: Receipt = entry.value
            return known
        draft = Draft(
            pointer=pointer,
            after=canonical(made),
            author=made.requested_by,
            source=Source.SYSTEM,
            reason=made.reason,
            expected_seq=0,
        )
        await self.control.apply((draft,))
        return made

    async def fault(self, receipt: Receipt) -> str | None:
        """Tell what is wrong with a receipt that somebody shows; `None` if it is ours, and whole.

        The hash alone shows that it is whole; that it is ours, the change log shows.
        """
        if sealed(receipt) != receipt:
            return "it is not what was written: its hash is another"
        state = await self.control.state()
        entry = state.get(Pointer(PointerKind.RECEIPT, receipt.receipt))
        if entry is None or entry.value != receipt:
            return "it is whole, but not a receipt of this site's change log"
        ordered = state.get(Pointer(PointerKind.ERASURE, receipt.receipt))
        if ordered is None or ordered.change.hash != receipt.change_hash:
            return "its erasure is not that of this site's change log"
        verdict = await self.control.verify()
        return None if verdict.fault is None else f"the change log is not whole: {verdict.fault}"

    async def keep(self, case_id: str, where: RecordFilter, hold: Hold, by: By) -> int:
        """Keep all records of a filter for a case; tells how many. What comes later is not kept.

        Raises:
            InvalidRequest: the case has no name, or there is no reason.
        """
        await self._say(case_id, hold, by)
        place: Cursor | None = None
        n = 0
        while page := await self.records.page(where, after=place, limit=PAGE):
            await self.store.hold(case_id, page, author=by.author, until_us=hold.until_us)
            n += len(page)
            place = Cursor(page[-1].ts_us, page[-1].request_id)
        return n

    async def keep_one(self, case_id: str, request_id: str, hold: Hold, by: By) -> int:
        """Keep one record for a case. Raises as `keep`, and `NotFound`."""
        found = await self.records.find(request_id)
        if found is None:
            raise NotFound(f"request '{request_id}' is not stored; look at `trimtab tail`")
        await self._say(case_id, hold, by)
        await self.store.hold(case_id, [found.record], author=by.author, until_us=hold.until_us)
        return 1

    async def release(self, case_id: str, by: By) -> int:
        """Let go of what is kept for a case; what was to be erased meanwhile is erased then.

        Raises:
            NotFound: nothing is kept for it.
        """
        pointer = Pointer(PointerKind.HOLD, case_id)
        if pointer not in await self.control.state():
            raise NotFound(f"nothing is kept for case '{case_id}'; look at `trimtab changes list`")
        n = await self.store.release(case_id, now_us=self.clock.now_us())
        await self.control.move(pointer, None, reason=by.reason, author=by.author, source=by.source)
        return n

    async def _say(self, case_id: str, hold: Hold, by: By) -> None:
        if not case_id.strip() or not case_id.isprintable() or len(case_id) > PAGE:
            raise InvalidRequest("the case has no name; give it as the lawyers do", param="case")
        await self.control.move(
            Pointer(PointerKind.HOLD, case_id),
            hold,
            reason=read_reason(by.reason),
            author=by.author,
            source=by.source,
        )

    async def _check(self, scope: ErasureScope) -> None:
        if not scope.title or (scope.request_id and (scope.tenant_id or scope.user_hash)):
            raise InvalidRequest(
                "an erasure is of one tenant, one end user or one request; name it", param="scope"
            )
        if not scope.request_id:
            return
        found = await self.records.find(scope.request_id)
        if found is None or found.record.request_id != scope.request_id:
            raise NotFound(f"request '{scope.request_id}' is not stored; give its whole id")
        holds = await self.store.holds(scope.request_id, now_us=self.clock.now_us())
        if holds:
            case_id, author = holds[0]
            raise LegalHoldActive(
                f"request '{scope.request_id}' is kept for case '{case_id}', says '{author}';"
                f" release the case first with `trimtab records release {case_id}`"
            )
