"""Frames are overwritten where they stand; whoever reads on is not disturbed."""

import os
from collections.abc import Collection
from gzip import compress
from pathlib import Path

import msgspec
from tests.records import finish

from trimtab.domain.record import Finish
from trimtab.telemetry.erasing import blank, clear_aside
from trimtab.telemetry.follow import START, follow
from trimtab.telemetry.frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    Frame,
    Kind,
    blanks,
    encode,
    header,
    segment_path,
)

ONE, TWO = finish(1, conversation_id="TTFR what dana said"), finish(2)


def erased(*gone: Finish):  # noqa: ANN201
    async def tell(asked: Collection[str]) -> frozenset[str]:
        return frozenset(asked) & {it.record.request_id for it in gone}

    return tell


def segment(home: Path) -> Path:
    path = segment_path(home / "spool" / "gateway-1", 7)
    path.parent.mkdir(parents=True)
    frames = [encode(Kind.FINISH, n, msgspec.msgpack.encode(it)) for n, it in enumerate((ONE, TWO))]
    path.write_bytes(header(7, 0) + b"".join(frames))
    return path


def kinds(home: Path) -> list[int]:
    found = [step.found for step in follow(home / "spool" / "gateway-1", START)]
    return [it.kind for it in found if isinstance(it, Frame)]


async def test_a_frame_is_zeros_and_the_next_stays(tmp_path: Path) -> None:
    path = segment(tmp_path)
    size = path.stat().st_size
    assert await blank(tmp_path / "spool", erased(ONE)) == 1
    assert kinds(tmp_path) == [Kind.ERASED, Kind.FINISH]
    assert path.stat().st_size == size
    assert b"dana" not in path.read_bytes()
    assert await blank(tmp_path / "spool", erased(ONE)) == 0


async def test_what_a_crash_left_half_done_is_finished(tmp_path: Path) -> None:
    path = segment(tmp_path)
    file = os.open(path, os.O_RDWR)
    head, _ = blanks(os.pread(file, FRAME_BYTES, HEADER_BYTES))
    os.pwrite(file, head, HEADER_BYTES)
    os.close(file)
    assert kinds(tmp_path) == [Kind.FINISH]
    assert await blank(tmp_path / "spool", erased()) == 1
    assert kinds(tmp_path) == [Kind.ERASED, Kind.FINISH]
    assert b"dana" not in path.read_bytes()


async def test_what_is_aside_goes_by_id_or_by_word(tmp_path: Path) -> None:
    dead = tmp_path / "dead" / "phoenix"
    dead.mkdir(parents=True)
    (dead / "1-400-a.otlp.gz").write_bytes(compress(ONE.record.request_id.encode()))
    (dead / "2-400-b.otlp.gz").write_bytes(compress(TWO.record.request_id.encode()))
    (tmp_path / "quarantine" / "w").mkdir(parents=True)
    (tmp_path / "quarantine" / "w" / "1.spool").write_bytes(b"...acme...")
    assert await clear_aside(tmp_path, [b"acme"], erased(ONE)) == 2
    assert [it.name for it in dead.iterdir()] == ["2-400-b.otlp.gz"]
