"""One entry of the change log, and the pointers that entries move."""

from enum import StrEnum
from hashlib import sha256

import msgspec
from msgspec import Struct

from trimtab.domain.errors import InvalidRequest

MAX_REASON_CHARS = 500


class PointerKind(StrEnum):
    """Everything that decides how requests behave is a pointer of one of these kinds."""

    PROVIDER = "provider"
    MODEL = "model"
    TIER = "tier"
    TENANT = "tenant"
    KEY = "key"
    SUSPENSION = "suspension"
    BREAKER = "breaker"
    PRICES = "prices"
    SITE = "site"
    REGISTRY = "registry"
    PROMPT = "prompt"
    LABEL = "label"
    YANK = "yank"
    APPROVAL = "approval"
    EVIDENCE = "evidence"
    ADJUSTMENT = "adjustment"
    LEDGER = "ledger"
    BILL = "bill"
    ERASURE = "erasure"
    RECEIPT = "receipt"
    HOLD = "hold"

    @property
    def is_final(self) -> bool:
        """Whether what was written once stays for ever: never replaced, never removed."""
        return self in _FINAL

    @property
    def is_filed(self) -> bool:
        """Whether the settings file may say where its pointers stand."""
        return self not in _BY_HAND


_FINAL = frozenset(
    {
        PointerKind.PROMPT,
        PointerKind.APPROVAL,
        PointerKind.EVIDENCE,
        PointerKind.ADJUSTMENT,
        PointerKind.LEDGER,
        PointerKind.BILL,
        PointerKind.ERASURE,
        PointerKind.RECEIPT,
    }
)
_BY_HAND = _FINAL | {
    PointerKind.LABEL,
    PointerKind.YANK,
    PointerKind.SUSPENSION,
    PointerKind.BREAKER,
    PointerKind.HOLD,
}


class Source(StrEnum):
    """Where a change was made. A file only ever removes what a file made."""

    FILE = "file"
    CLI = "cli"
    CONSOLE = "console"
    API = "api"
    SYSTEM = "system"


class Pointer(Struct, frozen=True, order=True):
    """What a change moves: `tenant/acme`, `model/chat`, `suspension/tenant:acme`."""

    kind: PointerKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Draft(Struct, frozen=True, kw_only=True):
    """A change somebody wants.

    Attributes:
        after: The new value as canonical JSON; `None` removes the pointer.
        expected_seq: Sequence number the pointer was last moved at, as its author saw it
            (0: it did not exist). `None` does not compare.
    """

    pointer: Pointer
    after: bytes | None
    author: str
    source: Source
    reason: str
    expected_seq: int | None = None


class Change(Struct, frozen=True, kw_only=True):
    """One entry of the change log. `before` and `after` are canonical JSON, `None` is absent.

    Attributes:
        hash: SHA-256 over this entry and `prev_hash`, so that no entry can be edited unseen.
    """

    seq: int
    change_id: str
    ts_us: int
    pointer: Pointer
    before: bytes | None
    after: bytes | None
    author: str
    source: Source
    reason: str
    prev_hash: str
    hash: str


GENESIS_HASH = "0" * 64


def canonical(value: object) -> bytes:
    """Encode a value so that equal values are equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def chain_hash(change: Change) -> str:
    """Compute the hash a change must carry; its own `hash` member is left out."""
    members = (
        change.seq,
        change.change_id,
        change.ts_us,
        str(change.pointer),
        change.before,
        change.after,
        change.author,
        change.source,
        change.reason,
        change.prev_hash,
    )
    return sha256(msgspec.msgpack.encode(members)).hexdigest()


def read_reason(text: str) -> str:
    """Insist on a reason: it is what the log is for.

    Raises:
        InvalidRequest: there is none, a novel, or what would be no line of a log.
    """
    reason = text.strip()
    if not reason:
        raise InvalidRequest("a reason is missing; say why in a few words", param="reason")
    if len(reason) > MAX_REASON_CHARS:
        raise InvalidRequest(
            f"the reason has more than {MAX_REASON_CHARS} characters; shorten it", param="reason"
        )
    if not reason.isprintable():
        raise InvalidRequest(
            "the reason has a line break or a control character; write one plain line",
            param="reason",
        )
    return reason
