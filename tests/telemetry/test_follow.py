from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.records import finish
from tests.telemetry.spooled import CREATED_US, Spooled

from trimtab.telemetry.follow import (
    START,
    Place,
    Step,
    follow,
    is_ahead,
    waiting_bytes,
    waits_s,
    workers,
)
from trimtab.telemetry.frames import (
    HEADER_BYTES,
    Damage,
    Frame,
    Kind,
    encode,
    header,
    segment_path,
)

INNER = encode(Kind.FINISH, 9, b"what somebody made up")
MIB = 1 << 20


def notes(worker: Spooled, *payloads: bytes) -> None:
    for payload in payloads:
        worker.raw(worker.frame(Kind.NOTE, payload))


def payloads(steps: list[Step]) -> list[bytes]:
    return [step.found.payload for step in steps if isinstance(step.found, Frame)]


def test_frames_come_in_order_with_the_place_behind_each(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one", b"two")

    steps = list(follow(worker.directory, START))

    assert payloads(steps) == [b"one", b"two"]
    assert [step.place for step in steps] == [Place(1, 64 + 24 + 3), Place(1, 64 + 2 * (24 + 3))]
    assert payloads(list(follow(worker.directory, steps[0].place))) == [b"two"]
    assert list(follow(worker.directory, steps[1].place)) == []


def test_the_next_segment_is_a_step_of_its_own(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one")
    worker.rotate()
    notes(worker, b"two")

    _, between, _ = follow(worker.directory, START)

    assert between == Step(Place(2, HEADER_BYTES), None)
    assert payloads(list(follow(worker.directory, between.place))) == [b"two"]


def test_segments_that_are_gone_are_passed(tmp_path: Path) -> None:
    worker = Spooled(tmp_path, segment=5)
    notes(worker, b"one")
    worker.rotate()
    notes(worker, b"two")
    segment_path(worker.directory, 5).unlink()

    assert payloads(list(follow(worker.directory, START))) == [b"two"]
    assert payloads(list(follow(worker.directory, Place(5, 91)))) == [b"two"]


def test_a_segment_whose_header_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one")
    whole = worker.path.read_bytes()

    for size in range(len(whole)):
        worker.path.write_bytes(whole[:size])
        assert list(follow(worker.directory, START)) == []

    worker.path.write_bytes(whole)
    assert payloads(list(follow(worker.directory, START))) == [b"one"]


def test_a_place_is_never_inside_a_header(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one")

    # As it looks to a reader that found the file while it was still empty.
    assert payloads(list(follow(worker.directory, Place(1, 0)))) == [b"one"]
    assert all(isinstance(it.found, Frame) for it in follow(worker.directory, Place(1, 0)))


def test_damage_is_a_step_where_good_frames_follow(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one")
    worker.raw(b"junk")
    notes(worker, b"two")

    steps = list(follow(worker.directory, START))

    assert payloads(steps) == [b"one", b"two"]
    assert isinstance(steps[1].found, Damage)
    assert steps[1].place == Place(1, 64 + 27 + 4)


def test_a_segment_that_ends_in_damage_says_so_once_it_is_over(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one")
    worker.raw(worker.frame(Kind.NOTE, b"lost")[:-1])
    assert len(list(follow(worker.directory, START))) == 1

    worker.rotate()
    notes(worker, b"two")

    _, between, after = follow(worker.directory, START)
    assert between.place == Place(2, HEADER_BYTES)
    assert isinstance(between.found, Damage)
    assert between.found.at_end
    assert payloads([after]) == [b"two"]


def test_frames_and_damage_of_any_size_are_read_in_chunks(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    sizes = [MIB - 200, 1, 3 * MIB, 0, MIB // 2, MIB // 2, 5]
    notes(worker, *(b"x" * size for size in sizes[:4]))
    worker.raw(b"junk" * (MIB // 2))
    notes(worker, *(b"x" * size for size in sizes[4:]))

    steps = list(follow(worker.directory, START))

    assert [len(it) for it in payloads(steps)] == sizes
    assert sum(isinstance(step.found, Damage) for step in steps) == 1
    assert steps[-1].place.offset == worker.path.stat().st_size


def test_a_frame_that_people_wrote_into_a_large_one_is_never_read(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    asked = INNER + b"y" * MIB
    # The second frame begins in the first chunk and ends in the next.
    notes(worker, b"x" * (MIB - 500), asked)
    whole = worker.path.read_bytes()

    assert payloads(list(follow(worker.directory, START))) == [b"x" * (MIB - 500), asked]
    for torn in (100, 1000, MIB):
        worker.path.write_bytes(whole[:-torn])
        assert payloads(list(follow(worker.directory, START))) == [b"x" * (MIB - 500)]


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_in_turns_gives_each_frame_once(tmp_path: Path, data: st.DataObject) -> None:
    """Cut a spool anywhere, read, let the rest come, read on from there."""
    directory = tmp_path / "w1"
    directory.mkdir(exist_ok=True)
    expected = [str(number).encode() for number in range(4)]
    segments = [
        header(1, CREATED_US) + b"".join(encode(Kind.NOTE, n, expected[n]) for n in (0, 1)),
        header(2, CREATED_US) + b"".join(encode(Kind.NOTE, n, expected[n]) for n in (2, 3)),
    ]
    total = sum(map(len, segments))
    cuts = sorted(data.draw(st.lists(st.integers(0, total), max_size=4)))
    place, seen = START, list[bytes]()

    for cut in [*cuts, total]:
        segment_path(directory, 2).unlink(missing_ok=True)
        segment_path(directory, 1).write_bytes(segments[0][:cut])
        if cut >= len(segments[0]):
            segment_path(directory, 2).write_bytes(segments[1][: cut - len(segments[0])])
        steps = list(follow(directory, place))
        seen += payloads(steps)
        place = steps[-1].place if steps else place

    assert seen == expected
    assert place == Place(2, len(segments[1]))


def test_a_frame_of_a_newer_version_stops_there(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    worker.finish(finish(1))
    here = Place(1, worker.path.stat().st_size)
    worker.newer(finish(2))
    worker.finish(finish(3))

    assert [step.place for step in follow(worker.directory, START)] == [here]
    assert not is_ahead(worker.directory, START)
    assert is_ahead(worker.directory, here)


def test_nothing_more_to_read_is_not_ahead(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    assert not is_ahead(worker.directory, START)
    assert not is_ahead(tmp_path / "nowhere", START)

    notes(worker, b"one")
    worker.raw(b"torn")

    assert not is_ahead(worker.directory, Place(1, 64 + 27))


def test_waiting_bytes_are_those_behind_a_place_in_all_segments(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    notes(worker, b"one", b"two")
    worker.rotate()
    notes(worker, b"three")

    assert waiting_bytes(worker.directory, START) == 27 + 27 + 29
    assert waiting_bytes(worker.directory, Place(1, 64 + 27)) == 27 + 29
    assert waiting_bytes(worker.directory, Place(2, 64 + 29)) == 0
    assert waiting_bytes(worker.directory, Place(2, 9999)) == 0


def test_what_waits_is_as_old_as_its_first_frame_that_says_when_it_was_written(
    tmp_path: Path,
) -> None:
    worker = Spooled(tmp_path)
    assert waits_s(worker.directory, START, 9) == 0
    notes(worker, b"no time", msgspec.msgpack.encode({"ts_us": 4_000_000}))
    worker.finish(finish(1))
    now_us = finish(1).record.end_us + 3_000_000

    assert waits_s(worker.directory, START, 9_000_000) == 5
    assert waits_s(worker.directory, START, 1) == 0
    behind = [step.place for step in follow(worker.directory, START)]
    assert waits_s(worker.directory, behind[1], now_us) == 3
    assert waits_s(worker.directory, behind[2], now_us) == 0


def test_workers_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("w2", "w1"):
        Spooled(tmp_path, name)
    (tmp_path / "spool" / "a file").touch()

    assert [path.name for path in workers(tmp_path / "spool")] == ["w1", "w2"]
    assert workers(tmp_path / "nowhere") == []


@pytest.mark.parametrize("size", [0, 10, 63])
def test_a_power_cut_that_took_a_header_loses_nothing_else(tmp_path: Path, size: int) -> None:
    worker = Spooled(tmp_path)
    worker.path.write_bytes(worker.path.read_bytes()[:size])
    worker.rotate()
    notes(worker, b"one")

    assert payloads(list(follow(worker.directory, START))) == [b"one"]
