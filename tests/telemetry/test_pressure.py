import logging
import os
from pathlib import Path

import pytest

from trimtab.telemetry.pressure import CALM_S, TOLD, Ladder, Level, Room
from trimtab.testing import FrozenClock


class Disk:
    """What the system tells of a disk of 100 blocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, block: int = 1 << 10) -> None:
        self.free = 100
        self.block = block
        monkeypatch.setattr(os, "statvfs", self._told)

    def _told(self, _path: Path) -> os.statvfs_result:
        return os.statvfs_result(
            (self.block, self.block, 100, self.free, self.free, 0, 0, 0, 0, 255)
        )


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def ladder(clock: FrozenClock) -> Ladder:
    return Ladder("gateway-1", clock)


def test_a_level_is_entered_at_once_and_left_a_minute_after_its_cause(
    ladder: Ladder, clock: FrozenClock
) -> None:
    ladder.saw(Level.BARE)
    assert ladder.level is Level.BARE

    clock.advance(CALM_S - 1)
    ladder.saw(Level.CUT)
    assert ladder.level is Level.BARE

    clock.advance(1)
    ladder.saw(Level.NORMAL)
    assert ladder.level is Level.CUT

    clock.advance(CALM_S)
    ladder.saw(Level.NORMAL)
    assert ladder.level is Level.NORMAL


def test_each_change_of_level_is_told_once_with_what_to_do(
    ladder: Ladder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "trimtab")

    for _ in range(3):
        ladder.saw(Level.CUT)

    [told] = caplog.messages
    assert "'gateway-1' goes from 0 to 3" in told
    assert TOLD[Level.CUT] in told


def test_every_level_says_what_it_means() -> None:
    assert set(TOLD) == set(Level)


@pytest.mark.parametrize(
    ("free", "level"), [(15, Level.NORMAL), (14, Level.CUT), (5, Level.CUT), (4, Level.BARE)]
)
def test_the_level_follows_how_full_the_disk_is(
    tmp_path: Path, ladder: Ladder, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    Disk(monkeypatch).free = free

    Room(tmp_path, ladder).look()

    assert ladder.level is level


def test_a_large_disk_is_not_short_of_room_at_ninety_percent(
    tmp_path: Path, ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Disk(monkeypatch, block=1 << 30).free = 9

    Room(tmp_path, ladder).look()

    assert ladder.level is Level.NORMAL


def test_the_reserve_is_given_up_once_and_put_back_when_there_is_room(
    tmp_path: Path, ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    room = Room(tmp_path, ladder)
    room.look()
    assert (tmp_path / "reserve").stat().st_size == 100 * (1 << 10) // 16

    assert room.make()
    assert ladder.level is Level.BARE
    assert not room.make()
    assert ladder.level is Level.BLIND

    disk.free = 3
    room.look()
    assert not (tmp_path / "reserve").exists()
    disk.free = 90
    room.look()
    assert (tmp_path / "reserve").exists()
