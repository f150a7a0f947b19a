"""A verdict as workflow commands of GitHub: lines that it shows beside the changed file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trimtab.evals.judgement import Judgement, Line
from trimtab.evals.report.figures import NONE
from trimtab.evals.report.plain import one_line
from trimtab.evals.report.rows import cells
from trimtab.evals.report.terminal import shift
from trimtab.evals.report.words import headline, meaning
from trimtab.evals.verdict import Verdict

MOST = 10
"""More of one step GitHub does not show."""

MOST_WORST = 5
MOST_MESSAGE = 1000
_LEVELS = {Verdict.FAIL: "error", Verdict.INCONCLUSIVE: "warning", Verdict.PASS: "notice"}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an annotation stands: a file of the repository, and a line of it from 1."""

    file: str
    line: int = 1


def annotations(judged: Sequence[tuple[Judgement, Spot]]) -> list[str]:
    """Write at most ten: what decided first, then the cases that became worse."""
    lines = [it for judgement, spot in judged for it in _decided(judgement, spot)]
    lines += [it for judgement, spot in judged for it in _worst(judgement, spot)]
    return lines[:MOST]


def _decided(judgement: Judgement, spot: Spot) -> Iterator[str]:
    level = _LEVELS[judgement.verdict]
    told = [_line(it) for it in judgement.decided if it.row.reason]
    for it in told or ([] if judgement.verdict is Verdict.PASS else [meaning(judgement.reason)]):
        yield command(level, it, spot, f"{judgement.run.suite}: {headline(judgement)}")


def _worst(judgement: Judgement, spot: Spot) -> Iterator[str]:
    if judgement.verdict is Verdict.FAIL:
        for it in judgement.shifts()[:MOST_WORST]:
            yield command("notice", f"{it.metric}: {shift(it)}", spot, judgement.run.suite)


def _line(line: Line) -> str:
    written = cells(line)
    found = f"{written.delta} {written.interval}" if written.delta != NONE else written.candidate
    return f"{written.name} {found}: {written.verdict}; {meaning(line.row.reason)}"


def command(level: str, message: str, spot: Spot, title: str) -> str:
    """Write a workflow command, escaped as GitHub reads it."""
    properties = {"file": spot.file, "line": str(spot.line), "title": one_line(title)}
    told = ",".join(f"{name}={_property(it)}" for name, it in properties.items())
    return f"::{level} {told}::{_data(one_line(message, MOST_MESSAGE))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
