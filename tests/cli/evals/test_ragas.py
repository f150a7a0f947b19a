import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Terminal
from tests.wiring.test_ragas import scripted


def test_an_environment_that_cannot_be_built_is_exit_code_four(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    result = terminal.run("evals", "ragas", "install", code=4)

    assert "the environment of ragas cannot be built" in result.stderr
    assert not (tmp_path / ".trimtab" / "ragas").exists()


def test_what_is_installed_is_left_as_it_is(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(tmp_path / ".trimtab")
    monkeypatch.setattr(sys, "executable", "/bin/false")

    result = terminal.run("evals", "ragas", "install")

    assert result.stdout == f"ragas is in '{tmp_path}/.trimtab/ragas'\n"
