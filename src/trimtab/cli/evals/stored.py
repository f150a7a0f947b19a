"""How a run is named on the command line: by id, by content hash, as a file, or by its suite."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click
import msgspec

from trimtab.cli import CouldNot
from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.result import Run, read_run
from trimtab.evals.shelf import Shelf

MANIFESTS = (".yaml", ".yml")
RUN_SUITE = "trimtab.cli.evals.run:run_suite"

run_argument = click.argument("run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a suite is to be run with; "" and `None` leave it to the suite."""

    candidate: str = ""
    prompt: Path | None = None
    baseline: str = ""


RunSuite = Callable[[Path, Path, Asked], Run]
"""Runs a suite: its manifest, the state directory, and what with."""


def stored(text: str, home: Path) -> Run:
    """Read a run: a file that holds its document, or what `Shelf.find` finds.

    Raises:
        SettingsInvalid: the file is no document of a run.
        NotFound: there is none.
    """
    path = Path(text)
    if path.is_file():
        try:
            return read_run(path.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise SettingsInvalid(
                f"'{path}' is no document of a run ({exc}); name one that `--json` wrote"
            ) from exc
    shelved = Shelf(home)
    return shelved.read(shelved.find(text).run_id)


def run_or_stored(text: str, home: Path, asked: Asked) -> Run:
    """Run a suite if it is one, else read a run."""
    path = Path(text)
    if path.suffix not in MANIFESTS:
        return stored(text, home)
    run_suite: RunSuite = resolve_name(RUN_SUITE)
    return run_suite(path, home, asked)


# What is loaded by name has no type before it is there.
def with_stats(target: str) -> Any:  # noqa: ANN401
    """Load what computes. Raises `CouldNot` if numpy or scipy is not installed."""
    try:
        return resolve_name(target)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in ("numpy", "scipy"):
            raise
        raise CouldNot(
            f"verdicts are computed with {exc.name}, which is not installed;"
            " pip install 'trimtab[stats]'"
        ) from exc
