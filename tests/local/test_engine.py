"""What the engine does with a model is tested in `tests/e2e`; a toy it can only refuse."""

from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.local import engine


def test_a_file_the_engine_cannot_load_is_named(weights: Path) -> None:
    announced: list[str] = []

    with pytest.raises(SettingsInvalid, match=r"the engine cannot serve '.*toy\.gguf' on '127"):
        engine.run(weights, "toy", ("127.0.0.1", 0), announced.append)

    assert announced == []
