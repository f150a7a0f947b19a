from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.telemetry.spooled import Spooled

from trimtab.telemetry.frames import segments
from trimtab.telemetry.sweep import sweep


def needed(**oldest: int) -> Callable[[str], int]:
    """A reader that needs segments from a number on; all of a worker it has never seen."""
    return lambda worker: oldest.get(worker, 0)


def spooled(home: Path, worker: str, count: int) -> None:
    written = Spooled(home, worker)
    for _ in range(count - 1):
        written.rotate()


@pytest.mark.parametrize(
    ("readers", "kept"),
    [
        pytest.param([{"w1": 3}], [3, 4], id="one reader"),
        pytest.param([{"w1": 3}, {"w1": 2}], [2, 3, 4], id="the slowest counts"),
        pytest.param([{"w1": 4}, {}], [1, 2, 3, 4], id="a reader that has not begun"),
        pytest.param([{"w1": 9}], [4], id="the newest stays whatever happens"),
    ],
)
def test_segments_go_when_every_reader_has_passed_them(
    tmp_path: Path, readers: list[Mapping[str, int]], kept: list[int]
) -> None:
    spooled(tmp_path, "w1", 4)

    removed = sweep(tmp_path / "spool", [needed(**reader) for reader in readers])

    assert segments(tmp_path / "spool" / "w1") == kept
    assert removed == 4 - len(kept)


def test_every_worker_is_swept_by_what_is_read_of_it(tmp_path: Path) -> None:
    for worker in ("w1", "w2", "w3"):
        spooled(tmp_path, worker, 3)

    assert sweep(tmp_path / "spool", [needed(w1=3, w2=2)]) == 3

    left = {it: segments(tmp_path / "spool" / it) for it in ("w1", "w2", "w3")}
    assert left == {"w1": [3], "w2": [2, 3], "w3": [1, 2, 3]}


def test_nothing_there_is_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "spool", [needed()]) == 0
