"""Booking what only a provider knows: the line that would be added, asked for with a reason."""

import asyncio

from starlette.responses import Response

from trimtab.console.base import Visit, see_other
from trimtab.console.reconcile import booked_by, page_path
from trimtab.domain.adjustment import UNATTRIBUTED
from trimtab.domain.change import read_reason
from trimtab.domain.errors import InvalidRequest, NotFound


async def ask(visit: Visit, problem: str = "") -> Response:
    """Show the line, whom it concerns, and ask why."""
    console, wanted = visit.console, visit.param("id")
    proposed = await asyncio.to_thread(console.reports.proposal, wanted)
    if proposed is None:
        raise NotFound(f"nothing is proposed as '{wanted}'; run `trimtab reconcile` for its day")
    context = {
        "proposed": proposed,
        "booked": booked_by(await console.control.state(), proposed.id),
        "day_path": page_path(day=proposed.day, until=proposed.day),
        "tenant": UNATTRIBUTED,
        "problem": problem,
    }
    return visit.page("reconcile_book.html", context, status=400 if problem else 200)


async def book(visit: Visit) -> Response:
    """Book the line; twice books it once."""
    try:
        by = visit.by(read_reason(visit.form.get("reason", "")))
        booked, change = await visit.console.book(visit.param("id"), by)
    except InvalidRequest as exc:
        return await ask(visit, str(exc))
    done = "" if change is None else str(change.seq)
    return see_other(page_path(day=booked.day, until=booked.day, done=done))
