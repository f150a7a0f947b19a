"""The reference implementation of the control stores, in lists and dicts."""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from trimtab.domain.audit import Reading
from trimtab.domain.change import Change, Draft, Pointer
from trimtab.store.base.control import Account, Acknowledgement, ContentKey
from trimtab.store.chain import link, refuse_moved_on

POLL_S = 0.1


class MemoryChangeLog:
    """`store.base.ChangeLog` in a list. Atomic because no method awaits anything."""

    def __init__(self) -> None:
        self._changes: list[Change] = []

    async def append(
        self,
        drafts: Sequence[Draft],
        *,
        ts_us: int,
        change_ids: Sequence[str],
        at: int | None = None,
    ) -> tuple[Change, ...]:
        """See `ChangeLog.append`."""
        made: list[Change] = []
        refuse_moved_on(self._changes[-1] if self._changes else None, at)
        for draft, change_id in zip(drafts, change_ids, strict=True):
            log = [*self._changes, *made]
            change = link(
                draft,
                last=_last(log, draft.pointer),
                head=log[-1] if log else None,
                ts_us=ts_us,
                change_id=change_id,
            )
            if change is not None:
                made.append(change)
        self._changes += made
        return tuple(made)

    async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
        """See `ChangeLog.changes`."""
        return tuple(self._changes[after : after + limit])

    async def head(self) -> int:
        """See `ChangeLog.head`."""
        return len(self._changes)

    async def moved(self) -> None:
        """See `ChangeLog.moved`."""
        await asyncio.sleep(POLL_S)


class MemoryAcknowledgements:
    """`store.base.Acknowledgements` in a dict."""

    def __init__(self) -> None:
        self._last: dict[str, Acknowledgement] = {}

    async def acknowledge(self, ack: Acknowledgement) -> None:
        """See `Acknowledgements.acknowledge`."""
        self._last[ack.worker_id] = ack

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """See `Acknowledgements.acknowledgements`."""
        return tuple(ack for _, ack in sorted(self._last.items()))


class MemoryAccounts:
    """`store.base.Accounts` in a dict."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    async def put_account(self, account: Account) -> None:
        """See `Accounts.put_account`."""
        self._accounts[account.name] = account

    async def account(self, name: str) -> Account | None:
        """See `Accounts.account`."""
        return self._accounts.get(name)

    async def accounts(self) -> tuple[Account, ...]:
        """See `Accounts.accounts`."""
        return tuple(account for _, account in sorted(self._accounts.items()))


class MemoryAuditLog:
    """`store.base.AuditLog` in a list."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []

    async def note(self, reading: Reading) -> None:
        """See `AuditLog.note`."""
        self._readings.append(replace(reading, seq=len(self._readings) + 1))

    async def readings(self, *, before: int | None = None, limit: int) -> tuple[Reading, ...]:
        """See `AuditLog.readings`."""
        found = [it for it in reversed(self._readings) if before is None or it.seq < before]
        return tuple(found[:limit])


class MemoryContentKeys:
    """`store.base.ContentKeys` in a dict."""

    def __init__(self) -> None:
        self._keys: dict[str, ContentKey] = {}
        self._added = 0

    async def content_keys(self, tenant_id: str | None = None) -> tuple[ContentKey, ...]:
        """See `ContentKeys.content_keys`."""
        return tuple(it for of, it in sorted(self._keys.items()) if tenant_id in (None, of))

    async def content_keys_mark(self) -> tuple[int, int]:
        """See `ContentKeys.content_keys_mark`."""
        return len(self._keys), self._added

    async def add_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """See `ContentKeys.add_content_keys`."""
        for it in keys:
            self._added += it.tenant_id not in self._keys
            self._keys.setdefault(it.tenant_id, it)

    async def rewrap_content_keys(self, keys: Sequence[ContentKey]) -> None:
        """See `ContentKeys.rewrap_content_keys`."""
        for it in keys:
            known = self._keys.get(it.tenant_id)
            if known is not None and known.key_id == it.key_id:
                self._keys[it.tenant_id] = it

    async def destroy_content_key(self, tenant_id: str) -> bool:
        """See `ContentKeys.destroy_content_key`."""
        return self._keys.pop(tenant_id, None) is not None


def _last(log: Sequence[Change], pointer: Pointer) -> Change | None:
    return next((change for change in reversed(log) if change.pointer == pointer), None)
