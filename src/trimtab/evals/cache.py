"""Verdicts that are remembered: one small file each, named by the hash of what was asked.

    .judge-cache/v1/3f/9a0c....json

Files merge without conflict in git or a cache of CI. They may come from anybody, so none is taken
at its word: it must be readable, must be of the key that is looked for, and under a secret it must
be signed with it.
"""

import hmac
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from trimtab.domain.clock import Clock
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.prompt import canonical, digest

VERSION = "v1"
"""Of keys and files; another if prompts are rendered otherwise than they were."""

MOST_BYTES = 4 * 2**20
_NAMES = "names"
_NEW = ".new"
_FORGOTTEN_S = 3600.0


class Flaw(StrEnum):
    """Why an entry is not used."""

    UNREADABLE = "unreadable"
    MISPLACED = "misplaced"
    UNSIGNED = "unsigned"
    TAMPERED = "tampered"


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an answer depends on.

    Attributes:
        judge_model: Provider and dated model, as its answers name them.
        judge_prompt_hash: Hash of the judge prompt with all that it is filled with, but for what
            the candidate said.
        candidate_output_hash: Hash of what the candidate said.
        params: How the model is asked: temperature, length, schema.
    """

    judge_model: str
    judge_prompt_hash: str
    candidate_output_hash: str
    step: str
    sample_index: int = 0
    params: Mapping[str, Any] = {}

    @property
    def name(self) -> str:
        """SHA-256 of its canonical JSON (RFC 8785), hex."""
        return digest(canonical(msgspec.to_builtins(self)))


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the model answered, for who looks into it."""

    text: str = ""
    model: str = ""
    request_id: str | None = None


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer that is remembered.

    Attributes:
        parsed: What was read from the answer; the only part that is used again.
        usage: As the provider told it.
        at: When it was given, RFC 3339.
        mac: HMAC-SHA256 over the rest; "" without a secret.
    """

    key: Key
    response: Said
    parsed: Raw
    usage: Raw
    cost_nano: int | None
    at: str
    mac: str = ""


@dataclass(slots=True)
class Cache:
    """Remembers answers in a folder. State: the files, and what was found wrong with them.

    Attributes:
        secret: Signs entries; without one they are for this machine alone.
        refused: How many entries were not used, by flaw.
        unwritten: How many answers could not be kept.
    """

    folder: Path
    clock: Clock
    secret: bytes = b""
    refused: Counter[Flaw] = field(default_factory=Counter[Flaw])
    unwritten: int = 0

    @property
    def signed(self) -> bool:
        """Whether entries must be signed."""
        return bool(self.secret)

    def get(self, key: Key) -> Entry | None:
        """Find an answer; what is wrong with an entry is counted, and it is as if not there."""
        found = self._read(self._path(key.name))
        if found is None:
            return None
        if isinstance(found, Entry) and found.key != key:
            found = Flaw.MISPLACED
        if isinstance(found, Flaw):
            self.refused[found] += 1
            return None
        return found

    def put(self, entry: Entry) -> None:
        """Keep an answer. A crash leaves it whole or not there; that it cannot be is counted."""
        whole = replace(entry, mac=self._mac(entry))
        path = self._path(entry.key.name)
        try:
            _write(path, msgspec.json.encode(whole))
        except OSError:
            self.unwritten += 1

    def now(self) -> str:
        """Tell the time as entries have it."""
        return _instant(self.clock.now_us() / 1e6)

    def moved(self, name: str, resolved: str) -> str | None:
        """Take down which model answers under a name; tell which did before, if it was another."""
        path = self.folder / VERSION / _NAMES / f"{digest(name)[:16]}.json"
        before = ""
        with suppress(OSError, msgspec.DecodeError, UnicodeError):
            before = msgspec.json.decode(path.read_bytes(), type=dict[str, str]).get("model", "")
        if before != resolved:
            with suppress(OSError):
                _write(path, msgspec.json.encode({"name": name, "model": resolved}))
        return before if before not in ("", resolved) else None

    def entries(self) -> Iterator[tuple[Path, Entry | Flaw]]:
        """Look at every entry, as `get` would."""
        for path in sorted((self.folder / VERSION).glob("[0-9a-f][0-9a-f]/*.json")):
            found = self._read(path)
            if isinstance(found, Entry) and path != self._place(found):
                found = Flaw.MISPLACED
            if found is not None:
                yield path, found

    def gc(self, days: int) -> tuple[int, int]:
        """Remove what is older, and what could not be used; tell how many, and their bytes."""
        now_s = self.clock.now_us() / 1e6
        oldest = _instant(now_s - days * 86_400)
        gone = [path for path, it in self.entries() if isinstance(it, Flaw) or it.at < oldest]
        for path in (self.folder / VERSION).glob(f"*/.*{_NEW}"):
            with suppress(OSError):
                if path.stat().st_mtime < now_s - _FORGOTTEN_S:
                    gone.append(path)
        return len(gone), sum(map(_removed, gone))

    def _place(self, entry: Entry) -> Path | None:
        try:
            return self._path(entry.key.name)
        except InvalidRequest:
            return None

    def _path(self, name: str) -> Path:
        return self.folder / VERSION / name[:2] / f"{name[2:]}.json"

    def _read(self, path: Path) -> Entry | Flaw | None:
        try:
            if not path.is_file():
                # a pipe or a device would be read for ever
                return Flaw.UNREADABLE if path.exists() else None
            with path.open("rb") as file:
                entry = msgspec.json.decode(file.read(MOST_BYTES), type=Entry)
        except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
            return Flaw.UNREADABLE
        if self.secret and not entry.mac:
            return Flaw.UNSIGNED
        if self.secret and not hmac.compare_digest(self._mac(entry).encode(), entry.mac.encode()):
            return Flaw.TAMPERED
        return entry

    def _mac(self, entry: Entry) -> str:
        if not self.secret:
            return ""
        data = msgspec.json.encode(replace(entry, mac=""))
        return hmac.digest(self.secret, data, "sha256").hex()


class Forgetful(Cache):
    """Remembers nothing: what users were answered stays where it goes with their content."""

    def get(self, key: Key) -> Entry | None:
        """Find nothing."""
        _ = key

    def put(self, entry: Entry) -> None:
        """Keep nothing."""

    def moved(self, name: str, resolved: str) -> str | None:
        """Take down nothing."""
        _ = name, resolved


def _write(path: Path, data: bytes) -> None:
    """Write a file and rename it. It need not be on the disk: what is torn is not used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, new = mkstemp(prefix=".", suffix=_NEW, dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            _ = file.write(data)
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def _removed(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError:
        return 0
    return size


def _instant(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
