"""Two evaluation runs case by case: what the candidate of each said to the same cases."""

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Visit, with_query
from trimtab.console.eval_cases import Cases
from trimtab.console.eval_run import MOST_SENTENCE, MOST_WORST, WORST, Table, case_page, named
from trimtab.console.evals import PATH, verdict_of
from trimtab.console.evaluations import MISSING, Evaluations
from trimtab.domain.errors import InvalidRequest
from trimtab.evals.report.plain import one_line, plain
from trimtab.evals.result import Run
from trimtab.evals.shelf import Card

HERE = f"{PATH}/compare"
CHOICES = (
    ("All", "all"),
    ("Differ", "differ"),
    ("Worse", "worse"),
    ("Better", "better"),
    ("Errors", "error"),
    ("As before", "same"),
)


@dataclass(frozen=True, slots=True)
class _Read:
    """Both runs in short, and together; without `paired` they cannot be laid side by side."""

    before: Card
    after: Card
    paired: Run | None
    cases: Cases | None


async def show(visit: Visit) -> Response:
    """Show two runs side by side; what cannot be compared says why."""
    evaluations = visit.console.evaluations
    a, b = visit.query("a"), visit.query("b")
    problem, read = "", None
    if not (a and b):
        problem = "name two runs: compare?a=RUN&b=RUN" if a or b else ""
    else:
        try:
            read = await asyncio.to_thread(_read, evaluations, a, b)
        except InvalidRequest as exc:
            problem = str(exc)
    context: dict[str, object] = {
        "a": a,
        "b": b,
        "problem": problem,
        "read": read,
        "missing": MISSING if read and read.paired is None else "",
    }
    if read and read.paired and read.cases:
        context |= await _context(visit, read.paired, read.cases)
        context |= {"verdicts": (verdict_of(read.before), verdict_of(read.after))}
    return visit.page("eval_compare.html", context, status=400 if problem else 200)


def compare_path(a: str, b: str, **query: str) -> str:
    """Where two runs are compared."""
    return with_query(HERE, a=a, b=b, **query)


async def _context(visit: Visit, paired: Run, cases: Cases) -> dict[str, object]:
    a, b = visit.query("a"), visit.query("b")
    tests = "yes" if visit.query("tests") == "yes" else ""
    figured = await visit.console.evaluations.figured(paired) if tests else None
    page = case_page(visit, cases, "differ")
    kinds = [it.kind for it in cases.rows]
    return {
        "run": paired,
        "table": Table.of(figured),
        "tested": figured is not None,
        "tests_path": compare_path(a, b, tests="yes"),
        "counts": {it: kinds.count(it) for it in ("worse", "better", "error", "same")},
        "worst": tuple(
            cases.beside(it, MOST_WORST) for it in cases.rows[:WORST] if it.kind == "worse"
        ),
        "cases": page,
        "choices": [
            (name, it, compare_path(a, b, show=it, tests=tests) + "#cases") for name, it in CHOICES
        ],
        "older": compare_path(a, b, show=page.kind, tests=tests, cursor=page.last)
        if page.last
        else None,
        "first": compare_path(a, b, show=page.kind, tests=tests) if visit.query("cursor") else None,
        "turned": compare_path(b, a),
        "unpaired": named(paired.unpaired),
        "notes": [plain(one_line(it, MOST_SENTENCE)) for it in paired.warnings],
    }


def _read(evaluations: Evaluations, a: str, b: str) -> _Read:
    shelf = evaluations.shelf
    before, after = shelf.find(a), shelf.find(b)
    paired = evaluations.paired(shelf.read(before.run_id), shelf.read(after.run_id))
    return _Read(before, after, paired, None if paired is None else Cases.of(paired))
