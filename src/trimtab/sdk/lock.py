"""`prompts.lock`: the texts an application was released with, in its own repository.

It is canonical JSON (RFC 8785) and a newline, so that the same texts are the same file. Whoever
reads it sees that each text is that of its hash; who may change both is a question for reviews.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.domain.errors import SettingsInvalid, TrimtabError
from trimtab.domain.prompt import PRODUCTION, Content, PromptVersion, canonical
from trimtab.sdk.answers import Answer, Edition, Place, verified

FILE = "prompts.lock"
REMEDY = "write it again with `trimtab prompts lock`"
_FORMAT = 1


class Locked(Struct, frozen=True, forbid_unknown_fields=True):
    """What a prompt was when the lock was written."""

    version: str
    hash: str
    content: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    label: str
    prompts: dict[str, Locked]


class Lock:
    """Where one label pointed, for the default scope, and the texts there."""

    def __init__(self, label: str, editions: Mapping[str, Edition]) -> None:
        self.label = label
        self._editions = editions

    def find(self, place: Place) -> Edition | None:
        """Give the edition, if that is what the label or the number of a place leads to."""
        edition = self._editions.get(place.name)
        if edition is None:
            return None
        named = place.version is not None and place.version == edition.version.version
        return edition if named or (place.version is None and place.label == self.label) else None

    def hash_of(self, name: str, version: str) -> str | None:
        """Give the hash a version must have; `None` if it is not here."""
        edition = self.find(Place(name, version=version))
        return None if edition is None else edition.version.hash


def write_lock(versions: Iterable[PromptVersion], label: str = PRODUCTION) -> str:
    """Write the lock of what a label points at."""
    prompts = {
        it.name: {"version": it.version, "hash": it.hash, "content": it.content} for it in versions
    }
    return canonical({"format": _FORMAT, "label": label, "prompts": prompts}) + "\n"


def load_lock(path: Path) -> Lock:
    """Read a lock from a file. Raises `SettingsInvalid`."""
    try:
        return read_lock(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeError) as exc:
        raise SettingsInvalid(f"{path}: cannot be read; {REMEDY}") from exc


def read_lock(text: str, path: str = FILE) -> Lock:
    """Read a lock.

    Raises:
        SettingsInvalid: it is none, or a text in it is not that of its hash.
    """
    try:
        members = msgspec.json.decode(text)
        file = msgspec.convert(members, type=_File)
    except msgspec.MsgspecError as exc:
        raise SettingsInvalid(f"{path}: is no lock of prompts; {REMEDY}") from exc
    if file.format != _FORMAT:
        raise SettingsInvalid(f"{path}: has format {file.format}; upgrade Trimtab, or {REMEDY}")
    if text != canonical(members) + "\n":
        raise SettingsInvalid(f"{path}: was changed by hand; {REMEDY}")
    return Lock(file.label, {name: _edition(name, it, path) for name, it in file.prompts.items()})


def _edition(name: str, locked: Locked, path: str) -> Edition:
    try:
        shape = msgspec.json.decode(locked.content, type=Content).shape()
        answer = Answer(
            name=name,
            version=locked.version,
            hash=locked.hash,
            shape_hash=shape,
            content=locked.content,
        )
        return verified(answer, Place(name, version=locked.version))
    except (msgspec.MsgspecError, TrimtabError) as exc:
        raise SettingsInvalid(f"{path}: '{name}' is not what was published; {REMEDY}") from exc
