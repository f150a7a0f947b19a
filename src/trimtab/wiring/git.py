"""What git says of the change at hand, by paths from the folder the command runs in."""

import os
import subprocess
from pathlib import Path

from trimtab.domain.errors import SettingsInvalid


def changed_files(base: str) -> tuple[str, ...]:
    """Name the files that the branch changed since it left `base`; renamed ones by both names.

    Raises:
        SettingsInvalid: git cannot compare.
    """
    names = ("diff", "--name-only", "-z", "--no-renames", "--relative")
    # Git takes no name at all for HEAD.
    return _git(*names, "--end-of-options", f"{base or 'no base'}...HEAD", "--")


def files() -> tuple[str, ...]:
    """Name the files that git keeps here. Raises `SettingsInvalid`."""
    return _git("ls-files", "-z")


def text_of(path: str) -> str | None:
    """Read a file of the change; `None` if it is gone. Raises `SettingsInvalid`."""
    try:
        return Path(path).read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as exc:
        raise SettingsInvalid(f"'{path}' cannot be read as UTF-8 text; look at it") from exc


def text_at(path: Path, at: str) -> str | None:
    """Read a file as it is at a branch or commit; `None` if it is not there.

    Raises:
        SettingsInvalid: git knows no such commit, or the file is no UTF-8 text.
    """
    _run("rev-parse", "--verify", "--end-of-options", f"{at or 'no base'}^{{commit}}")
    name = os.path.relpath(path)
    if not _git("ls-tree", "-z", "--name-only", "--end-of-options", at, "--", name):
        return None
    try:
        return _run("show", "--end-of-options", f"{at}:./{name}").decode()
    except UnicodeError as exc:
        raise SettingsInvalid(f"'{path}' at {at[:64]!r} is no UTF-8 text; look at it") from exc


def _git(*words: str) -> tuple[str, ...]:
    said = _run(*words).decode(errors="surrogateescape")
    return tuple(it for it in said.split("\0") if it)


def _run(*words: str) -> bytes:
    try:
        # what it is asked for cannot be taken for an option; and it is the git on the path
        done = subprocess.run(["git", *words], check=False, capture_output=True)  # noqa: S603, S607
    except OSError as exc:
        raise SettingsInvalid(f"git cannot be run ({exc.strerror}); install it") from exc
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise SettingsInvalid(
            f"git {words[0]} cannot tell ({said[:200]}); name a base that was fetched"
            " (in GitHub Actions: `fetch-depth: 0`)"
        )
    return done.stdout
