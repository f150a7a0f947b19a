"""Frames are overwritten where they stand; whoever reads on is not disturbed."""

import os
from collections.abc import Collection
from gzip import compress
from pathlib import Path

import msgspec
from tests.records import finish
from tests.telemetry.shapes import TS_US

from trimtab.domain.app_span import AppSpan, SpanBatch
from trimtab.domain.record import Finish
from trimtab.store.base.ending import SpanKey
from trimtab.telemetry.erasing import Passed, blank, clear_aside
from trimtab.telemetry.follow import START, Place, follow
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


async def blanked(
    home: Path, *gone: Finish, left: Collection[SpanKey] = (), passed: Passed = lambda _: True
) -> int:
    async def told(asked: Collection[SpanKey]) -> frozenset[SpanKey]:
        return frozenset(asked) & frozenset(left)

    return await blank(home / "spool", erased(*gone), told, passed)


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
    assert await blanked(tmp_path, ONE) == 1
    assert kinds(tmp_path) == [Kind.ERASED, Kind.FINISH]
    assert path.stat().st_size == size
    assert b"dana" not in path.read_bytes()
    assert await blanked(tmp_path, ONE) == 0


async def test_what_a_crash_left_half_done_is_finished(tmp_path: Path) -> None:
    path = segment(tmp_path)
    file = os.open(path, os.O_RDWR)
    head, _ = blanks(os.pread(file, FRAME_BYTES, HEADER_BYTES))
    os.pwrite(file, head, HEADER_BYTES)
    os.close(file)
    assert kinds(tmp_path) == [Kind.FINISH]
    assert await blanked(tmp_path) == 1
    assert kinds(tmp_path) == [Kind.ERASED, Kind.FINISH]
    assert b"dana" not in path.read_bytes()


def told(home: Path, *names: str) -> Path:
    path = segment_path(home / "spool" / "gateway-1", 7)
    path.parent.mkdir(parents=True)
    spans = tuple(app_span(name) for name in names)
    batch = SpanBatch(tenant_id="acme", received_us=TS_US, spans=spans)
    path.write_bytes(header(7, 0) + encode(Kind.SPANS, 0, msgspec.msgpack.encode(batch)))
    return path


def app_span(name: str) -> AppSpan:
    return AppSpan(
        tenant_id="acme",
        trace_id="t" * 32,
        span_id=name,
        received_us=TS_US,
        ts_us=TS_US,
        end_us=TS_US,
        name="what dana asked",
    )


async def test_spans_that_are_not_stored_any_more_are_zeros(tmp_path: Path) -> None:
    path = told(tmp_path, "s1", "s2")
    both = [SpanKey("acme", "t" * 32, name) for name in ("s1", "s2")]
    assert await blanked(tmp_path, left=both) == 0
    assert await blanked(tmp_path, left=both[:1]) == 1
    assert kinds(tmp_path) == [Kind.ERASED]
    assert b"dana" not in path.read_bytes()


async def test_spans_that_are_not_stored_yet_stay(tmp_path: Path) -> None:
    told(tmp_path, "s1")
    assert await blanked(tmp_path, passed=lambda _: False) == 0
    end = Place(7, segment_path(tmp_path / "spool" / "gateway-1", 7).stat().st_size)
    assert await blanked(tmp_path, passed=lambda it: it == {"gateway-1": end}) == 1


async def test_what_was_to_be_exported_after_all_goes_too(tmp_path: Path) -> None:
    path = segment(tmp_path)
    path.write_bytes(header(7, 0) + encode(Kind.REHYDRATED, 0, msgspec.msgpack.encode(ONE)))
    assert await blanked(tmp_path, ONE) == 1
    assert kinds(tmp_path) == [Kind.ERASED]


async def test_what_is_aside_goes_by_id_or_by_word(tmp_path: Path) -> None:
    dead = tmp_path / "dead" / "phoenix"
    dead.mkdir(parents=True)
    (dead / "1-400-a.otlp.gz").write_bytes(compress(ONE.record.request_id.encode()))
    (dead / "2-400-b.otlp.gz").write_bytes(compress(TWO.record.request_id.encode()))
    (tmp_path / "quarantine" / "w").mkdir(parents=True)
    (tmp_path / "quarantine" / "w" / "1.spool").write_bytes(b"...acme...")
    assert await clear_aside(tmp_path, [b"acme"], erased(ONE)) == 2
    assert [it.name for it in dead.iterdir()] == ["2-400-b.otlp.gz"]
