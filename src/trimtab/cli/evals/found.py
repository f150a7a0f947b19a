"""Finding runs: by id in the state directory, or by file."""

from pathlib import Path

import msgspec

from trimtab.domain.errors import NotFound, SettingsInvalid
from trimtab.evals.desk import Desk
from trimtab.evals.result import Run, read_run
from trimtab.evals.suite import Suite


def desk_of(home: Path) -> Desk:
    """Give what the state directory has of evals."""
    return Desk(home / "evals")


def run_of(suite: Suite, reference: str, desk: Desk) -> Run:
    """Find a run of a suite.

    Raises:
        NotFound: there is none, or it is of another suite.
        SettingsInvalid: the file is no run.
    """
    path = Path(reference)
    if not path.is_file():
        run = desk.run(reference)
    else:
        try:
            run = read_run(path.read_bytes())
        except msgspec.DecodeError as exc:
            raise SettingsInvalid(f"'{path}' is no run ({exc}); name another file") from exc
    if run.suite != suite.name:
        raise NotFound(f"run '{run.run_id}' is of suite '{run.suite}', not of '{suite.name}'")
    return run
