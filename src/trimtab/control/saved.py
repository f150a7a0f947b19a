"""The last good state on disk, so that a worker can start while the control store is away.

One file: the SHA-256 of what follows, a line feed, then the newest change of every pointer as
JSON. It is replaced whole, and trusted only if the hash is right.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.control.snapshot import State, fold
from trimtab.domain.change import Change
from trimtab.store.files import replace_file

_HASH_LENGTH = 64


class Saved(Struct, frozen=True, kw_only=True):
    """A state at one sequence number.

    Attributes:
        head: Newest change of the log then; `None` if the log was empty.
        changes: The change that moved each pointer last, oldest first.
    """

    head: Change | None
    changes: tuple[Change, ...]

    def state(self) -> State:
        """Give the state back."""
        return fold({}, self.changes)


def saved(head: Change | None, state: State) -> Saved:
    """Take what is needed to have a state again."""
    changes: Iterable[Change] = (entry.change for entry in state.values())
    return Saved(head=head, changes=tuple(sorted(changes, key=lambda change: change.seq)))


def write(path: Path, what: Saved) -> None:
    """Replace the file, readable by its owner only. Raises `OSError`."""
    payload = msgspec.json.encode(what)
    replace_file(path, sha256(payload).hexdigest().encode() + b"\n" + payload)


def read(path: Path) -> Saved | None:
    """Read the file; `None` if there is none or a byte of it is not what was written."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    payload = text[_HASH_LENGTH + 1 :]
    if text[:_HASH_LENGTH] != sha256(payload).hexdigest().encode():
        return None
    try:
        return msgspec.json.decode(payload, type=Saved)
    except msgspec.DecodeError:
        return None
