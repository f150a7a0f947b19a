"""The last report of each day and provider, as files that anybody may read.

A file is replaced whole, so a crash leaves the old report or the new one.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import msgspec
from msgspec.structs import replace

from trimtab.cost.reconcile.report import Report
from trimtab.domain.adjustment import Adjustment
from trimtab.store.files import replace_file

MOST_FILES = 2_000
LATEST = 64

_reports = msgspec.json.Decoder(Report)


class Kept:
    """Reports in a directory: `2026-11-22.openai.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, report: Report) -> None:
        """Keep a report in place of earlier ones of its days and providers. Raises `OSError`."""
        for day in report.days:
            for provider in report.providers:
                found = [it for it in report.findings if (it.day, it.provider) == (day, provider)]
                part = replace(report, days=(day,), providers=(provider,), findings=tuple(found))
                path = self._directory / f"{day}.{provider}.json"
                replace_file(path, msgspec.json.encode(part))
        for path in self._files()[MOST_FILES:]:
            path.unlink(missing_ok=True)

    def find(self, day: str, provider: str) -> Report | None:
        """Give the last report of a day of a provider."""
        return _read(self._directory / f"{day}.{provider}.json")

    def newest(self, until: str | None = None) -> Iterator[Report]:
        """Give reports of one day and provider each, the latest day first, or `until` one."""
        for path in self._files():
            if until is not None and path.name.partition(".")[0] > until:
                continue
            report = _read(path)
            if report is not None:
                yield report

    def proposal(self, adjustment_id: str) -> Adjustment | None:
        """Find what was proposed under an id."""
        return next(
            (
                it
                for report in self.newest()
                for it in report.adjustments()
                if it.id == adjustment_id
            ),
            None,
        )

    def drifts(self) -> dict[str, float]:
        """Give the last known difference of each provider, as a share of its bill.

        Only the latest reports are looked at, for this is asked often.
        """
        found: dict[str, float] = {}
        for report in islice(self.newest(), LATEST):
            (provider,) = report.providers
            ratio = report.drift_ratio(provider)
            if provider not in found and ratio is not None:
                found[provider] = round(float(ratio), 6)
        return found

    def reconciled_to(self) -> str | None:
        """Name the latest day on which every bill was fetched whole and compared."""
        for day, reports in groupby(islice(self.newest(), LATEST), lambda it: it.days[0]):
            if all(report.is_complete for report in reports):
                return day
        return None

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob("????-??-??.*.json"), reverse=True)


def _read(path: Path) -> Report | None:
    try:
        return _reports.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
