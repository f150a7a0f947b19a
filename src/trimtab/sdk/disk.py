"""The last good answers on disk, for a cold start while the registry is away.

Each file is sealed with the application's own key, so that who can write there but has no key can
neither put in another text nor have a label point at an older one.
"""

import hmac
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.sdk.answers import Answer, Place

_NAME_DIGITS = 32


class Saved(Struct, frozen=True):
    """An answer, and when it was last known to be right."""

    place: Place
    answer: Answer
    good_us: int


class Disk:
    """A folder of answers; those of other keys and other registries are not seen."""

    def __init__(self, folder: Path, url: str, key: str) -> None:
        self._secret = key.encode()
        self._folder = folder / self._seal(url.encode())[:_NAME_DIGITS]

    def save(self, saved: Saved) -> None:
        """Keep an answer; raises `OSError`."""
        body = msgspec.json.encode(saved)
        path = self._path(saved.place)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
        try:
            new.touch(mode=0o600)
            new.write_bytes(self._seal(body).encode() + b"\n" + body)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def load(self, place: Place) -> Saved | None:
        """Give what was kept; `None` if nothing was, or if somebody else wrote it."""
        try:
            seal, _, body = self._path(place).read_bytes().partition(b"\n")
            if not hmac.compare_digest(seal, self._seal(body).encode()):
                return None
            saved = msgspec.json.decode(body, type=Saved)
        except (OSError, msgspec.MsgspecError):
            return None
        return saved if saved.place == place else None

    def drop(self, place: Place) -> None:
        """Forget an answer."""
        with suppress(OSError):
            self._path(place).unlink(missing_ok=True)

    def _path(self, place: Place) -> Path:
        name = sha256(msgspec.json.encode(place)).hexdigest()[:_NAME_DIGITS]
        return self._folder / f"{name}.json"

    def _seal(self, body: bytes) -> str:
        return hmac.new(self._secret, body, sha256).hexdigest()
