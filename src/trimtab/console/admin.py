"""The admin API: what the console and the command line do, for programs, in one table."""

from collections.abc import Sequence

import msgspec

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
from trimtab.domain.errors import RecordErased, RecordNotFound
from trimtab.domain.record import ContentState
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.store.base.recording import StoredRecord


async def list_records(visit: Visit) -> object:
    """See `CALLS`."""
    where = read_filter(visit, visit.query("q"))
    records, following = await read_page(visit, where, read_cursor(visit.query("cursor")))
    rows = [record_members(record) for record in records]
    return {"records": rows, "next": write_cursor(following) if following else None}


async def read_record(visit: Visit) -> object:
    """See `CALLS`."""
    return stored_members(await _found(visit))


async def read_record_content(visit: Visit) -> object:
    """See `CALLS`."""
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
    """See `CALLS`."""
    stored = await _found(visit)
    return {
        "request_id": stored.record.request_id,
        "trace_id": stored.record.trace_id,
        "rehydrated": await visit.console.rehydrate(stored),
    }


async def list_tenants(visit: Visit) -> object:
    """See `CALLS`."""
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
    """See `CALLS`."""
    before = read_seq(visit.query("before"))
    changes = await visit.console.control.history(before=before, limit=100)
    return {"changes": [change_members(change) for change in changes]}


async def list_readings(visit: Visit) -> object:
    """See `CALLS`."""
    before = read_seq(visit.query("before"))
    return {"readings": await visit.console.audit.log.readings(before=before, limit=100)}


async def undo_change(visit: Visit) -> object:
    """See `CALLS`."""
    body = calls.read_body(visit, Because)
    change = await visit.console.control.undo(
        wanted_seq(visit), reason=body.reason, author=visit.author, source=visit.source
    )
    return {"change": change_members(change)}


async def read_snapshot(visit: Visit) -> object:
    """See `CALLS`."""
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
    Call("GET", f"{_V1}/records", Right.READ, list_records, "List records", ("q", "cursor")),
    Call(
        "GET", f"{_V1}/records/{{id}}", Right.READ, read_record, "Read a record", reply=StoredRecord
    ),
    Call(
        "GET",
        f"{_V1}/records/{{id}}/content",
        Right.CONTENT,
        read_record_content,
        "Read what was asked and answered",
    ),
    Call(
        "GET",
        f"{_V1}/costs",
        Right.READ,
        read_costs,
        "Sum costs of a month, or of the days from `from` up to and without `to`",
        ("tenant", "month", "from", "to", "group_by"),
    ),
    Call("GET", f"{_V1}/tenants", Right.READ, list_tenants, "List tenants"),
    Call(
        "GET",
        f"{_V1}/suspensions",
        Right.READ,
        calls.list_suspensions,
        "List what is suspended or slowed down",
    ),
    Call(
        "POST",
        f"{_V1}/suspensions",
        Right.OPERATE,
        calls.suspend,
        "Throw the kill switch of anything",
        body=calls.Suspend,
    ),
    Call(
        "POST",
        f"{_V1}/suspensions/resume",
        Right.OPERATE,
        calls.resume,
        "Take a suspension back",
        body=calls.Resume,
    ),
    Call(
        "POST",
        f"{_V1}/traces/{{id}}/rehydrate",
        Right.OPERATE,
        rehydrate_trace,
        "Export a trace that was dropped, by the id of its request",
    ),
    Call("GET", f"{_V1}/keys", Right.OPERATE, calls.list_keys, "List keys"),
    Call(
        "POST",
        f"{_V1}/keys",
        Right.ADMINISTER,
        calls.create_key,
        "Make a key; its text is shown this once",
        body=calls.CreateKey,
        status=201,
    ),
    Call(
        "POST",
        f"{_V1}/keys/{{id}}/rotate",
        Right.ADMINISTER,
        calls.rotate_key,
        "Give a key a new text; it is shown this once",
        body=calls.RotateKey,
    ),
    Call(
        "POST",
        f"{_V1}/keys/{{id}}/revoke",
        Right.ADMINISTER,
        calls.revoke_key,
        "Revoke a key",
        body=Because,
    ),
    Call("GET", f"{_V1}/changes", Right.READ, list_changes, "List changes", ("before",)),
    Call(
        "POST",
        f"{_V1}/changes/{{seq}}/undo",
        Right.OPERATE,
        undo_change,
        "Append the inverse of a change",
        body=Because,
    ),
    Call(
        "GET",
        f"{_V1}/audit",
        Right.ADMINISTER,
        list_readings,
        "List who read content or the list of keys",
        ("before",),
    ),
    Call("GET", f"{_V1}/erasures", Right.ADMINISTER, erasures.list_erasures, "List erasures"),
    Call(
        "GET",
        f"{_V1}/erasures/{{id}}",
        Right.ADMINISTER,
        erasures.read_erasure,
        "Read an erasure with its receipt",
    ),
    Call(
        "POST",
        f"{_V1}/erasures",
        Right.ADMINISTER,
        erasures.erase,
        "Order an erasure; its receipt is there once it was carried out",
        body=erasures.Erase,
        status=201,
    ),
    Call("GET", f"{_V1}/snapshot", Right.READ, read_snapshot, "Read the configuration in force"),
)
"""Every call of the admin API, with the right it takes."""


def encode(value: object) -> bytes:
    """Write an answer as JSON."""
    return msgspec.json.encode(value)


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
