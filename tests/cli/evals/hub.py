"""What GitHub does with the workflow that `trimtab init ci` writes, on this machine."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cli.evals.actions import Runner, parsed
from tests.cli.evals.repository import Repository
from tests.docs.pages import ROOT

WORKFLOW = (ROOT / "src/trimtab/demo/llm-eval.yml").read_text()


class Hub:
    """What GitHub keeps between runs, and the programs of its machine."""

    def __init__(self, folder: Path, *, gate: int | None = None, pip: str = "exit") -> None:
        """Begin with nothing kept.

        Args:
            folder: Where all of it is.
            gate: How a script ends that stands in for the gate; `None` is the gate itself.
            pip: What `pip` does, in the shell's words.
        """
        self.folder = folder
        self.caches = folder / "caches"
        self.comments: list[str] = []
        self.repository = Repository(folder)
        self.app = self.repository.folder
        binaries = folder / "bin"
        binaries.mkdir()
        self._program(binaries / "trimtab", gate)
        (binaries / "pip").write_text(f"#!/bin/bash\n{pip}\n")
        (binaries / "pip").chmod(0o755)
        self.runner = Runner(
            folder=self.app,
            context={
                "github.base_ref": "main",
                "github.event.repository.default_branch": "main",
                "github.run_id": "7",
                "github.run_attempt": "1",
                "secrets.ANTHROPIC_API_KEY": "sk-1",
                "secrets.TRIMTAB_CACHE_KEY": "ck-" + "1" * 32,
            },
            binaries=binaries,
            actions={
                "actions/checkout": lambda _: None,
                "actions/setup-python": lambda _: None,
                "actions/cache/restore": self._restore,
                "actions/cache/save": self._save,
                "marocchino/sticky-pull-request-comment": self._comment,
            },
        )

    def _program(self, path: Path, gate: int | None) -> None:
        """Write `trimtab`; what stands in for the gate leaves behind what that does."""
        stands_in = (
            'if [ "$1 $2" = "evals gate" ]; then\n'
            '  [ -n "$ANTHROPIC_API_KEY" ] || exit 4\n'
            "  mkdir -p .judge-cache/v1 && echo {} > .judge-cache/v1/paid.json\n"
            '  echo "VERDICT of $3" > eval-summary.md; touch eval.xml eval.html\n'
            f"  exit {gate}\nfi\n"
        )
        said = "" if gate is None else stands_in
        path.write_text(f'#!/bin/bash\n{said}exec "{sys.executable}" -m trimtab "$@"\n')
        path.chmod(0o755)

    def _restore(self, given: Mapping[str, str]) -> None:
        for kept in sorted(self.caches.glob(f"{given['restore-keys']}*")):
            shutil.copytree(kept, self.app / given["path"], dirs_exist_ok=True)

    def _save(self, given: Mapping[str, str]) -> None:
        if (self.app / given["path"]).exists():
            shutil.copytree(self.app / given["path"], self.caches / given["key"])

    def _comment(self, given: Mapping[str, str]) -> None:
        self.comments.append((self.app / given["path"]).read_text())

    def run(self) -> int:
        read = parsed(WORKFLOW)
        assert read["env"]
        return self.runner.run(read["jobs"]["eval"]["steps"], read["env"])
