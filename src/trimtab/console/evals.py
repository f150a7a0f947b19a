"""The list of evaluation runs, newest first, and what a suite scored over time."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from trimtab.console.base import Visit, with_query
from trimtab.console.eval_trend import MOST_RUNS, trends
from trimtab.domain.errors import InvalidRequest
from trimtab.evals.decided import Decided, DecidedLine
from trimtab.evals.report.plain import one_line
from trimtab.evals.shelf import Card, Shelf

PATH = "/console/evals"
PAGE_SIZE = 25
MOST_SCORES = 4
NOT_JUDGED = "not judged"
VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", NOT_JUDGED)
_FILTERS = ("suite", "verdict", "prompt")
_RUN_ID = re.compile(r"ev_[0-9A-Za-z]{1,64}")


@dataclass(frozen=True, slots=True)
class Row:
    """A run in the list."""

    card: Card
    decided: Decided | None

    @property
    def verdict(self) -> str:
        """The verdict it was given last."""
        return verdict_of(self.card)

    @property
    def scores(self) -> tuple[DecidedLine, ...]:
        """Scores that fit beside it, those that decide first."""
        lines = self.decided.metrics if self.decided else ()
        known = (it for it in lines if it.candidate is not None)
        return tuple(sorted(known, key=lambda it: not it.blocking)[:MOST_SCORES])


@dataclass(frozen=True, slots=True)
class _Found:
    """What a page shows: its runs, whether there are more, and runs of one suite."""

    rows: tuple[Row, ...] = ()
    more: bool = False
    suite: str = ""
    trend: tuple[tuple[Card, Decided], ...] = ()


async def show(visit: Visit) -> Response:
    """Show one page of the list; a filter that cannot be read shows why."""
    asked = {name: visit.query(name) for name in _FILTERS}
    problem, found = "", _Found()
    try:
        after = _checked(asked, visit.query("cursor"))
        found = await asyncio.to_thread(_read, visit.console.evaluations.shelf, asked, after)
    except InvalidRequest as exc:
        problem = str(exc)
    last = found.rows[-1].card.run_id if found.rows else ""
    context = {
        "rows": found.rows,
        "asked": asked,
        "is_narrowed": any(asked.values()),
        "verdicts": VERDICTS,
        "suite": one_line(found.suite),
        "trends": trends(found.trend),
        "older": list_path({**asked, "cursor": last}) if found.more else None,
        "newest": list_path(asked) if visit.query("cursor") else None,
        "problem": problem,
    }
    return visit.page("evals.html", context, status=400 if problem else 200)


def verdict_of(card: Card) -> str:
    """Name the verdict that a run was given last."""
    return card.verdict if card.verdict in VERDICTS else NOT_JUDGED


def run_path(run_id: str, **query: str) -> str:
    """Where a run is shown."""
    return with_query(f"{PATH}/{quote(run_id, safe='')}", **query)


def list_path(asked: Mapping[str, str]) -> str:
    """Where a filter shows its newest runs."""
    return with_query(PATH, **asked)


def _checked(asked: Mapping[str, str], cursor: str) -> str:
    """Check what the URL asks for. Raises `InvalidRequest`."""
    if asked["verdict"] not in {"", *VERDICTS}:
        choice = ", ".join(VERDICTS)
        raise InvalidRequest(
            f"'{asked['verdict']}' is no verdict; choose of {choice}", param="verdict"
        )
    if cursor and _RUN_ID.fullmatch(cursor) is None:
        raise InvalidRequest(f"'{cursor}' is not a cursor; begin at the first page", param="cursor")
    return cursor


def _read(shelf: Shelf, asked: Mapping[str, str], after: str) -> _Found:
    """Look through the runs once: for a page of them, and for those of one suite."""
    page, same = list[Card](), list[tuple[Card, Decided]]()
    suite = asked["suite"]
    for card in shelf.cards():
        suite = suite or card.suite
        if card.suite == suite and len(same) < MOST_RUNS:
            decided = shelf.decided(card.run_id, card.content)
            if decided is not None:
                same.append((card, decided))
        if (not after or card.run_id < after) and len(page) <= PAGE_SIZE and _fits(card, asked):
            page.append(card)
        if len(page) > PAGE_SIZE and len(same) == MOST_RUNS:
            break
    rows = tuple(Row(it, shelf.decided(it.run_id, it.content)) for it in page[:PAGE_SIZE])
    return _Found(rows, len(page) > PAGE_SIZE, suite, tuple(same))


def _fits(card: Card, asked: Mapping[str, str]) -> bool:
    wanted = {"suite": card.suite, "prompt": card.prompt, "verdict": verdict_of(card)}
    return all(not asked[name] or asked[name] == value for name, value in wanted.items())
