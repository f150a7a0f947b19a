"""What the keeper has of evals for people to work on: runs, their labels, what came of them.

All of it is files under `<home>/evals/`: `<run_id>.json`, `labels/<suite>.labels.jsonl`,
`calibrations/<suite>.calibration.json`. Suites themselves live beside the application's code,
which the keeper may not have.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trimtab.domain.errors import NotFound, SettingsInvalid
from trimtab.evals.calibration import SUFFIX as CALIBRATION_SUFFIX
from trimtab.evals.calibration import Calibration, Head, read_calibrations, write_calibrations
from trimtab.evals.labels import SUFFIX as LABELS_SUFFIX
from trimtab.evals.labels import Label, append_labels, read_labels
from trimtab.evals.result import Run, read_run

LOOKED_AT = 50
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Desk:
    """Reads and writes those files. `folder` may be absent: then there are none."""

    folder: Path

    def run(self, run_id: str) -> Run:
        """Read a run. Raises `NotFound`, and `SettingsInvalid` if it cannot be read."""
        path = self.folder / f"{_checked(run_id)}.json"
        try:
            return read_run(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"there is no run '{run_id}'; look at the newest ones") from None
        except msgspec.DecodeError as exc:
            raise SettingsInvalid(f"'{path}' is no run ({exc}); run the suite again") from exc

    def newest(self) -> dict[str, Head]:
        """Give the newest run of each suite, of the last 50 runs; what is no run is passed over."""
        paths = sorted(self.folder.glob("ev_*.json"), key=lambda it: it.name, reverse=True)
        found = dict[str, Head]()
        for path in paths[:LOOKED_AT]:
            try:
                head = msgspec.json.decode(path.read_bytes(), type=Head)
            except (OSError, msgspec.DecodeError):
                continue
            if _NAME.fullmatch(head.suite):
                found.setdefault(head.suite, head)
        return found

    def suites(self) -> list[str]:
        """Name the suites that were calibrated."""
        paths = (self.folder / "calibrations").glob(f"*{CALIBRATION_SUFFIX}")
        return sorted(it.name.removesuffix(CALIBRATION_SUFFIX) for it in paths)

    def labels_file(self, suite: str) -> Path:
        """Name the file of labels that were made here."""
        return self.folder / "labels" / f"{_checked(suite)}{LABELS_SUFFIX}"

    def labels(self, suite: str) -> tuple[Label, ...]:
        """Read the labels that were made here. Raises `SettingsInvalid`."""
        return read_labels(self.labels_file(suite))

    def add(self, suite: str, label: Label) -> None:
        """Keep a label."""
        append_labels(self.labels_file(suite), [label])

    def calibrations(self, suite: str) -> tuple[Calibration, ...]:
        """Read what came of the latest calibrations. Raises `SettingsInvalid`."""
        return read_calibrations(self._calibrations_file(suite))

    def keep(self, suite: str, made: Iterable[Calibration]) -> None:
        """Keep calibrations to be looked at; the file in git is what decides."""
        write_calibrations(self._calibrations_file(suite), made)

    def _calibrations_file(self, suite: str) -> Path:
        return self.folder / "calibrations" / f"{_checked(suite)}{CALIBRATION_SUFFIX}"


def _checked(name: str) -> str:
    """Insist that a name is one of a file, and of no other folder."""
    if _NAME.fullmatch(name) is None:
        raise NotFound(f"{name[:80]!r} is no name of a suite or run; use letters, digits, '._-'")
    return name
