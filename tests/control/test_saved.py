from pathlib import Path

from tests.control.conftest import BY

from trimtab.control import saved
from trimtab.control.changes import Control
from trimtab.control.desired import Desired


async def test_gives_back_the_state_it_was_given(
    tmp_path: Path, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    state, (head,) = await control.state(), await control.history(limit=1)

    saved.write(tmp_path / "snapshot", saved.saved(head, state))

    kept = saved.read(tmp_path / "snapshot")
    assert kept is not None
    assert (kept.head, kept.state()) == (head, state)


async def test_a_file_with_one_flipped_byte_is_no_file(
    tmp_path: Path, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    path = tmp_path / "snapshot"
    saved.write(path, saved.saved(None, await control.state()))
    good = path.read_bytes()

    for position in range(0, len(good), 37):
        flipped = bytes([good[position] ^ 1])
        path.write_bytes(good[:position] + flipped + good[position + 1 :])
        assert position == 64 or saved.read(path) is None

    path.write_bytes(good[:-1])
    assert saved.read(path) is None


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert saved.read(tmp_path / "nothing") is None


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    saved.write(tmp_path / "snapshot", saved.saved(None, {}))

    assert (tmp_path / "snapshot").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
