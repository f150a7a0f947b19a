"""Keys: who holds what, made, rotated and revoked. The text of a key is shown once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.changes import find_change, read_seq
from trimtab.console.overview import DAY_US
from trimtab.console.tenants import state_of, switch_on
from trimtab.control.keyring import find_key, keys_of
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import InvalidRequest, NotFound, SettingsInvalid, TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.keys import NewKey
from trimtab.domain.suspension import Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Key, KeyRight, KeyTerms

PATH = "/console/keys"
USED_DAYS = 30
OVERLAPS = (
    ("24", "for 24 hours"),
    ("1", "for 1 hour"),
    ("168", "for 7 days"),
    ("0", "not at all: it ends now"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One key, with when it was last used.

    Attributes:
        last_day: UTC day on which it still works, if it ends.
        used: Last UTC day with a request, of the last 30; `None` if there was none.
        retiring_us: Until when the text before its rotation is good.
    """

    key: Key
    suspension: Suspension | None
    state: str
    last_day: str | None
    used: str | None
    n: int
    retiring_us: int | None


async def show(visit: Visit) -> Response:
    """List all keys, those that open something first."""
    console = visit.console
    await console.audit.keys(author=visit.author, source=visit.source)
    snapshot = await console.control.snapshot()
    now_us = console.clock.now_us()
    away, used = await _used(console, now_us)
    keys = keys_of(await console.control.state())
    rows = [_row(snapshot, key, used.get(key.id, {}), now_us) for key in keys]
    context = {
        "away": away,
        "rows": sorted(rows, key=lambda row: row.state in ("revoked", "expired")),
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("keys.html", context)


async def ask_create(visit: Visit, problem: str = "") -> Response:
    """Ask what a new key is for."""
    snapshot = await visit.console.control.snapshot()
    context = {
        "form": visit.form,
        "tenants": sorted(snapshot.tenants),
        "tiers": sorted(snapshot.tiers),
        "rights": list(KeyRight),
        "problem": problem,
    }
    return visit.page("key_new.html", context, status=400 if problem else 200)


async def create(visit: Visit) -> Response:
    """Make a key, and show its text."""
    try:
        made = await visit.console.keyring.create(
            _terms(visit.form),
            reason=visit.form.get("reason", ""),
            author=visit.author,
            source=visit.source,
        )
    except (InvalidRequest, NotFound, SettingsInvalid) as exc:
        return await ask_create(visit, str(exc))
    return await _made(visit, made)


async def ask(visit: Visit, problem: str = "", *, verb: str) -> Response:
    """Say what a `verb`, rotate or revoke, does, and ask why."""
    console = visit.console
    snapshot, now_us = await console.control.snapshot(), console.clock.now_us()
    key = find_key(await console.control.state(), visit.param("id"))
    away, used = await _used(console, now_us)
    context = {
        "away": away,
        "verb": verb,
        "row": _row(snapshot, key, used.get(key.id, {}), now_us),
        "overlaps": OVERLAPS,
        "problem": problem,
    }
    return visit.page("key_change.html", context, status=400 if problem else 200)


async def rotate(visit: Visit) -> Response:
    """Give a key a new text, and show it."""
    try:
        made = await visit.console.keyring.rotate(
            visit.param("id"),
            overlap_s=_overlap_s(visit.form.get("overlap", "24")),
            reason=visit.form.get("reason", ""),
            author=visit.author,
            source=visit.source,
        )
    except InvalidRequest as exc:
        return await ask(visit, str(exc), verb="rotate")
    return await _made(visit, made)


async def revoke(visit: Visit) -> Response:
    """Revoke a key for good."""
    try:
        change = await visit.console.keyring.revoke(
            visit.param("id"),
            reason=visit.form.get("reason", ""),
            author=visit.author,
            source=visit.source,
        )
    except InvalidRequest as exc:
        return await ask(visit, str(exc), verb="revoke")
    return see_other(f"{PATH}?done={change.seq}")


def _terms(form: Mapping[str, str]) -> KeyTerms:
    models = _words(form.get("models", ""))
    expires, tenant = form.get("expires", ""), form.get("tenant", "")
    rights = [right for right in KeyRight if form.get(f"may_{right}") == "yes"]
    return KeyTerms(
        name=form.get("name", "").strip(),
        tenant=TenantId(tenant) if tenant else None,
        models=models or None,
        expires_us=_end_us(expires) if expires else None,
        may=tuple(rights),
        act_for=_words(form.get("act_for", "")),
        new_tenant_tier=form.get("new_tenant_tier") or None,
    )


def _overlap_s(hours: str) -> float:
    if hours not in dict(OVERLAPS):
        raise InvalidRequest(f"'{hours}' is not an overlap; choose one of the list")
    return int(hours) * 3600.0


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _end_us(day: str) -> int:
    """Give the first instant after a day, UTC."""
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        return round((start + timedelta(days=1)).timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"'{day}' is no day; write it as 2027-01-31", param="expires"
        ) from None


async def _made(visit: Visit, made: NewKey) -> Response:
    """Show the text of a key: this answer is the only place where it is."""
    key = find_key(await visit.console.control.state(), made.id)
    return visit.page("key_made.html", {"key": key, "text": made.text})


async def _used(console: Console, now_us: int) -> tuple[str, Mapping[str, Mapping[str, int]]]:
    """Count the requests of each key by day, in one question; or say why that cannot be told."""
    end_us = now_us - now_us % DAY_US + DAY_US
    try:
        rows = await console.rollups.costs(
            since_us=end_us - USED_DAYS * DAY_US, until_us=end_us, group_by=("key_id", "day")
        )
    except TryLater as exc:
        return str(exc), {}
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        key_id, day = row.group
        found.setdefault(key_id, {})[day] = row.n
    return "", found


def _row(snapshot: Snapshot, key: Key, used: Mapping[str, int], now_us: int) -> Row:
    suspension = switch_on(snapshot, Scope(ScopeKind.KEY, key.id), now_us)
    state = state_of(suspension)
    if key.revoked:
        state = "revoked"
    elif key.expires_us is not None and key.expires_us <= now_us:
        state = "expired"
    old = key.retiring
    return Row(
        key=key,
        suspension=suspension,
        state=state,
        last_day=None if key.expires_us is None else _day(key.expires_us - 1),
        used=max(used, default=None),
        n=sum(used.values()),
        retiring_us=old.until_us if old is not None and now_us < old.until_us else None,
    )


def _day(ts_us: int) -> str:
    return datetime.fromtimestamp(ts_us // 1_000_000, UTC).date().isoformat()
