"""A verdict for programs: the document of the run, and beside it what was decided."""

from dataclasses import asdict
from typing import Any

import msgspec

from trimtab.evals.judgement import Judgement, Line
from trimtab.evals.report.words import because, meaning
from trimtab.evals.shelf import SHA256, content_hash


def document(judgement: Judgement) -> dict[str, Any]:
    """Give everything. Without the member `decision` it is the run's own document."""
    run: dict[str, Any] = msgspec.to_builtins(judgement.run)
    return {**run, "decision": decision(judgement)}


def decision(judgement: Judgement) -> dict[str, Any]:
    """Give the verdict and what it was made by."""
    return {
        "verdict": str(judgement.verdict),
        "reason": judgement.reason,
        "meaning": meaning(judgement.reason),
        "because": because(judgement),
        "judge_valid": judgement.judge_valid,
        "report": SHA256 + content_hash(judgement.run),
        "standings": msgspec.to_builtins(judgement.standings),
        "lines": [_line(it) for it in judgement.lines],
        "worse": [asdict(it) for it in judgement.shifts()],
    }


def _line(line: Line) -> dict[str, Any]:
    column, row = line.column, line.row
    written: dict[str, Any] = msgspec.to_builtins(row)
    return {
        **written,
        "metric": column.setting.name,
        "slice": column.slice,
        "cases": [column.cases[at] for at in row.cases],
        "failed": column.failed,
        "unstable": column.unstable,
        "lost_repeats": column.lost,
    }
