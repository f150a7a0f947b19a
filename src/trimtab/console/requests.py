"""The list of requests: newest first, filtered by the text in the URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from trimtab.console.auth import Right
from trimtab.console.base import Visit, see_other
from trimtab.domain.errors import Forbidden, InvalidRequest
from trimtab.domain.record import RequestRecord
from trimtab.store.base.reading import Cursor, Facet, RecordFilter, SavedFilter
from trimtab.store.filter_text import narrowed

PAGE_SIZE = 50
TAIL_ROWS = 100
MAX_NAME_CHARS = 64
MOST_COUNTED = 5_000
MOST_CHOICES = 6
NARROWED_BY: Mapping[str, str] = {
    "status": "status",
    "model_requested": "model",
    "tenant_id": "tenant",
    "feature": "feature",
    "prompt_name": "prompt",
}
"""Columns that lists are narrowed by, and the filter that does it."""

MAX_DIGITS = 18
PATH = "/console/requests"
SHORTCUTS = (
    ("All", ""),
    ("Errors", "status:error"),
    ("Rejected", "status:rejected"),
    ("Slow, over 2 s", "latency_ms:>2000"),
    ("Last hour", "since:1h"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that the list can be narrowed to, or is and need not be."""

    value: str
    n: int
    path: str
    is_chosen: bool


async def show(visit: Visit) -> Response:
    """Show one page of the list; a filter that cannot be read shows why."""
    query = visit.query("q")
    problem, status, found, facets = "", 200, ((), None), ()
    try:
        where, after = read_filter(visit, query), read_cursor(visit.query("cursor"))
    except InvalidRequest as exc:
        problem, status = str(exc), 400
    else:
        found = await read_page(visit, where, after)
        facets = await visit.console.records.facets(where, limit=MOST_COUNTED)
    records, following = found
    context = {
        "query": query,
        "problem": problem,
        "records": records,
        "older": older_path(query, following) if following else None,
        "newest": list_path(query) if visit.query("cursor") else None,
        "shortcuts": SHORTCUTS,
        "saved": await visit.console.saved.saved(visit.author),
        "facets": choices(query, facets),
        "most_counted": MOST_COUNTED,
        "origin": str(visit.request.base_url),
    }
    return visit.page("requests.html", context, status=status)


async def tail(visit: Visit) -> Response:
    """Show the newest requests, and more as they come."""
    query = visit.query("q")
    try:
        records, problem = await _newest(visit, query), ""
    except InvalidRequest as exc:
        records, problem = (), str(exc)
    context = {"query": query, "problem": problem, "records": records}
    return visit.page("tail.html", context, status=400 if problem else 200)


async def tail_rows(visit: Visit) -> Response:
    """Show only the rows, for a page that is open already."""
    return visit.page("_requests.html", {"records": await _newest(visit, visit.query("q"))})


async def save(visit: Visit) -> Response:
    """Give a filter a name, for oneself or for all."""
    form = visit.form
    name, query = form.get("name", "").strip(), form.get("q", "").strip()
    if not (0 < len(name) <= MAX_NAME_CHARS and name.isprintable()):
        raise InvalidRequest(f"a name has 1 to {MAX_NAME_CHARS} characters", param="name")
    visit.console.parse_filter(query)
    owner = _owner(visit, form)
    await visit.console.saving.save(SavedFilter(owner=owner, name=name, text=query))
    return see_other(list_path(query))


async def unsave(visit: Visit) -> Response:
    """Forget a filter of one's own, or of all."""
    form = visit.form
    await visit.console.saving.unsave(_owner(visit, form), form.get("name", ""))
    return see_other(list_path(form.get("q", "")))


def read_filter(visit: Visit, query: str) -> RecordFilter:
    """Read a filter that the visitor may use.

    Raises:
        InvalidRequest: it is none.
        Forbidden: it asks for words of the content, which would tell what is in it.
    """
    where = visit.console.parse_filter(query)
    if where.phrases and not visit.may(Right.CONTENT):
        raise Forbidden("only who may read content may search it by its words; ask an admin")
    return where


def choices(query: str, facets: Sequence[Facet]) -> Sequence[tuple[str, Sequence[Choice]]]:
    """Offer the most frequent values of each column, with where each leads."""
    offered: list[tuple[str, Sequence[Choice]]] = []
    for column, name in NARROWED_BY.items():
        found = [it for it in facets if it.column == column][:MOST_CHOICES]
        if found:
            offered.append((name, [_choice(query, name, it) for it in found]))
    return offered


def _choice(query: str, name: str, facet: Facet) -> Choice:
    word = narrowed("", name, facet.value)
    padded = f" {query} "
    if f" {word} " in padded:
        left = padded.replace(f" {word} ", " ", 1).strip()
        return Choice(facet.value, facet.n, list_path(left), is_chosen=True)
    path = list_path(narrowed(query, name, facet.value))
    return Choice(facet.value, facet.n, path, is_chosen=False)


def _owner(visit: Visit, form: Mapping[str, str]) -> str:
    """Tell whose a filter is: what all see, only who may operate changes. Raises `Forbidden`."""
    if not form.get("shared"):
        return visit.author
    if not visit.may(Right.OPERATE):
        raise Forbidden("only an operator may change a filter that all see; keep one of your own")
    return ""


async def _newest(visit: Visit, query: str) -> Sequence[RequestRecord]:
    return await visit.console.records.page(read_filter(visit, query), limit=TAIL_ROWS)


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
