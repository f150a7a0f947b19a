import asyncio
import os
import resource
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from trimtab.domain.errors import RecorderUnavailable, SettingsInvalid
from trimtab.domain.record import Note
from trimtab.telemetry.follow import START, follow
from trimtab.telemetry.frames import HEADER_BYTES, MAX_PAYLOAD, Damage, Frame, Kind, segments
from trimtab.telemetry.spool import (
    MAX_SEGMENT_BYTES,
    Claim,
    Spool,
    claim,
    claim_alone,
    is_free,
)
from trimtab.testing import FrozenClock

MIDNIGHT_S = 24 * 3600
FIRST = 1_767_225_601
FIRST_FILE = f"{FIRST:012d}.spool"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def spool(tmp_path: Path, clock: FrozenClock) -> Generator[Spool]:
    with closing(Spool(claim(tmp_path, "gateway"), clock)) as spool:
        yield spool


@contextmanager
def full_at(size: int) -> Generator[None]:
    """Let no file of this process grow beyond a size: writes are cut, then refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def frames(home: Path, worker: str = "gateway-1") -> list[Frame]:
    found = [step.found for step in follow(home / worker, START)]
    return [it for it in found if isinstance(it, Frame)]


def payloads(home: Path) -> list[bytes]:
    return [it.payload for it in frames(home) if it.kind != Kind.START]


def descriptor(path: Path) -> int:
    """Find the open descriptor of a file."""
    known = Path("/proc/self/fd")
    return next(int(it.name) for it in known.iterdir() if str(it.readlink()) == str(path))


def test_workers_of_a_role_take_the_first_spool_that_is_free(tmp_path: Path) -> None:
    first, second = claim(tmp_path, "gateway"), claim(tmp_path, "gateway")
    keeper = claim(tmp_path, "keeper")
    assert [it.worker_id for it in (first, second, keeper)] == [
        "gateway-1",
        "gateway-2",
        "keeper-1",
    ]
    assert not is_free(first.directory)

    os.close(first.lock)

    assert is_free(first.directory)
    assert not is_free(second.directory)
    again = claim(tmp_path, "gateway")
    assert again.worker_id == "gateway-1"
    for held in (again, second, keeper):
        os.close(held.lock)


def test_looking_whether_a_spool_is_free_leaves_it_free(tmp_path: Path) -> None:
    held = claim(tmp_path, "gateway")
    os.close(held.lock)

    assert all(is_free(held.directory) for _ in range(3))
    assert is_free(tmp_path / "nobody")


def test_only_the_owner_may_read_a_spool(tmp_path: Path, spool: Spool) -> None:
    spool.append(Kind.NOTE, b"x")

    directory = tmp_path / "gateway-1"
    modes = {it.name: it.stat().st_mode & 0o777 for it in (directory, *directory.iterdir())}

    assert modes == {"gateway-1": 0o700, "lock": 0o600, FIRST_FILE: 0o600}


def test_a_frame_can_be_read_as_soon_as_it_is_written(tmp_path: Path, spool: Spool) -> None:
    for number in range(3):
        spool.append(Kind.NOTE, str(number).encode())

        assert len(payloads(tmp_path)) == number + 1

    assert [it.seq for it in frames(tmp_path)] == [1, 2, 3, 4]
    assert [it.kind for it in frames(tmp_path)] == [Kind.START, *[Kind.NOTE] * 3]


def test_a_process_that_takes_a_spool_over_says_so_in_a_new_segment(
    tmp_path: Path, clock: FrozenClock
) -> None:
    for _ in range(3):
        Spool(claim(tmp_path, "gateway"), clock).close()

    assert segments(tmp_path / "gateway-1") == [FIRST, FIRST + 1, FIRST + 2]
    assert [(it.kind, it.payload) for it in frames(tmp_path)] == [(Kind.START, b"\x80")] * 3


def test_numbers_of_segments_rise_though_old_ones_are_swept(
    tmp_path: Path, clock: FrozenClock
) -> None:
    for _ in range(2):
        Spool(claim(tmp_path, "gateway"), clock).close()
    (tmp_path / "gateway-1" / FIRST_FILE).unlink()

    Spool(claim(tmp_path, "gateway"), clock).close()

    assert segments(tmp_path / "gateway-1") == [FIRST + 1, FIRST + 2]


def test_a_segment_ends_at_midnight_utc(tmp_path: Path, clock: FrozenClock, spool: Spool) -> None:
    clock.advance(MIDNIGHT_S - 1)
    spool.append(Kind.NOTE, b"before")
    assert spool.segment == FIRST

    clock.advance(1)
    spool.append(Kind.NOTE, b"after")
    spool.append(Kind.NOTE, b"later")

    assert spool.segment == FIRST + 1
    assert payloads(tmp_path) == [b"before", b"after", b"later"]
    clock.advance(-10)
    spool.append(Kind.NOTE, b"the clock was set back")
    assert spool.segment == FIRST + 1


def test_frames_keep_their_order_while_the_clock_jumps_an_hour_forth_and_back(
    tmp_path: Path, clock: FrozenClock
) -> None:
    clock.advance(MIDNIGHT_S - 1800)
    told: list[bytes] = []
    for restart in range(4):
        with closing(Spool(claim(tmp_path, "gateway"), clock)) as spool:
            for number in range(6):
                clock.advance(3600 if number % 2 else -3600)
                told.append(b"%d/%d" % (restart, number))
                spool.append(Kind.NOTE, told[-1])

    assert payloads(tmp_path) == told


def test_a_segment_ends_when_it_is_large(tmp_path: Path, spool: Spool) -> None:
    third = MAX_SEGMENT_BYTES // 3
    sizes = [third, third, third, 1, 2]
    for size in sizes:
        spool.append(Kind.NOTE, bytes(size))

    assert [len(it) for it in payloads(tmp_path)] == sizes
    assert segments(tmp_path / "gateway-1") == [FIRST, FIRST + 1]
    first = (tmp_path / "gateway-1" / FIRST_FILE).stat().st_size
    assert MAX_SEGMENT_BYTES < first < MAX_SEGMENT_BYTES + 1000


async def test_waits_until_what_was_written_is_on_the_disk(spool: Spool) -> None:
    first = spool.append(Kind.NOTE, b"one")
    second = spool.append(Kind.NOTE, b"two")
    assert second - first == 24 + 3

    async with asyncio.TaskGroup() as group:
        for offset in (second, first, second):
            group.create_task(spool.synced(offset))
    await spool.synced(first)


async def test_frames_on_both_sides_of_a_rotation_reach_the_disk(
    spool: Spool, clock: FrozenClock
) -> None:
    before = spool.append(Kind.NOTE, b"before")
    clock.advance(MIDNIGHT_S)
    after = spool.append(Kind.NOTE, b"after")

    await asyncio.gather(spool.synced(before), spool.synced(after))


def test_a_frame_that_is_cut_by_a_full_disk_is_refused_and_the_next_is_whole(
    tmp_path: Path, spool: Spool
) -> None:
    spool.append(Kind.NOTE, b"one")
    with full_at(1000), pytest.raises(RecorderUnavailable, match="make room"):
        spool.append(Kind.NOTE, b"x" * 2000)

    spool.append(Kind.NOTE, b"two")

    assert payloads(tmp_path) == [b"one", b"two"]
    assert spool.segment == FIRST + 1
    (torn,) = [it for _, it in follow(tmp_path / "gateway-1", START) if isinstance(it, Damage)]
    assert torn.at_end


def test_a_frame_for_which_there_is_no_room_at_all_leaves_the_segment_as_it_was(
    tmp_path: Path, spool: Spool
) -> None:
    spool.append(Kind.NOTE, b"one")
    size = (tmp_path / "gateway-1" / FIRST_FILE).stat().st_size
    with full_at(size), pytest.raises(RecorderUnavailable, match="make room"):
        spool.append(Kind.NOTE, b"refused")

    spool.append(Kind.NOTE, b"two")

    assert payloads(tmp_path) == [b"one", b"two"]
    assert spool.segment == FIRST


@pytest.mark.parametrize("room", [0, HEADER_BYTES - 1])
def test_a_full_disk_is_not_filled_with_empty_segments(
    tmp_path: Path, spool: Spool, clock: FrozenClock, room: int
) -> None:
    clock.advance(MIDNIGHT_S)
    spool.append(Kind.NOTE, b"one")
    clock.advance(MIDNIGHT_S)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    with full_at(room):
        for _ in range(20):
            with pytest.raises(RecorderUnavailable, match="make room"):
                spool.append(Kind.NOTE, b"refused")

    assert segments(tmp_path / "gateway-1") == [FIRST, FIRST + 1]
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
    spool.append(Kind.NOTE, b"two")
    assert payloads(tmp_path) == [b"one", b"two"]


def test_a_spool_that_cannot_begin_says_so(tmp_path: Path, clock: FrozenClock) -> None:
    held = claim(tmp_path, "gateway")

    with full_at(0), pytest.raises(RecorderUnavailable):
        Spool(held, clock)

    assert segments(held.directory) == []
    os.close(held.lock)


async def test_a_disk_that_takes_nothing_is_told_to_who_waits_and_left(
    tmp_path: Path, spool: Spool
) -> None:
    await spool.synced(spool.append(Kind.NOTE, b"one"))
    ear, mouth = os.pipe()
    # A pipe can be written and not synced, as a disk that fails later.
    os.dup2(mouth, descriptor(tmp_path / "gateway-1" / FIRST_FILE))

    with pytest.raises(RecorderUnavailable, match="cannot be written"):
        await spool.synced(spool.append(Kind.NOTE, b"gone"))

    for file in (ear, mouth):
        os.close(file)
    spool.append(Kind.NOTE, b"two")
    assert spool.segment == FIRST + 1
    assert payloads(tmp_path) == [b"one", b"two"]


def test_counts_are_written_together_and_once(tmp_path: Path, spool: Spool) -> None:
    spool.write_notes()
    assert payloads(tmp_path) == []

    for reason in ("unknown_key", "rate_limited", "unknown_key"):
        spool.note(reason)
    spool.write_notes()
    spool.write_notes()

    (note,) = payloads(tmp_path)
    assert msgspec.msgpack.decode(note, type=Note) == Note(
        ts_us=FrozenClock().now_us(), counts={"unknown_key": 2, "rate_limited": 1}
    )


def test_counts_outlive_a_full_disk_and_the_end(tmp_path: Path, clock: FrozenClock) -> None:
    spool = Spool(claim(tmp_path, "gateway"), clock)
    spool.note("unknown_key")
    with full_at(0):
        spool.write_notes()
    spool.note("unknown_key")

    spool.close()

    (note,) = payloads(tmp_path)
    assert msgspec.msgpack.decode(note, type=Note).counts == {"unknown_key": 2}
    assert is_free(tmp_path / "gateway-1")


def test_a_claim_names_its_directory(tmp_path: Path) -> None:
    held = claim(tmp_path / "not" / "there", "gateway")

    assert held == Claim("gateway-1", tmp_path / "not" / "there" / "gateway-1", held.lock)
    os.close(held.lock)


def test_a_spool_that_was_left_out_of_a_backup_is_not_taken_for_one_that_was_read(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with closing(Spool(claim(tmp_path, "gateway"), clock)) as before:
        read = before.segment
    for path in (tmp_path / "gateway-1").glob("*.spool"):
        path.unlink()
    clock.advance(60)

    with closing(Spool(claim(tmp_path, "gateway"), clock)) as after:
        assert after.segment > read


def test_a_role_of_which_there_is_one_is_not_taken_twice(tmp_path: Path) -> None:
    held = claim_alone(tmp_path / "spool", "keeper")

    with pytest.raises(SettingsInvalid, match=r"a keeper runs on .* already"):
        claim_alone(tmp_path / "spool", "keeper")

    os.close(held.lock)
    assert claim_alone(tmp_path / "spool", "keeper").worker_id == "keeper-1"


def test_a_frame_that_no_reader_would_take_is_refused(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(RecorderUnavailable, match="too large to be remembered"):
        spool.append(Kind.FINISH, b"x" * (MAX_PAYLOAD + 1))

    spool.append(Kind.FINISH, b"next")
    assert payloads(tmp_path) == [b"next"]
