"""A project with the seed's prompt in `prompts/`, published, and staging pointing at it."""

from pathlib import Path

import pytest
from tests.cli.conftest import Terminal
from tests.prompts import SEED

FILE = Path("prompts/rag-answer.v3.yaml")


def write(version: str, text: str = "Cite") -> None:
    """Write the seed's prompt under another number, and with another text."""
    FILE.write_text(SEED.replace("3.2.0", version).replace("Cite", text))


@pytest.fixture
def project(company: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A project that published nothing yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trimtab.yaml").write_text("version: 1\n")
    FILE.parent.mkdir()
    write("3.2.0")
    return company


@pytest.fixture
def shop(project: Terminal) -> Terminal:
    """A project with two versions and a label."""
    project.run("prompts", "push")
    write("3.3.0", "Always cite")
    project.run("prompts", "push")
    project.run(
        *("prompts", "promote", "rag-answer", "3.2.0", "--label", "staging", "--reason", "first")
    )
    return project
