"""A small runner of GitHub's workflows: commands for real, actions as a test has them."""

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.domain.yaml_tree import Faults, anything, read_tree

EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
_WORD = re.compile(r"'[^']*'|[a-z_]+(?:\.[A-Za-z_]+)+")


def parsed(text: str) -> Any:  # noqa: ANN401
    """Read a workflow as plain values."""
    faults = Faults("workflow")
    top = read_tree(text, faults)
    assert top is not None, faults.text()
    assert not faults.found, faults.text()
    return anything(top)


@dataclass
class Runner:
    """Runs the steps of a job.

    Attributes:
        context: What expressions name.
        binaries: Programs that come before those of this machine.
        actions: What stands for each action, by its name without a version; it gets its inputs.
    """

    folder: Path
    context: dict[str, str]
    binaries: Path
    actions: Mapping[str, Callable[[Mapping[str, str]], None]]
    ran: list[str] = field(default_factory=list[str])
    said: str = ""

    def run(self, steps: list[Any], env: Mapping[str, str]) -> int:
        """Run steps until all are through; give the first exit code that is not 0."""
        code = 0
        for number, step in enumerate(steps):
            condition = step.get("if", "success()")
            if "always()" not in condition:
                condition = f"success() && ({condition})"
            if not self.value(condition, failed=bool(code)):
                continue
            self.ran.append(str(step.get("name") or step.get("uses") or step["run"]))
            if "uses" in step:
                given = {name: self.text(str(it)) for name, it in step.get("with", {}).items()}
                self.actions[step["uses"].partition("@")[0]](given)
            else:
                written = {**env, **step.get("env", {})}
                more = {name: self.text(str(it)) for name, it in written.items()}
                code = code or self._bash(step, number, more)
        return code

    def text(self, written: str) -> str:
        """Fill in expressions."""
        return EXPRESSION.sub(lambda it: str(self.value(it[1])), written)

    def value(self, expression: str, *, failed: bool = False) -> object:
        """Compute an expression."""
        code = _WORD.sub(
            lambda it: it[0] if it[0].startswith("'") else f"names[{it[0]!r}]", expression
        )
        code = code.replace("&&", " and ").replace("||", " or ")
        names: dict[str, object] = {
            "names": self.context,
            "always": lambda: True,
            "success": lambda: not failed,
            "hashFiles": self._hash,
        }
        return eval(code, {"__builtins__": {}}, names)  # noqa: S307 -- the project's own

    def _hash(self, name: str) -> str:
        return "hash" if (self.folder / name).exists() else ""

    def _bash(self, step: Any, number: int, more: Mapping[str, str]) -> int:  # noqa: ANN401
        output = self.folder.parent / f"output-{number}"
        output.touch()
        given = {**more, "BIN": self.binaries, "GITHUB_OUTPUT": output, "PIP_NO_INDEX": "1"}
        command = f'export PATH="$BIN:$PATH"\n{step["run"]}'
        done = subprocess.run(  # noqa: S603
            [
                *("env", *(f"{name}={it}" for name, it in given.items())),
                *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command),
            ],
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        self.said += done.stdout + done.stderr
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.context[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode
