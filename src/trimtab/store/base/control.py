"""What the change log, the accounts and the audit log are kept in."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from trimtab.domain.audit import Reading
from trimtab.domain.change import Change, Draft


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
