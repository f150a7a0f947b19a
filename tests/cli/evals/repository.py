"""A git repository with the sample application on its main branch, and a branch for a change."""

import shutil
import subprocess
from pathlib import Path

from tests.docs.pages import ROOT

SAMPLE = ROOT / "tests/data/sample-app"
PROMPT = "prompts/house.prompt.yaml"

_ANA = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")


class Repository:
    """A clone whose `origin/main` is the sample application."""

    def __init__(self, folder: Path) -> None:
        self.origin = origin = folder / "origin"
        shutil.copytree(SAMPLE, origin)
        self._git(origin, "init", "-q", "-b", "main")
        self._git(origin, "add", "-A")
        self._git(origin, "commit", "-q", "-m", "begin")
        self._git(folder, "clone", "-q", str(origin), str(folder / "app"))
        self.folder = folder / "app"
        self._git(self.folder, "checkout", "-q", "-b", "change")

    def write(self, path: str, text: str) -> None:
        """Change a file, and commit that."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        self.commit()

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a part of a file, and commit that."""
        text = (self.folder / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))

    def remove(self, path: str) -> None:
        """Remove a file, and commit that."""
        (self.folder / path).unlink()
        self.commit()

    def upstream(self, path: str, text: str) -> None:
        """Change a file on the main branch."""
        (self.origin / path).write_text(text)
        self._git(self.origin, "commit", "-q", "-a", "-m", "meanwhile")
        self._git(self.folder, "fetch", "-q")

    def commit(self) -> None:
        """Commit whatever is there."""
        self._git(self.folder, "add", "-A")
        self._git(self.folder, "commit", "-q", "-m", "change")

    def _git(self, folder: Path, *words: str) -> None:
        subprocess.run(["git", *_ANA, *words], cwd=folder, check=True)  # noqa: S603, S607
