"""Cases and scores as tables in Parquet. It needs duckdb, the lightest that writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import msgspec
from msgspec.structs import asdict

from trimtab.evals.case import Case
from trimtab.evals.result import Run

CASES: Mapping[str, str] = {
    "id": "VARCHAR",
    "hash": "VARCHAR",
    "question": "VARCHAR",
    "input": "VARCHAR",
    "expected": "VARCHAR",
    "contexts": "VARCHAR[]",
    "tags": "VARCHAR[]",
    "group": "VARCHAR",
    "checks": "VARCHAR",
    "provenance": "VARCHAR",
}
"""Columns of cases; what has members is JSON."""

SCORES: Mapping[str, str] = {
    "run_id": "VARCHAR",
    "suite": "VARCHAR",
    "case": "VARCHAR",
    "arm": "VARCHAR",
    "sample": "INTEGER",
    "metric": "VARCHAR",
    "status": "VARCHAR",
    "value": "DOUBLE",
    "code": "VARCHAR",
    "detail": "VARCHAR",
    "label": "VARCHAR",
    "answer": "VARCHAR",
    "error": "VARCHAR",
    "model": "VARCHAR",
    "request_id": "VARCHAR",
    "latency_s": "DOUBLE",
    "output_tokens": "BIGINT",
    "cost_nano": "BIGINT",
}
"""Columns of scores: one row for each metric of each answer, and one for an answer without."""

# What it has is what the table takes; it fetches nothing.
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def write_cases(cases: Sequence[Case], target: Path) -> int:
    """Write cases; give their number."""
    return _write(
        CASES,
        [
            {
                **asdict(it),
                "hash": it.hash,
                "question": it.question,
                "input": _json(it.input),
                "expected": it.expected if isinstance(it.expected, str) else _json(it.expected),
                "checks": _json(it.checks),
                "provenance": _json(it.provenance),
            }
            for it in cases
        ],
        target,
    )


def write_scores(run: Run, target: Path) -> int:
    """Write every score of a run; give the number of rows."""
    found = list[dict[str, object]]()
    for it in run.samples:
        answer = {
            **asdict(it),
            "run_id": run.run_id,
            "suite": run.suite,
            "arm": it.arm.value,
            "sample": it.index,
            "answer": it.text,
        }
        scores = [
            {**asdict(score), "metric": name, "status": score.status.value}
            for name, score in it.scores.items()
        ]
        found += [{**answer, **score} for score in scores or [{}]]
    return _write(SCORES, found, target)


def _write(columns: Mapping[str, str], found: Sequence[Mapping[str, object]], target: Path) -> int:
    taken = ", ".join(f'unnest(?::{kind}[]) AS "{name}"' for name, kind in columns.items())
    values = [[row.get(name) for row in found] for name in columns]
    path = str(target).replace("'", "''")
    with duckdb.connect(":memory:", config=_CLOSED) as connection:
        # Names and kinds are ours, values are given beside, and the path is quoted.
        _ = connection.execute(f"CREATE TABLE made AS SELECT {taken}", values)
        _ = connection.execute(f"COPY made TO '{path}' (FORMAT parquet)")
    return len(found)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
