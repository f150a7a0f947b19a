"""Erasing on request: what is to go, what stays for a case, and the receipt that says what went.

An erasure is an entry of the change log, so that no restored backup of records can lose it; so is
its receipt. Nothing here holds a name: users are known by their keyed hash alone.
"""

from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.domain.change import canonical


class ErasureScope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose records go; a member that is empty does not narrow. One of them is set.

    Attributes:
        user_hash: Keyed hash of an end user; of one tenant if that is set, too.
    """

    tenant_id: str = ""
    user_hash: str = ""
    request_id: str = ""

    @property
    def title(self) -> str:
        """Name it, as people must type it to confirm."""
        return self.request_id or self.user_hash or self.tenant_id


class Erasure(Struct, frozen=True, kw_only=True):
    """A tombstone. What came after `until_us` stays: a tenant may go on."""

    scope: ErasureScope
    until_us: int


class Hold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That records are kept for a case, whatever else would end them.

    Attributes:
        what: The id or the filter that chose them last.
        until_us: Instant at which it ends by itself.
    """

    what: str
    until_us: int | None = None


class Sent(Struct, frozen=True, kw_only=True):
    """Where copies are that we cannot erase: so many traces were, or may have been, sent there."""

    exporter: str
    traces: int


class Receipt(Struct, frozen=True, kw_only=True):
    """What an erasure did.

    Attributes:
        started: RFC 3339, as `finished`.
        deleted: Numbers by what was deleted; `records_scrubbed` kept their figures.
        kept: Numbers of what stays, and why: `ledger_lines`, `legal_hold`.
        by_hand: What people must look at themselves, by kind.
        remarks: What takes longer than the erasure did.
        config_seq: Place of the tombstone in the change log, and `change_hash` its hash there.
        sha256: Over all other members, in canonical JSON.
    """

    receipt: str
    scope: ErasureScope
    requested_by: str
    reason: str
    started: str
    finished: str
    deleted: Mapping[str, int]
    kept: Mapping[str, int]
    by_hand: Mapping[str, tuple[str, ...]]
    sent_elsewhere: tuple[Sent, ...]
    remarks: tuple[str, ...] = ()
    config_seq: int
    change_hash: str
    sha256: str = ""


def sealed(receipt: Receipt) -> Receipt:
    """Put its hash on a receipt."""
    bare = msgspec.to_builtins(receipt)
    del bare["sha256"]
    return replace(receipt, sha256=sha256(canonical(bare)).hexdigest())
