"""Spools that versions before this one wrote become the rows that they became then."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
from tests.telemetry.golden_spool import EXPECTED, GOLDEN, Rows, replay, write

from trimtab.domain.record import SCHEMA_VERSION

VERSIONS = sorted(it.name for it in GOLDEN.iterdir())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_spool_gives_the_rows_and_sums_it_gave(version: str, tmp_path: Path) -> None:
    copytree(GOLDEN / version, tmp_path / "spool", ignore=ignore_patterns(EXPECTED))
    expected: Rows = json.loads((GOLDEN / version / EXPECTED).read_text())

    rows = replay(tmp_path / "spool")

    assert all(expected[it] for it in expected.keys() - {"open_request"})
    assert {it: _known(rows[it], expected[it]) for it in expected} == expected


def test_this_version_has_a_golden_spool_and_still_writes_it(tmp_path: Path) -> None:
    assert f"v{SCHEMA_VERSION}" in VERSIONS
    write(tmp_path)

    rows = replay(tmp_path / "spool")

    expected: Rows = json.loads((GOLDEN / f"v{SCHEMA_VERSION}" / EXPECTED).read_text())
    assert {it: len(found) for it, found in rows.items()} == {
        it: len(found) for it, found in expected.items()
    }


def _known(
    rows: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Leave out the columns that came later."""
    assert len(rows) == len(expected)
    return [
        {name: row.get(name) for name in known} for row, known in zip(rows, expected, strict=True)
    ]
