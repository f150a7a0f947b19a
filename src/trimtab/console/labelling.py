"""Labelling: one answer after the other, without the judge's score and without the arm."""

import asyncio
from urllib.parse import quote, urlencode

from starlette.responses import Response

from trimtab.console.base import Visit, see_other
from trimtab.domain.errors import InvalidRequest
from trimtab.evals.labelling import Item, Session, session
from trimtab.evals.result import Run

PATH = "/console/evals/label"
SKIP, UNDO = "s", "u"


async def show(visit: Visit) -> Response:
    """Show the next answer, or the one that is asked for."""
    run, now = await asyncio.to_thread(_session, visit)
    case, answered = visit.query("case"), visit.query("answer")
    item = now.find(case, answered) if case else now.following
    return _page(visit, run, now, item)


async def answer(visit: Visit) -> Response:
    """Keep what was said, skip, or take the last one back."""
    run, now = await asyncio.to_thread(_session, visit)
    key = visit.form.get("key", "")
    if key == UNDO:
        item = now.latest
        if item is not None:
            await _keep(visit, run, now, item, None)
        return see_other(path_of(run.run_id, now.metric, item))
    item = now.find(visit.form.get("case", ""), visit.form.get("answer", ""))
    choice = next((it for it in now.choices(item) if it.key == key), None)
    if choice is None and key != SKIP:
        known = ", ".join(it.key for it in now.choices(item))
        problem = f"no value has the key {key[:20]!r}; choose of {known}"
        return _page(visit, run, now, item, problem)
    await _keep(visit, run, now, item, choice.value if choice else None)
    return see_other(path_of(run.run_id, now.metric))


def path_of(run_id: str, metric: str, item: Item | None = None) -> str:
    """Name the page that labels answers of a run."""
    path = f"{PATH}/{quote(run_id, safe='')}/{quote(metric, safe='')}"
    if item is None:
        return path
    return f"{path}?{urlencode({'case': item.case.id, 'answer': item.answer_hash})}"


def _session(visit: Visit) -> tuple[Run, Session]:
    desk = visit.console.desk
    run = desk.run(visit.param("run"))
    return run, session(run, visit.param("metric"), visit.author, desk.labels(run.suite))


async def _keep(visit: Visit, run: Run, now: Session, item: Item, value: float | None) -> None:
    label = now.label(item, value, visit.console.clock.now_us())
    try:
        await asyncio.to_thread(visit.console.desk.add, run.suite, label)
    except OSError as exc:
        raise InvalidRequest(f"the label could not be kept ({exc.strerror}); try again") from exc


def _page(visit: Visit, run: Run, now: Session, item: Item | None, problem: str = "") -> Response:
    context = {
        "run": run,
        "now": now,
        "item": item,
        "texts": [] if item is None else now.parts(item),
        "choices": [] if item is None else now.choices(item),
        "said": None if item is None else now.said.get(item.key),
        "again": path_of(run.run_id, now.metric, now.skipped[0]) if now.skipped else "",
        "own": path_of(run.run_id, now.metric),
        "problem": problem,
    }
    return visit.page("labelling.html", context, status=400 if problem else 200)
