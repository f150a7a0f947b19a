"""Add to golden set: a request as a line of a dataset, to be put where the cases are."""

from datetime import UTC, datetime

from starlette.responses import Response

from trimtab.console.base import Visit
from trimtab.domain.errors import ContentExpired, InvalidRequest, RecordNotFound, SettingsInvalid
from trimtab.domain.record import RequestRecord
from trimtab.evals.adding import Made, Wanted, frame_of, make_case
from trimtab.evals.dataset import write_case

DOWNLOAD = "download"


async def ask(visit: Visit) -> Response:
    """Ask what the answer should have been; nothing of the content is read yet."""
    return _page(visit, await _record(visit))


async def make(visit: Visit) -> Response:
    """Show the line, or give it as a file."""
    record = await _record(visit)
    try:
        made = await _made(visit, record)
    except (ContentExpired, InvalidRequest, SettingsInvalid) as exc:
        return _page(visit, record, problem=str(exc))
    if visit.form.get("as") != DOWNLOAD:
        return _page(visit, record, made=made)
    headers = {"content-disposition": f'attachment; filename="{made.case.id}.jsonl"'}
    return Response(write_case(made.case), media_type="application/jsonl", headers=headers)


async def _record(visit: Visit) -> RequestRecord:
    stored = await visit.console.records.find(visit.param("id"))
    if stored is None:
        raise RecordNotFound(f"request {visit.param('id')[:64]!r} is not stored; look at its id")
    return stored.record


async def _made(visit: Visit, record: RequestRecord) -> Made:
    console = visit.console
    asked = await console.audit.read_asked(record, author=visit.author, source=visit.source)
    lines = [it.strip() for it in visit.form.get("expect", "").splitlines()]
    wanted = Wanted(
        by=visit.author,
        at=f"{datetime.fromtimestamp(console.clock.now_us() / 1e6, UTC):%Y-%m-%d}",
        expected=tuple(filter(None, lines)),
        tags=tuple(visit.form.get("tags", "").replace(",", " ").split()),
    )
    return make_case(record, asked, wanted, frame_of(await console.registry.prompts(), record))


def _page(
    visit: Visit, record: RequestRecord, *, made: Made | None = None, problem: str = ""
) -> Response:
    context = {
        "record": record,
        "expect": visit.form.get("expect", ""),
        "tags": visit.form.get("tags", ""),
        "made": made,
        "line": write_case(made.case).rstrip() if made else "",
        "problem": problem,
    }
    return visit.page("case.html", context, status=400 if problem else 200)
