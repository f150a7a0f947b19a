"""Files written for one test."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import Settings, load

Load = Callable[..., Settings]
Faults = Callable[..., list[str]]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a file of this text."""

    def run(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        path = tmp_path / "trimtab.yaml"
        path.write_text(dedent(text))
        return load(path, environ or {})

    return run


@pytest.fixture
def faults(load_text: Load, tmp_path: Path) -> Faults:
    """Load a file that is wrong and give its faults, each from its line on."""

    def run(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(SettingsInvalid) as caught:
            load_text(text, environ)
        return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]

    return run
