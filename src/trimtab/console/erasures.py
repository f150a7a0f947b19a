"""Erasures: what was ordered, its receipts, and the form that orders one."""

from msgspec import Struct
from starlette.responses import Response

from trimtab.console.base import Visit, see_other
from trimtab.console.calls import Reason, read_body
from trimtab.control.erasures import Ordered
from trimtab.domain.change import read_reason
from trimtab.domain.erasure import ErasureScope
from trimtab.domain.errors import InvalidRequest, LegalHoldActive, NotFound


class Erase(Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of a call that erases a `tenant`, a `user` of one, or one request.

    A user is named as the app does, or `hashed`, as records do. With `dry_run` it is only counted.
    """

    reason: Reason
    tenant: str = ""
    user: str = ""
    hashed: bool = False
    request_id: str = ""
    dry_run: bool = False


async def show(visit: Visit, problem: str = "") -> Response:
    """List erasures, newest first, and offer the form."""
    context = {
        "erasures": await visit.console.erasures.listed(),
        "problem": problem,
        "form": visit.form,
    }
    return visit.page("erasures.html", context, status=400 if problem else 200)


async def order(visit: Visit) -> Response:
    """Order an erasure, if its name was typed once more."""
    try:
        scope = _confirmed(visit)
        reason = read_reason(visit.form.get("reason", ""))
        await visit.console.erasures.order(scope, visit.by(reason))
    except (InvalidRequest, LegalHoldActive, NotFound) as exc:
        return await show(visit, str(exc))
    return see_other("/console/erasures")


async def list_erasures(visit: Visit) -> object:
    """List erasures."""
    return {"erasures": [_members(it) for it in await visit.console.erasures.listed()]}


async def read_erasure(visit: Visit) -> object:
    """Read an erasure with its receipt."""
    return _members(await visit.console.erasures.find(visit.param("id")))


async def erase(visit: Visit) -> object:
    """Order an erasure; its receipt is there once it was carried out."""
    body = read_body(visit, Erase)
    scope = _scope(visit, body.tenant, body.user, body.request_id, hashed=body.hashed)
    if body.dry_run:
        return {"would_erase": (await visit.console.erasures.count(scope))._asdict()}
    return _members(await visit.console.erasures.order(scope, visit.by(body.reason)))


def _confirmed(visit: Visit) -> ErasureScope:
    form = visit.form
    names = [form.get(name, "").strip() for name in ("tenant", "user", "request_id")]
    tenant, user, request_id = names
    if form.get("confirm", "").strip() != (request_id or user or tenant):
        raise InvalidRequest("what you typed to confirm is another name; type it as above")
    return _scope(visit, tenant, user, request_id)


def _scope(
    visit: Visit, tenant: str, user: str, request_id: str, *, hashed: bool = False
) -> ErasureScope:
    if user and not tenant and not hashed:
        raise InvalidRequest("an end user is of a tenant; name it, too", param="tenant")
    known = user if hashed or not user else visit.console.user_hash(tenant, user)
    return ErasureScope(tenant_id=tenant, user_hash=known, request_id=request_id)


def _members(ordered: Ordered) -> dict[str, object]:
    return {
        "id": ordered.id,
        "scope": ordered.erasure.scope,
        "ordered_us": ordered.change.ts_us,
        "author": ordered.change.author,
        "reason": ordered.change.reason,
        "receipt": ordered.receipt,
    }
