"""A change as a row of the table `change`, the same columns in every engine."""

from typing import Any

from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.errors import SettingsInvalid


def row_of(change: Change) -> tuple[Any, ...]:
    """Give the values of a change in the order of the columns."""
    pointer = change.pointer
    return (
        *(change.seq, change.change_id, change.ts_us, pointer.kind.value, pointer.name),
        *(change.before, change.after, change.author, change.source.value, change.reason),
        *(change.prev_hash, change.hash),
    )


def change_of(row: tuple[Any, ...]) -> Change:
    """Make the change of a row.

    Raises:
        SettingsInvalid: a newer program wrote it.
    """
    seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev, own = row
    try:
        pointer, source = Pointer(PointerKind(kind), name), Source(source)
    except ValueError as exc:
        raise SettingsInvalid(
            f"change {seq} is of a kind this program does not know; upgrade it, or restore the"
            " control store from a backup"
        ) from exc
    return Change(
        seq=seq,
        change_id=change_id,
        ts_us=ts_us,
        pointer=pointer,
        before=before,
        after=after,
        author=author,
        source=source,
        reason=reason,
        prev_hash=prev,
        hash=own,
    )
