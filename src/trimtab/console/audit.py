"""The audit: who read what people wrote, or the list of keys."""

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.console.changes import PAGE_SIZE, read_seq


async def show(visit: Visit) -> Response:
    """List readings, newest first."""
    before = read_seq(visit.query("before"))
    found = await visit.console.audit.log.readings(before=before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    context = {
        "readings": shown,
        "older": shown[-1].seq if len(found) > len(shown) else None,
        "newest": before is not None,
    }
    return visit.page("audit.html", context)
