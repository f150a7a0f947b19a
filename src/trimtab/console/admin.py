"""The admin API: what the console and the command line do, for programs, in one table."""

from collections.abc import Sequence

from trimtab.console import calls, erasures
from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.calls import Because
from trimtab.console.changes import read_seq, wanted_seq
from trimtab.console.costs import read_costs
from trimtab.console.openapi import Call
from trimtab.console.request import is_too_new
from trimtab.console.requests import read_cursor, read_filter, read_page, write_cursor
from trimtab.console.wire import change_members, record_members, stored_members
from trimtab.domain.annotation import Remark
from trimtab.domain.errors import RecordErased, RecordNotFound
from trimtab.domain.record import ContentState
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.store.base.recording import StoredRecord


async def list_records(visit: Visit) -> object:
    """List records."""
    where = read_filter(visit, visit.query("q"))
    records, following = await read_page(visit, where, read_cursor(visit.query("cursor")))
    rows = [record_members(record) for record in records]
    return {"records": rows, "next": write_cursor(following) if following else None}


async def read_record(visit: Visit) -> object:
    """Read a record."""
    return stored_members(await _found(visit))


async def read_record_content(visit: Visit) -> object:
    """Read what was asked and answered."""
    record = (await _found(visit)).record
    if record.content_state == ContentState.ERASED:
        raise RecordErased(
            f"the content of '{record.request_id}' was erased; only its figures are kept"
        )
    audit = visit.console.audit
    asked, answered = await audit.read(record, author=visit.author, source=visit.source)
    return {
        "request_id": record.request_id,
        "content_state": record.content_state,
        "input": _text(asked),
        "output": _text(answered),
    }


async def rehydrate_trace(visit: Visit) -> object:
    """Export a trace that was dropped, by the id of its request."""
    stored = await _found(visit)
    return {
        "request_id": stored.record.request_id,
        "trace_id": stored.record.trace_id,
        "rehydrated": await visit.console.rehydrate(stored),
    }


async def annotate(visit: Visit) -> object:
    """Say something of a request: a name with a score, a label or a text."""
    remark = calls.read_body(visit, Remark)
    stored = await _found(visit)
    said = await visit.console.annotate(stored.record, remark, visit.author)
    return {"annotation_id": said.annotation_id, "request_id": said.request_id}


async def list_tenants(visit: Visit) -> object:
    """List tenants."""
    snapshot = await visit.console.control.snapshot()
    return {
        "tenants": [
            {
                "tenant": tenant,
                "suspension": snapshot.suspensions.get(Scope(ScopeKind.TENANT, tenant.id)),
            }
            for tenant in snapshot.tenants.values()
        ]
    }


async def list_changes(visit: Visit) -> object:
    """List changes."""
    before = read_seq(visit.query("before"))
    changes = await visit.console.control.history(before=before, limit=100)
    return {"changes": [change_members(change) for change in changes]}


async def list_readings(visit: Visit) -> object:
    """List who read content or the list of keys."""
    before = read_seq(visit.query("before"))
    return {"readings": await visit.console.audit.log.readings(before=before, limit=100)}


async def undo_change(visit: Visit) -> object:
    """Append the inverse of a change."""
    body = calls.read_body(visit, Because)
    return await visit.console.control.undo(
        wanted_seq(visit), reason=body.reason, author=visit.author, source=visit.source
    )


async def read_snapshot(visit: Visit) -> object:
    """Read the configuration in force."""
    snapshot = await visit.console.control.snapshot()
    return {
        "config_seq": snapshot.config_seq,
        "providers": {name: provider.url for name, provider in snapshot.providers.items()},
        "models": snapshot.models,
        "tiers": snapshot.tiers,
        "tenants": snapshot.tenants,
        "suspensions": {
            scope.pointer.name: suspension for scope, suspension in snapshot.suspensions.items()
        },
        "breakers": snapshot.breakers,
        "workers": await visit.console.acknowledgements.acknowledgements(),
    }


_V1 = "/admin/v1"
CALLS: Sequence[Call] = (
    Call("GET", f"{_V1}/records", Right.READ, list_records, query=("q", "cursor")),
    Call("GET", f"{_V1}/records/{{id}}", Right.READ, read_record, reply=StoredRecord),
    Call("GET", f"{_V1}/records/{{id}}/content", Right.CONTENT, read_record_content),
    Call(
        "GET",
        f"{_V1}/costs",
        Right.READ,
        read_costs,
        query=("tenant", "month", "from", "to", "group_by"),
    ),
    Call("GET", f"{_V1}/tenants", Right.READ, list_tenants),
    Call("GET", f"{_V1}/suspensions", Right.READ, calls.list_suspensions),
    Call("POST", f"{_V1}/suspensions", Right.OPERATE, calls.suspend, body=calls.Suspend),
    Call("POST", f"{_V1}/suspensions/resume", Right.OPERATE, calls.resume, body=calls.Resume),
    Call("POST", f"{_V1}/traces/{{id}}/rehydrate", Right.OPERATE, rehydrate_trace),
    Call("GET", f"{_V1}/keys", Right.OPERATE, calls.list_keys),
    Call(
        "POST",
        f"{_V1}/records/{{id}}/annotations",
        Right.OPERATE,
        annotate,
        body=Remark,
        status=201,
    ),
    Call(
        "POST", f"{_V1}/keys", Right.ADMINISTER, calls.create_key, body=calls.CreateKey, status=201
    ),
    Call(
        "POST",
        f"{_V1}/keys/{{id}}/rotate",
        Right.ADMINISTER,
        calls.rotate_key,
        body=calls.RotateKey,
    ),
    Call("POST", f"{_V1}/keys/{{id}}/revoke", Right.ADMINISTER, calls.revoke_key, body=Because),
    Call("GET", f"{_V1}/changes", Right.READ, list_changes, query=("before",)),
    Call("POST", f"{_V1}/changes/{{seq}}/undo", Right.OPERATE, undo_change, body=Because),
    Call("GET", f"{_V1}/audit", Right.ADMINISTER, list_readings, query=("before",)),
    Call("GET", f"{_V1}/erasures", Right.ADMINISTER, erasures.list_erasures),
    Call("GET", f"{_V1}/erasures/{{id}}", Right.ADMINISTER, erasures.read_erasure),
    Call(
        "POST", f"{_V1}/erasures", Right.ADMINISTER, erasures.erase, body=erasures.Erase, status=201
    ),
    Call("GET", f"{_V1}/snapshot", Right.READ, read_snapshot),
)
"""Every call of the admin API, with the right it takes."""


async def _found(visit: Visit) -> StoredRecord:
    request_id = visit.param("id")
    stored = await visit.console.records.find(request_id)
    if stored is not None:
        return stored
    if is_too_new(request_id, visit.console.clock.now_us()):
        raise RecordNotFound(f"'{request_id}' is not stored yet; ask again in a second")
    raise RecordNotFound(f"no record is called '{request_id}'; its retention may have ended")


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")
