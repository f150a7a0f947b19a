import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab.store.files import create_file, replace_file

Write = Callable[[Path, bytes], None]
WRITES = pytest.mark.parametrize("write", [replace_file, create_file])


@WRITES
def test_a_file_is_made_with_its_directory_for_its_owner_alone(
    tmp_path: Path, write: Write
) -> None:
    path = tmp_path / "a" / "b" / "file"

    write(path, b"content")

    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [it.name for it in path.parent.iterdir()] == ["file"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"a longer content")
    with path.open("rb") as reader:
        replace_file(path, b"new")

        assert reader.read() == b"a longer content"
    assert path.read_bytes() == b"new"


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    create_file(tmp_path / "file", b"first")
    create_file(tmp_path / "file", b"second")

    assert (tmp_path / "file").read_bytes() == b"first"


@WRITES
def test_what_a_crash_left_behind_is_no_hindrance(tmp_path: Path, write: Write) -> None:
    (tmp_path / f"file.{os.getpid()}.new").write_bytes(b"half a con")

    write(tmp_path / "file", b"content")

    assert [it.name for it in tmp_path.iterdir()] == ["file"]


@WRITES
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, write: Write) -> None:
    replace_file(tmp_path / "file", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, hard))
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011 -- the code says which
            write(tmp_path / "file", b"new content")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert caught.value.errno == errno.EFBIG
    assert {it.name: it.read_bytes() for it in tmp_path.iterdir()} == {"file": b"old"}
