"""One alert: what happened, what explains it, what can be done, who was told, and silences."""

from collections.abc import Mapping

from starlette.responses import Response

from trimtab.console.alerts import Row, alert_path
from trimtab.console.base import Visit, see_other
from trimtab.console.overview import HOUR_US
from trimtab.console.tenants import state_of as switch_state_of
from trimtab.console.tenants import switch_on
from trimtab.console.told import told_of
from trimtab.control.snapshot import Snapshot
from trimtab.domain.alert import SITE, Alert, Finding, Rule, Silence
from trimtab.domain.change import read_reason
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.ids import KeyId
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.store.alerts import state_of

SPANS = (
    ("1", "for 1 hour"),
    ("4", "for 4 hours"),
    ("24", "for 24 hours"),
    ("168", "for 7 days"),
)
"""How long nobody may be told, in hours; not longer, for what is silent is forgotten."""

WHY: Mapping[Rule, str] = {
    Rule.SPEND_3X_28D: "The day is over, and cost several times the mean of the 28 days before. It"
    " is a line of the report, and wakes nobody.",
    Rule.SPEND_SPIKE: "The day is over, and cost several times what its month and its weekday"
    " usually do, more than any of 28 days.",
    Rule.SPEND_RATE: "Two hours running cost several times what this hour of the week usually does,"
    " or one hour took a quarter of a monthly budget. It goes on until somebody stops it.",
    Rule.BUDGET_FORECAST: "At the present pace the budget is empty before its time is over; what"
    " then becomes of requests, the budget says.",
    Rule.BUDGET_THRESHOLD: "A part of the budget that its notices name is spent. Nothing is refused"
    " before it is empty.",
    Rule.LOOP: "The same was asked again and again within minutes, or each call reads more than the"
    " one before. A program that calls in a circle looks so.",
    Rule.ZERO_COST: "Tokens were booked as free, though the list has a price for them. Look at the"
    " requests, then at prices.overrides.",
    Rule.USAGE_INCONSISTENT: "The provider's token counts contradict each other; the dearer reading"
    " was booked. Reconcile shows what it bills.",
    Rule.PRICE_UNKNOWN: "Nobody knows what these requests cost, so no budget counts them. Add the"
    " price under prices.overrides and apply the file.",
}
"""Why each rule raises an alert, and where to look."""


async def show(visit: Visit, problem: str = "") -> Response:
    """Show the alert."""
    console, now_us = visit.console, visit.console.clock.now_us()
    alert = await _found(visit)
    notices = [it for it in await console.alerts.notices() if it.alert_id == alert.id]
    told = told_of(notices, await console.alerts.outcomes([alert.id]))
    snapshot = await console.control.snapshot()
    finding = alert.finding
    suspension = switch_on(snapshot, Scope(ScopeKind.TENANT, finding.tenant_id), now_us)
    context = {
        "row": Row(alert, state_of(alert, now_us), told.get(alert.id, ())),
        "why": WHY[finding.rule],
        "requests": _requests(finding),
        "is_known": finding.tenant_id in {str(it) for it in snapshot.tenants},
        "is_site": finding.tenant_id == SITE,
        "key_id": key_of(finding, snapshot),
        "suspension": suspension,
        "switch": switch_state_of(suspension),
        "spans": SPANS,
        "problem": problem,
    }
    return visit.page("alert.html", context, status=400 if problem else 200)


async def silence(visit: Visit) -> Response:
    """Tell nobody for a while."""
    return await _silence(visit, until_us=None)


async def tell_again(visit: Visit) -> Response:
    """End a silence; who did and why stays with the alert."""
    return await _silence(visit, until_us=visit.console.clock.now_us())


async def _silence(visit: Visit, until_us: int | None) -> Response:
    alert = await _found(visit)
    try:
        kept = Silence(
            until_us=_until_us(visit) if until_us is None else until_us,
            author=visit.author,
            reason=read_reason(visit.form.get("reason", "")),
        )
    except InvalidRequest as exc:
        return await show(visit, str(exc))
    await visit.console.alerts.silence(alert.id, kept)
    return see_other(alert_path(alert.id))


def _until_us(visit: Visit) -> int:
    hours = visit.form.get("hours", "")
    if hours not in dict(SPANS):
        raise InvalidRequest(f"'{hours}' is no period; choose one of the list", param="hours")
    return visit.console.clock.now_us() + int(hours) * HOUR_US


async def _found(visit: Visit) -> Alert:
    alert_id = visit.param("id")
    found = await visit.console.alerts.find(alert_id)
    if found is None:
        raise NotFound(f"there is no alert '{alert_id}'; look at the list of alerts")
    return found


def key_of(finding: Finding, snapshot: Snapshot) -> str | None:
    """Find the key that a subject names at its end, if there is such a key."""
    _, is_named, name = finding.subject.rpartition("key ")
    known = {grant.key.id for grant in snapshot.grants.values() if not grant.key.revoked}
    return name if is_named and KeyId(name) in known else None


def _requests(finding: Finding) -> str:
    """Write the filter that shows what it is about."""
    tenant = "" if finding.tenant_id == SITE else finding.tenant_id
    words = (("tenant", tenant), ("feature", finding.feature), ("model", finding.model))
    return " ".join(f"{name}:{value}" for name, value in words if value.split() == [value])
