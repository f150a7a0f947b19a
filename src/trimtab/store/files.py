"""Making a file so that a crash leaves the old one or the new one, whole."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, on the disk when this returns. Raises `OSError`.

    Its directory is made if it is not there.
    """
    with _beside(path, content) as new:
        new.replace(path)


def create_file(path: Path, content: bytes) -> None:
    """The same, but of many that come at once the first wins: what is there stays."""
    with _beside(path, content) as new, suppress(FileExistsError):
        path.hardlink_to(new)


@contextmanager
def _beside(path: Path, content: bytes) -> Generator[Path]:
    """Give a whole file next to another, until it is renamed or the block ends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    try:
        new.touch(mode=0o600)
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield new
    finally:
        new.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Bring what was made or renamed in a directory to the disk. Raises `OSError`."""
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
