"""Where a file and the live configuration differ, and whether applying the file would end that."""

from collections.abc import Iterator

from msgspec import Struct

from trimtab.control.desired import Desired, Filed, Texts, plan, wanted
from trimtab.control.snapshot import State
from trimtab.domain.change import Change, Pointer


class Difference(Struct, frozen=True, kw_only=True):
    """A pointer that stands elsewhere than the file says. Values are canonical JSON.

    Attributes:
        file: What the file wants; `None` if it does not name the pointer.
        live: Where it stands; `None` if it is not there.
        pending: Whether applying the file would move it; else it was moved by hand and stays.
        last: The change that moved it last, if it is there.
    """

    pointer: Pointer
    file: bytes | None
    live: bytes | None
    pending: bool
    last: Change | None


def differences(
    state: State, desired: Desired, *, filed: Filed, texts: Texts
) -> Iterator[Difference]:
    """Compare every pointer that the file names, or that a file made, in the order of names."""
    drafts = plan(state, desired, filed=filed, texts=texts, author="", reason="")
    moves = {draft.pointer for draft in drafts}
    named = {it for it, value in filed.items() if value is not None and it in state}
    for pointer in sorted(named | desired.keys()):
        entry = state.get(pointer)
        value = desired.get(pointer)
        file = None if value is None else wanted(entry, value, texts.get(pointer, frozenset()))
        live = None if entry is None else entry.change.after
        if file != live:
            yield Difference(
                pointer=pointer,
                file=file,
                live=live,
                pending=pointer in moves,
                last=None if entry is None else entry.change,
            )
