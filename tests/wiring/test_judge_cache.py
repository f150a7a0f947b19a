from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.wiring.judge_cache import judge_cache


@pytest.mark.parametrize(
    ("key", "signed"), [("", False), (" \n", False), ("0123456789abcdef", True)]
)
def test_verdicts_are_signed_where_there_is_a_key(
    key: str,
    signed: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE_KEY", key)

    assert judge_cache(tmp_path).signed is signed


def test_a_key_that_can_be_guessed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE_KEY", "0123456789abcde")

    with pytest.raises(SettingsInvalid, match="fewer than 16 characters"):
        judge_cache(tmp_path)
