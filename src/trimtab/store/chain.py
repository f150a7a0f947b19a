"""How one entry of the change log follows from the one before it, the same in every store."""

import msgspec

from trimtab.domain.change import GENESIS_HASH, Change, Draft, chain_hash
from trimtab.domain.errors import ChangeConflict, VersionImmutable


def link(
    draft: Draft, *, last: Change | None, head: Change | None, ts_us: int, change_id: str
) -> Change | None:
    """Make the entry that a draft becomes; `None` if it would change nothing.

    Args:
        draft: What somebody wants.
        last: The newest entry about its pointer.
        head: The newest entry of the log.
        ts_us: Instant of the entry.
        change_id: Id of the entry.

    Raises:
        ChangeConflict: the pointer is not where the draft's author saw it.
        VersionImmutable: what its pointer holds is final.
    """
    before = None if last is None else last.after
    seq = last.seq if last is not None and before is not None else 0
    if draft.expected_seq is not None and draft.expected_seq != seq:
        raise ChangeConflict(
            f"'{draft.pointer}' is at change {seq} and no longer at {draft.expected_seq}; look at"
            " `trimtab changes list` and decide again"
        )
    if draft.after == before:
        return None
    if before is not None and draft.pointer.kind.is_final:
        raise VersionImmutable(
            f"'{draft.pointer}' is published, and stays what it is; use a number that is free, or"
            " yank the version"
        )
    change = Change(
        seq=1 if head is None else head.seq + 1,
        change_id=change_id,
        ts_us=ts_us,
        pointer=draft.pointer,
        before=before,
        after=draft.after,
        author=draft.author,
        source=draft.source,
        reason=draft.reason,
        prev_hash=GENESIS_HASH if head is None else head.hash,
        hash="",
    )
    return msgspec.structs.replace(change, hash=chain_hash(change))


def refuse_moved_on(head: Change | None, expected: int | None) -> None:
    """Refuse to append to a log that is not where it was. Raises `ChangeConflict`."""
    seq = 0 if head is None else head.seq
    if expected is not None and expected != seq:
        raise ChangeConflict(
            f"the change log is at {seq} and no longer at {expected}; decide again"
        )


def follows(change: Change, head: Change | None) -> bool:
    """Whether an entry is whole and continues the log behind `head`."""
    seq, prev_hash = (0, GENESIS_HASH) if head is None else (head.seq, head.hash)
    return (
        change.seq == seq + 1
        and change.prev_hash == prev_hash
        and change.hash == chain_hash(change)
    )
