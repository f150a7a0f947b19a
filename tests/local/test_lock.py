from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.local.lock import Content, find, sha256_of, shipped


def test_the_lock_we_ship_has_a_model_free_to_use() -> None:
    smollm2 = find("smollm2", shipped())

    assert smollm2.licence == "Apache-2.0"
    assert smollm2.member.endswith(".gguf")


def test_the_lock_we_ship_names_each_model_once_and_no_host() -> None:
    raw = files("trimtab.local").joinpath("models.lock.json").read_text()
    names = [model.name for model in shipped()]

    assert len(names) == len(set(names))
    assert "://" not in raw


def test_an_unknown_name_is_told_which_there_are() -> None:
    with pytest.raises(SettingsInvalid, match="no local model 'gpt-9'; choose of 'smollm2'"):
        find("gpt-9", shipped())


@pytest.mark.parametrize("sha256", ["", "ab", "G" * 64, "A" * 64])
def test_a_lock_with_a_hash_that_is_none_cannot_be_read(sha256: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="sha256"):
        msgspec.convert({"sha256": sha256, "bytes": 1}, Content)


def test_a_file_is_hashed_as_the_standard_says(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")

    # FIPS 180-2, appendix B.1.
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
