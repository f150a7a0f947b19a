import sys

import pytest
from tests.cli.conftest import Terminal


def test_an_environment_that_cannot_be_built_is_exit_code_four(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    result = terminal.run("evals", "ragas", "install", code=4)

    assert "the environment of ragas cannot be built" in result.stderr
    assert not (terminal.home / ".trimtab" / "ragas").exists()
