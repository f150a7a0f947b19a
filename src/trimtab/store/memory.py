"""The reference implementation of the control stores, in lists and dicts."""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from trimtab.domain.audit import Reading
from trimtab.domain.change import Change, Draft, Pointer
from trimtab.store.base import Account, Acknowledgement
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


def _last(log: Sequence[Change], pointer: Pointer) -> Change | None:
    return next((change for change in reversed(log) if change.pointer == pointer), None)
