"""The calls of the admin API that throw kill switches, and make and take away keys."""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from trimtab.console.base import Visit
from trimtab.control.keyring import keys_of
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.keys import NewKey
from trimtab.domain.suspension import OF_A_TENANT, WHOLE_SITE, Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Key, KeyTerms, Positive

Reason = Annotated[str, Meta(min_length=1, max_length=500)]
_Body = TypeVar("_Body", bound=Struct)
_SECRET = ("sha256", "retiring")


class Because(Struct, forbid_unknown_fields=True):
    """Body of a call that changes something."""

    reason: Reason


class Resume(Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of a call that takes a suspension back.

    Features and users are those of a `tenant`; a user is named as the app does, or `hashed`, as
    records do. The whole `site` needs no name.
    """

    kind: ScopeKind
    reason: Reason
    name: str = ""
    tenant: str = ""
    hashed: bool = False


class Suspend(Resume, forbid_unknown_fields=True, kw_only=True):
    """Body of a suspension. `until_us` ends it by itself, `running` ends streams that run.

    With `requests_per_minute`, a tenant is slowed down only.
    """

    until_us: int | None = None
    running: bool = False
    requests_per_minute: Positive | None = None


class CreateKey(KeyTerms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Body of a call that makes a key: of one `tenant`, or to `act_for` many."""

    reason: Reason


class RotateKey(Struct, forbid_unknown_fields=True):
    """Body of a call that gives a key a new text; the one before stays good for a while."""

    reason: Reason
    overlap_s: float = 86_400.0


def read_body(visit: Visit, kind: type[_Body]) -> _Body:
    """Read what was posted. Raises `InvalidRequest` if it is not as described."""
    try:
        return msgspec.json.decode(visit.body, type=kind)
    except msgspec.DecodeError as exc:
        raise InvalidRequest(f"the body cannot be read: {exc}; see openapi.json") from None


async def list_suspensions(visit: Visit) -> object:
    """List what is suspended or slowed down."""
    snapshot = await visit.console.control.snapshot()
    return {
        "suspensions": [
            {**scope._asdict(), "suspension": suspension}
            for scope, suspension in sorted(snapshot.suspensions.items(), key=lambda it: it[0])
        ]
    }


async def suspend(visit: Visit) -> object:
    """Throw the kill switch of anything."""
    body = read_body(visit, Suspend)
    suspension = Suspension(
        reason=body.reason,
        until_us=body.until_us,
        running=body.running,
        requests_per_minute=body.requests_per_minute,
    )
    return await visit.console.switches.suspend(
        _scope(visit, body), suspension, author=visit.author, source=visit.source
    )


async def resume(visit: Visit) -> object:
    """Take a suspension back."""
    body = read_body(visit, Resume)
    return await visit.console.switches.resume(
        _scope(visit, body), reason=body.reason, author=visit.author, source=visit.source
    )


async def list_keys(visit: Visit) -> object:
    """List keys."""
    await visit.console.audit.keys(author=visit.author, source=visit.source)
    return {"keys": [_shown(key) for key in keys_of(await visit.console.control.state())]}


async def create_key(visit: Visit) -> object:
    """Make a key; its text is shown this once."""
    body = read_body(visit, CreateKey)
    terms = {name: value for name, value in asdict(body).items() if name != "reason"}
    made = await visit.console.keyring.create(
        KeyTerms(**terms), reason=body.reason, author=visit.author, source=visit.source
    )
    return _made(made)


async def rotate_key(visit: Visit) -> object:
    """Give a key a new text; it is shown this once."""
    body = read_body(visit, RotateKey)
    made = await visit.console.keyring.rotate(
        visit.param("id"),
        overlap_s=body.overlap_s,
        reason=body.reason,
        author=visit.author,
        source=visit.source,
    )
    return _made(made)


async def revoke_key(visit: Visit) -> object:
    """Revoke a key."""
    body = read_body(visit, Because)
    return await visit.console.keyring.revoke(
        visit.param("id"), reason=body.reason, author=visit.author, source=visit.source
    )


def _scope(visit: Visit, body: Resume) -> Scope:
    if body.kind is ScopeKind.SITE:
        return WHOLE_SITE
    if not body.name or (body.kind in OF_A_TENANT) is not bool(body.tenant):
        raise InvalidRequest(
            "name what is meant in `name`, and a `tenant` for features and users alone",
            param="name",
        )
    if body.kind is ScopeKind.USER and not body.hashed:
        name = visit.console.user_hash(body.tenant, body.name)
        return Scope(body.kind, name, body.tenant)
    return Scope(body.kind, body.name, body.tenant)


def _made(made: NewKey) -> dict[str, str]:
    return {"id": made.id, "key": made.text}


def _shown(key: Key) -> dict[str, object]:
    shown = {name: value for name, value in asdict(key).items() if name not in _SECRET}
    until_us = None if key.retiring is None else key.retiring.until_us
    return {**shown, "retiring_until_us": until_us}
