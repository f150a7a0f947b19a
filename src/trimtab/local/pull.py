"""Puts models among the state of this machine, whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from trimtab.local.lock import Model, sha256_of
from trimtab.local.wheel import extract

Fetch = Callable[[Model, Path], Path]
"""Gives the path of a model's wheel, unchecked; may put it into the directory it is told of."""


class State(StrEnum):
    """What is there of a model."""

    ABSENT = "absent"
    PULLED = "pulled"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The models of a state directory. State: the files in it."""

    directory: Path

    @classmethod
    def of(cls, home: Path) -> "Shelf":
        """Give the models of a state directory, as `wiring.home` names it."""
        return cls(home / "models")

    def path(self, model: Model) -> Path:
        """Where the model's file is once it is pulled."""
        return self.directory / f"{model.name}.gguf"

    def state(self, model: Model) -> State:
        """Say what is there. The whole file is hashed: about 0.1 s for 100 MB."""
        try:
            found = sha256_of(self.path(model))
        except FileNotFoundError:
            return State.ABSENT
        return State.PULLED if found == model.file.sha256 else State.DAMAGED

    def pull(self, model: Model, fetch: Fetch) -> bool:
        """Fetch, check and unpack a model; false if it was there already.

        A reader sees the old file or the new one, also after a power cut. What is left of a pull
        that was killed is a directory `.pull-*`, which nothing reads.

        Raises:
            SettingsInvalid: what was fetched is not what the lock names.
            TryLater: it could not be fetched.
            OSError: the directory cannot be written.
        """
        if self.state(model) is State.PULLED:
            return False
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=self.directory) as temporary:
            unpacked = Path(temporary) / "model.gguf"
            extract(fetch(model, Path(temporary)), model, unpacked)
            unpacked.replace(self.path(model))
        _flush(self.directory)
        return True


def _flush(directory: Path) -> None:
    """Make a rename in a directory outlast a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
