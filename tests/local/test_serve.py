import socket
import sys
from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.local import serve
from trimtab.local.lock import Model
from trimtab.local.pull import Shelf


@pytest.fixture
def shelf(tmp_path: Path, model: Model, wheel: Path) -> Shelf:
    """A state directory with the toy model in it."""

    def given(_model: Model, _directory: Path) -> Path:
        return wheel

    shelf = Shelf.of(tmp_path)
    shelf.pull(model, given)
    return shelf


def test_a_model_that_is_there_can_be_served(model: Model, shelf: Shelf) -> None:
    assert serve.check(model, shelf) == shelf.path(model)


def test_a_model_that_was_not_pulled_says_how_to_pull_it(model: Model, tmp_path: Path) -> None:
    empty = Shelf.of(tmp_path / "empty")

    with pytest.raises(
        SettingsInvalid, match=r"'toy' is absent .*; run `trimtab local-models pull"
    ):
        serve.run(model, empty, ("127.0.0.1", 0), _say_nothing)


def test_a_damaged_model_is_not_served(model: Model, shelf: Shelf) -> None:
    with shelf.path(model).open("ab") as file:
        file.write(b"!")

    with pytest.raises(
        SettingsInvalid, match=r"'toy' is damaged .*; run `trimtab local-models pull"
    ):
        serve.run(model, shelf, ("127.0.0.1", 0), _say_nothing)


def test_a_missing_engine_says_how_to_install_it(
    model: Model, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python itself keeps for a module that cannot be had.
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(SettingsInvalid, match=r"; run `pip install 'trimtab\[local\]'`"):
        serve.run(model, shelf, ("127.0.0.1", 0), _say_nothing)


def test_a_port_that_is_taken_says_so(model: Model, shelf: Shelf) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SettingsInvalid, match=r"cannot listen on .*; choose another --port"),
    ):
        serve.run(model, shelf, taken.getsockname(), _say_nothing)


def _say_nothing(_line: str) -> None:
    pass
