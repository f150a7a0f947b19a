"""Runs of a state directory: those that are through, and those that can go on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from trimtab import wiring
from trimtab.domain.errors import NotFound
from trimtab.domain.ids import ulid_ms
from trimtab.evals.journal import SUFFIX, Head, Journal
from trimtab.evals.manifest import read_suite
from trimtab.evals.result import Run, read_run, write_run
from trimtab.evals.reuse import GOOD_FOR_US
from trimtab.evals.suite import Suite
from trimtab.store.files import replace_file

FOLDER = "evals"
RUN_PREFIX = "ev_"


def store(home: Path, run: Run) -> None:
    """Keep a run; what was kept of it before is replaced."""
    replace_file(home / FOLDER / f"{run.run_id}.json", write_run(run))


def stored_runs(home: Path) -> Iterator[Run]:
    """Give the stored runs of the last seven days, newest first; what is none is passed over."""
    since_ms = (wiring.SystemClock().now_us() - GOOD_FOR_US) // 1000
    paths = (home / FOLDER).glob(f"{RUN_PREFIX}*.json")
    for path in sorted(paths, key=lambda it: it.name, reverse=True):
        if (ulid_ms(path.stem) or 0) >= since_ms:
            with contextlib.suppress(msgspec.DecodeError, OSError):
                yield read_run(path.read_bytes())


def read_stored(home: Path, run_id: str) -> Run:
    """Read a stored run. Raises `NotFound`."""
    try:
        return read_run((home / FOLDER / f"{Path(run_id).name}.json").read_bytes())
    except (OSError, msgspec.DecodeError) as exc:
        raise NotFound(f"there is no run {run_id[:64]!r} in '{home / FOLDER}'") from exc


def begun(home: Path, run_id: str) -> tuple[Suite, Head]:
    """Find a run that can go on, and its suite.

    Raises:
        NotFound: there is none.
        SettingsInvalid: it is going on elsewhere, or the suite cannot be read any more.
    """
    folder, name = home / FOLDER, Path(run_id).name
    if not (folder / f"{name}{SUFFIX}").exists():
        raise NotFound(
            f"there is no run {run_id[:64]!r} to go on with in '{folder}'; a run that is through"
            " leaves none"
        )
    with contextlib.closing(Journal(folder, name)) as journal:
        head = next((it for it in journal.lines() if isinstance(it, Head)), None)
    if head is None:
        raise NotFound(f"run {run_id[:64]!r} ended before it began; run its suite anew")
    return read_suite(Path(head.file)), head
