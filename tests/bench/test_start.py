"""How long people wait for a command. Prints."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

COMMANDS = (("--help",), ("check",), ("tenants", "list"))


def test_prints_what_a_command_costs(tmp_path: Path) -> None:
    nothing_s = _cpu_s([sys.executable, "-c", "pass"], tmp_path)
    for words in COMMANDS:
        spent_s = _cpu_s([sys.executable, "-m", "trimtab", *words], tmp_path)
        name = "trimtab " + " ".join(words)
        print(f"\n{name:22} {spent_s:5.2f} s CPU, Python itself {nothing_s:.2f}", end="")
    print()
    assert nothing_s


def _cpu_s(words: list[str], home: Path) -> float:
    """Give the least CPU of five runs, in seconds."""
    runs: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            words,
            env={**os.environ, "TRIMTAB_HOME": str(home)},
            cwd=home,
            capture_output=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        runs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(runs)
