from pathlib import Path

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.telemetry.shapes import answered, record
from tests.telemetry.spooled import Spooled

from trimtab.domain.record import Blob, Finish
from trimtab.telemetry.batch import MAX_SPANS, NO_END, Batch, Entry, aged, gather, pieces
from trimtab.telemetry.follow import Place, follow
from trimtab.telemetry.frames import HEADER_BYTES, Kind
from trimtab.telemetry.spans import Source
from trimtab.telemetry.view import View

BEFORE_S = 1_777_000_000.0


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def roots(batch: Batch) -> list[bytes]:
    return [
        entry.span.trace_id for entry in batch.entries if entry.span.kind == Span.SPAN_KIND_SERVER
    ]


def traces(*finishes: Finish) -> list[bytes]:
    return [bytes.fromhex(finish.record.trace_id) for finish in finishes]


def bare(seed: int) -> Finish:
    return Finish(record=record(seed))


def test_records_come_in_the_order_of_the_spool(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    finishes = [answered(seed) for seed in range(5)]
    for finish in finishes:
        worker.raw(worker.frame(Kind.BEGIN, b"\x80"))
        worker.finish(finish)

    batch = gather(spool, {}, View())

    assert roots(batch) == traces(*finishes)
    assert not batch.full
    assert batch.places == {"w1": Place(1, worker.path.stat().st_size)}
    assert gather(spool, batch.places, View()).entries == []


def test_a_request_is_passed_with_its_last_span_only(tmp_path: Path, spool: Path) -> None:
    Spooled(tmp_path).finish(answered(1), answered(2))

    batch = gather(spool, {}, View())

    passed = [entry.passed for entry in batch.entries]
    assert [place is not None for place in passed] == ([False] * 6 + [True]) * 2
    assert passed[-1] == batch.places["w1"]


def test_a_batch_has_at_most_512_spans_and_the_next_goes_on(tmp_path: Path, spool: Path) -> None:
    finishes = [answered(seed) for seed in range(100)]
    Spooled(tmp_path).finish(*finishes)

    first = gather(spool, {}, View())
    second = gather(spool, first.places, View())

    assert first.full
    assert MAX_SPANS - 7 < len(first.entries) <= MAX_SPANS
    assert not second.full
    assert roots(first) + roots(second) == traces(*finishes)


def test_a_batch_has_at_most_one_mebibyte(tmp_path: Path, spool: Path) -> None:
    wide = dict.fromkeys(("feature", "tier", "key_id", "target", "provider"), "x" * 1024)
    Spooled(tmp_path).finish(*(Finish(record=record(seed, **wide)) for seed in range(300)))

    batch = gather(spool, {}, View())

    assert batch.full
    assert 1_000_000 < sum(entry.span.ByteSize() for entry in batch.entries) <= 1 << 20


def test_a_busy_worker_does_not_keep_another_waiting(tmp_path: Path, spool: Path) -> None:
    Spooled(tmp_path, "busy").finish(*(bare(seed) for seed in range(600)))
    quiet = bare(1000)
    Spooled(tmp_path, "quiet").finish(quiet)

    assert traces(quiet)[0] in roots(gather(spool, {}, View()))


def test_segments_are_followed_and_left_at_their_end(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    worker.finish(bare(1))
    worker.rotate()
    worker.finish(bare(2))
    worker.rotate()

    batch = gather(spool, {}, View())

    assert roots(batch) == traces(bare(1), bare(2))
    assert batch.places == {"w1": Place(3, HEADER_BYTES)}


def test_a_frame_larger_than_a_chunk_is_read(tmp_path: Path, spool: Path) -> None:
    large = Finish(record=record(1), content=(Blob(b"r" * 32, "raw", b"x" * 5_000_000),))
    Spooled(tmp_path).finish(large, bare(2))

    assert roots(gather(spool, {}, View())) == traces(large, bare(2))


def test_a_torn_end_is_waited_for(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    frame = worker.frame(Kind.FINISH, msgspec.msgpack.encode(bare(1)))
    worker.raw(frame[:-10])
    before = gather(spool, {}, View())

    worker.raw(frame[-10:])
    after = gather(spool, before.places, View())

    assert before.entries == []
    assert roots(after) == traces(bare(1))


def test_a_torn_end_of_a_closed_segment_is_passed(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    worker.raw(worker.frame(Kind.FINISH, b"x" * 100)[:-10])
    worker.rotate()
    worker.finish(bare(1))

    assert roots(gather(spool, {}, View())) == traces(bare(1))


def test_damage_between_good_frames_is_passed(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    worker.finish(bare(1))
    worker.raw(b"no frame at all")
    worker.finish(bare(2))

    assert roots(gather(spool, {}, View())) == traces(bare(1), bare(2))


def test_a_spool_cut_short_by_a_power_cut_is_read_from_its_end_on(
    tmp_path: Path, spool: Path
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(bare(1))

    ahead = {"w1": Place(1, worker.path.stat().st_size + 4096)}
    assert gather(spool, ahead, View()).entries == []
    assert list(follow(worker.directory, ahead["w1"])) == []


def test_a_frame_of_a_newer_version_stops_its_worker_alone(tmp_path: Path, spool: Path) -> None:
    ahead = Spooled(tmp_path, "ahead")
    ahead.newer(bare(1))
    ahead.finish(bare(2))
    Spooled(tmp_path, "same").finish(bare(3))

    batch = gather(spool, {}, View())

    assert roots(batch) == traces(bare(3))
    assert "ahead" not in batch.places


@pytest.mark.parametrize("payload", [b"\xc1", b"\x80", msgspec.msgpack.encode({"record": 1})])
def test_a_frame_that_cannot_be_read_is_counted_and_passed(
    payload: bytes, tmp_path: Path, spool: Path
) -> None:
    worker = Spooled(tmp_path)
    worker.raw(worker.frame(Kind.FINISH, payload))
    worker.finish(bare(1))

    batch = gather(spool, {}, View())

    assert batch.unreadable == 1
    assert roots(batch) == traces(bare(1))


def test_a_record_that_cannot_be_rendered_is_counted_and_passed(
    tmp_path: Path, spool: Path
) -> None:
    Spooled(tmp_path).finish(Finish(record=record(1, trace_id="nonsense")), bare(2))

    batch = gather(spool, {}, View())

    assert batch.unreadable == 1
    assert roots(batch) == traces(bare(2))


def test_no_spool_is_an_empty_batch(spool: Path) -> None:
    assert gather(spool, {}, View()) == Batch()


def test_what_was_not_written_since_ends_where_the_first_newer_segment_begins(
    tmp_path: Path, spool: Path
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(bare(1))
    worker.aged(BEFORE_S - 1)
    worker.rotate()
    worker.finish(bare(3))
    worker.aged(BEFORE_S)
    Spooled(tmp_path, "silent").aged(BEFORE_S - 1)

    assert aged(spool, BEFORE_S) == {"w1": Place(2, HEADER_BYTES), "silent": NO_END}


def test_reading_stops_where_it_is_told_to(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    worker.finish(bare(1))
    end = Place(1, worker.path.stat().st_size)
    worker.finish(bare(2))
    Spooled(tmp_path, "w2").finish(bare(3))

    batch = gather(spool, {}, View(), {"w1": end})

    assert roots(batch) == traces(bare(1))
    assert batch.places == {"w1": end}


def test_a_trace_that_was_not_kept_is_passed(tmp_path: Path, spool: Path) -> None:
    worker = Spooled(tmp_path)
    worker.finish(answered(1, trace_kept=False), bare(2), answered(3, trace_kept=False))

    batch = gather(spool, {}, View())

    assert roots(batch) == traces(bare(2))
    assert batch.places == {"w1": Place(1, worker.path.stat().st_size)}


def test_large_entries_are_cut_into_pieces_in_order() -> None:
    span = Span(name="x" * 400_000)
    entries = [Entry(Source("w1", "dev"), "w1", span, Place(1, n)) for n in range(5)]

    cut = list(pieces(entries))

    assert [len(piece) for piece in cut] == [2, 2, 1]
    assert [entry for piece in cut for entry in piece] == entries
    assert list(pieces([])) == []
