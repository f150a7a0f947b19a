"""The list of requests: newest first, filtered by the text in the URL."""

from urllib.parse import urlencode

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.record import RequestRecord
from trimtab.store.base import Cursor, RecordFilter

PAGE_SIZE = 50
MAX_DIGITS = 18
PATH = "/console/requests"
SHORTCUTS = (
    ("All", ""),
    ("Errors", "status:error"),
    ("Rejected", "status:rejected"),
    ("Slow, over 2 s", "latency_ms:>2000"),
    ("Last hour", "since:1h"),
)


async def show(visit: Visit) -> Response:
    """Show one page of the list; a filter that cannot be read shows why."""
    query = visit.query("q")
    problem, status, found = "", 200, ((), None)
    try:
        where, after = visit.console.parse_filter(query), read_cursor(visit.query("cursor"))
    except InvalidRequest as exc:
        problem, status = str(exc), 400
    else:
        found = await read_page(visit, where, after)
    records, following = found
    context = {
        "query": query,
        "problem": problem,
        "records": records,
        "older": older_path(query, following) if following else None,
        "newest": list_path(query) if visit.query("cursor") else None,
        "shortcuts": SHORTCUTS,
        "origin": str(visit.request.base_url),
    }
    return visit.page("requests.html", context, status=status)


async def read_page(
    visit: Visit, where: RecordFilter, after: Cursor | None
) -> tuple[tuple[RequestRecord, ...], Cursor | None]:
    """Read a page, and the cursor of the next one if there is a next one."""
    records = await visit.console.records.page(where, after=after, limit=PAGE_SIZE + 1)
    shown = records[:PAGE_SIZE]
    more = len(records) > len(shown)
    return shown, Cursor(shown[-1].ts_us, shown[-1].request_id) if more else None


def write_cursor(cursor: Cursor) -> str:
    """Write a cursor for a URL."""
    return f"{cursor.ts_us}.{cursor.request_id}"


def read_cursor(text: str) -> Cursor | None:
    """Read a cursor from a URL; `None` if there is none.

    Raises:
        InvalidRequest: it was not made by `write_cursor`.
    """
    if not text:
        return None
    ts_us, _, request_id = text.partition(".")
    if not (ts_us.isascii() and ts_us.isdigit() and len(ts_us) <= MAX_DIGITS and request_id):
        raise InvalidRequest(f"'{text}' is not a cursor; begin at the first page", param="cursor")
    return Cursor(int(ts_us), request_id)


def list_path(query: str) -> str:
    """Where a filter shows its newest requests."""
    return f"{PATH}?{urlencode({'q': query})}" if query else PATH


def older_path(query: str, cursor: Cursor) -> str:
    """Where the list goes on."""
    return f"{PATH}?{urlencode({'q': query, 'cursor': write_cursor(cursor)})}"
