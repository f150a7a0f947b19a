"""One evaluation run: its verdict, its metrics, what became worse, and its cases page by page."""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.console.eval_cases import Beside, Cases, Row
from trimtab.console.evals import run_path, verdict_of
from trimtab.console.evaluations import MISSING
from trimtab.console.scores import SCALES, Shown, shown
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.evals.decided import Decided, DecidedLine
from trimtab.evals.report.plain import one_line, plain
from trimtab.evals.result import Run, Subject
from trimtab.evals.shelf import Card, Shelf

PAGE_SIZE = 40
WORST = 5
MOST_WORST = 900
MOST_ONE = 6_000
"""Characters of an answer: among the worst cases, and alone."""
MOST_NAMED = 8
MOST_SENTENCE = 400
KINDS: Mapping[str, tuple[str, ...]] = {
    "all": ("worse", "low", "error", "better", "same"),
    "worse": ("worse", "low"),
    "error": ("error",),
    "better": ("better",),
    "differ": ("worse", "error", "better"),
    "same": ("same",),
}
CHOICES = (
    ("All", "all"),
    ("Worse", "worse"),
    ("Errors", "error"),
    ("Better", "better"),
    ("Others", "same"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """A page of the cases of a run.

    Attributes:
        total: How many there are of the kind that is shown.
        one: The case that was asked for.
    """

    rows: tuple[Row, ...]
    total: int
    last: str
    kind: str
    one: Beside | None


@dataclass(frozen=True, slots=True)
class Table:
    """The metrics of a run, then its slices, on one scale."""

    metrics: tuple[Shown, ...]
    slices: tuple[Shown, ...]
    scale: float

    @classmethod
    def of(cls, decided: Decided | None) -> "Table":
        """Lay a decision out."""
        if decided is None:
            return cls((), (), SCALES[0])
        lines, scale = shown(decided.lines)
        return cls(
            tuple(it for it in lines if not it.line.slice),
            tuple(it for it in lines if it.line.slice),
            scale,
        )


async def show(visit: Visit) -> Response:
    """Show a run."""
    evaluations = visit.console.evaluations
    card, run, decided, cases = await asyncio.to_thread(
        _read, evaluations.shelf, visit.param("run")
    )
    wanted = decided is None and visit.query("figures") == "now"
    figured = await evaluations.figured(run) if wanted else None
    page = case_page(visit, cases)
    context = {
        "run": run,
        "card": card,
        "verdict": verdict_of(card),
        "decided": decided,
        "missing": MISSING if wanted and figured is None else "",
        "table": Table.of(decided or figured),
        "candidate": _subject(run.candidate),
        "baseline": None if run.baseline is None else _subject(run.baseline),
        "notes": tuple(_notes(run, decided)),
        "worst": tuple(
            cases.beside(it, MOST_WORST) for it in cases.rows[:WORST] if it.kind in KINDS["worse"]
        ),
        "cases": page,
        "choices": [(name, it, run_path(run.run_id, show=it) + "#cases") for name, it in CHOICES],
        "older": run_path(run.run_id, show=page.kind, cursor=page.last) if page.last else None,
        "first": run_path(run.run_id, show=page.kind) if visit.query("cursor") else None,
        "again": _again(run),
        "whole": _command("show", run.run_id, visit.query("case")),
        "gate": _command("gate", run.run_id),
        "suite": one_line(run.suite),
    }
    return visit.page("eval_run.html", context)


def case_page(visit: Visit, cases: Cases, usual: str = "all") -> CasePage:
    """Choose the cases that the URL asks for; `usual` is the kind if it asks for none.

    Raises:
        InvalidRequest: it asks for a kind that there is not.
        NotFound: it asks for a case that there is not.
    """
    kind, cursor, case = visit.query("show") or usual, visit.query("cursor"), visit.query("case")
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise InvalidRequest(f"'{kind}' is no kind of cases; choose of {known}", param="show")
    rows = [it for it in cases.rows if it.kind in KINDS[kind]]
    places = {it.case.id: at for at, it in enumerate(rows)}
    if cursor and cursor not in places:
        raise InvalidRequest("the cursor names no case; begin at the first page", param="cursor")
    begin = places[cursor] + 1 if cursor else 0
    found = cases.find(case) if case else None
    if case and found is None:
        raise NotFound(f"the run has no case {case[:80]!r}; look at the list of its cases")
    page = tuple(rows[begin : begin + PAGE_SIZE])
    return CasePage(
        rows=page,
        total=len(rows),
        last=page[-1].case.id if len(rows) > begin + PAGE_SIZE else "",
        kind=kind,
        one=None if found is None else cases.beside(found, MOST_ONE),
    )


def _read(shelf: Shelf, run_id: str) -> tuple[Card, Run, Decided | None, Cases]:
    card = shelf.find(run_id)
    run = shelf.read(card.run_id)
    return card, run, shelf.decided(card.run_id, card.content), Cases.of(run)


def _subject(subject: Subject) -> dict[str, str]:
    """Say what answered, and where its version is shown."""
    told = [f"model {subject.model}" if subject.model else "", *subject.answered]
    if subject.reused_from:
        told.append(f"answers of {subject.reused_from}")
    return {
        "name": one_line(subject.name),
        "label": one_line(subject.label or ""),
        "told": one_line(", ".join(it for it in told if it), MOST_SENTENCE),
        "prompt": subject.prompt or "",
        "version": subject.prompt_version or "",
    }


def _notes(run: Run, decided: Decided | None) -> list[str]:
    """Say what else has to be known, one sentence each."""
    told = [f"Warning: {it}" for it in run.warnings]
    for line in decided.metrics if decided else ():
        told += (f"{line.name}: {it}" for it in _of_line(line))
    if run.unpaired:
        told.append(f"Not compared, they changed since the other run: {named(run.unpaired)}")
    if run.judge is not None and run.judge.refused:
        told.append(f"{run.judge.refused} remembered verdicts of the judge were not used")
    return [plain(one_line(it, MOST_SENTENCE)) for it in told]


def _of_line(line: DecidedLine) -> Iterator[str]:
    if line.failed:
        yield f"{line.errors} without a score, {named(line.failed)}"
    if line.lost_repeats:
        yield f"{line.lost_repeats} repeats ended in an error"
    if line.cases:
        yield f"{line.reason} in {named(line.cases)}"
    if line.effective_n is not None:
        yield f"{line.n} cases in groups count as {line.effective_n:.0f}"
    if line.unstable:
        yield f"repeats disagree in {named(line.unstable)}"


def named(cases: tuple[str, ...]) -> str:
    """Name some cases, and say how many more there are."""
    more = f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else ""
    return " ".join(one_line(it, 40) for it in cases[:MOST_NAMED]) + more


def _again(run: Run) -> str:
    """Give the command that runs it again."""
    words = [run.file]
    if run.candidate.prompt_version:
        words += ["--candidate", run.candidate.name]
    if run.candidate.model:
        words += ["--model", run.candidate.model]
    if run.baseline is None:
        words += ["--baseline", "none"]
    elif run.baseline.prompt_version:
        words += ["--baseline", run.baseline.prompt_version]
    return _command("run", *words)


def _command(*words: str) -> str:
    """Write a command for a shell, which runs nothing of what the words say."""
    return shlex.join(["trimtab", "evals", *(one_line(it, MOST_SENTENCE) for it in words)])
