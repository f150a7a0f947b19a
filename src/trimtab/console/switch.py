"""The kill switch of a tenant, a key or the whole site: who is stopped, why, and for how long."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.changes import read_seq
from trimtab.console.overview import HOUR_US, traffic
from trimtab.control.keyring import find_key
from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.change import read_reason
from trimtab.domain.errors import ChangeConflict, InvalidRequest, NotFound, TryLater
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Key, Tenant
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.sums import SeriesPoint

HOURS = (("1", "for 1 hour"), ("4", "for 4 hours"), ("24", "for 24 hours"))
PERIODS = (("", "until resumed"), *HOURS)
MAX_DIGITS = 7
FEATURES_OF = 50


@dataclass(frozen=True, slots=True)
class Subject:
    """What a switch is about, and who is concerned.

    Attributes:
        title: What people call it.
        place: Name of the page it is listed on.
        path: Path of the switch's own pages, without the verb.
    """

    scope: Scope
    title: str
    place: str
    path: str
    grants: tuple[Grant, ...]
    tenant: Tenant | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class SwitchForms:
    """The forms that throw the switches of one kind, and take them back."""

    kind: ScopeKind
    place: str

    async def ask_suspend(self, visit: Visit) -> Response:
        """Show who a suspension would stop, and ask why."""
        return await self._ask(visit, "suspend")

    async def ask_throttle(self, visit: Visit) -> Response:
        """Show who would be slowed down, and ask how far and why."""
        return await self._ask(visit, "throttle")

    async def ask_resume(self, visit: Visit) -> Response:
        """Show who may call again, and ask why."""
        return await self._ask(visit, "resume")

    async def suspend(self, visit: Visit) -> Response:
        """Throw the switch."""
        return await self._throw(visit, "suspend")

    async def throttle(self, visit: Visit) -> Response:
        """Let only so many requests a minute pass."""
        return await self._throw(visit, "throttle")

    async def resume(self, visit: Visit) -> Response:
        """Take a suspension back: the one that the visitor saw."""
        subject = await self._subject(visit)
        try:
            change = await visit.console.switches.resume(
                subject.scope,
                reason=read_reason(visit.form.get("reason", "")),
                author=visit.author,
                source=visit.source,
                expected_seq=read_seq(visit.form.get("seq", "")),
            )
        except (ChangeConflict, InvalidRequest) as exc:
            return await self._ask(visit, "resume", str(exc))
        return see_other(f"/console/{self.place}?done={change.seq}")

    async def _throw(self, visit: Visit, verb: str) -> Response:
        subject = await self._subject(visit)
        try:
            change = await visit.console.switches.suspend(
                subject.scope, _suspension(visit, verb), author=visit.author, source=visit.source
            )
        except InvalidRequest as exc:
            return await self._ask(visit, verb, str(exc))
        return see_other(f"/console/{self.place}?done={change.seq}")

    async def _ask(self, visit: Visit, verb: str, problem: str = "") -> Response:
        console, subject = visit.console, await self._subject(visit)
        # The kill switch must not depend on figures.
        points: Sequence[SeriesPoint] = ()
        features: Sequence[tuple[str, int]] = ()
        away = ""
        try:
            points = await _series(console, subject)
            features = await _features(console, subject)
        except TryLater as exc:
            away = str(exc)
        entry = (await console.control.state()).get(subject.scope.pointer)
        context = {
            "away": away,
            "verb": verb,
            "subject": subject,
            "suspension": None if entry is None else entry.value,
            "seq": None if entry is None else entry.change.seq,
            "features": features,
            "traffic": None if subject.key else traffic(points),
            "periods": PERIODS,
            "problem": problem,
        }
        return visit.page("switch.html", context, status=400 if problem else 200)

    async def _subject(self, visit: Visit) -> Subject:
        control = visit.console.control
        snapshot = await control.snapshot()
        if self.kind is ScopeKind.SITE:
            path = "/console/site"
            return Subject(WHOLE_SITE, "every tenant", self.place, path, _grants(snapshot))
        scope = Scope(self.kind, visit.param("id"))
        path = f"/console/{self.place}/{scope.name}"
        if self.kind is ScopeKind.KEY:
            key = find_key(await control.state(), scope.name)
            grants = tuple(it for it in _grants(snapshot) if it.key.id == key.id)
            return Subject(scope, f"key {key.name}", self.place, path, grants, key=key)
        tenant = {str(name): it for name, it in snapshot.tenants.items()}.get(scope.name)
        if tenant is None:
            raise NotFound(f"no tenant is called '{scope.name}'; look at the list of tenants")
        grants = tuple(it for it in _grants(snapshot) if it.tenant.id == tenant.id)
        return Subject(scope, tenant.id, self.place, path, grants, tenant=tenant)


TENANTS = SwitchForms(ScopeKind.TENANT, "tenants")
KEYS = SwitchForms(ScopeKind.KEY, "keys")
SITE = SwitchForms(ScopeKind.SITE, "tenants")


def _suspension(visit: Visit, verb: str) -> Suspension:
    """Read what is to be thrown.

    Raises:
        InvalidRequest: a field holds what it cannot.
    """
    form = visit.form
    rate = form.get("rate", "")
    until_us = read_until(form.get("hours", ""), visit.console.clock.now_us())
    is_rate = rate.isascii() and rate.isdigit() and len(rate) <= MAX_DIGITS and int(rate) > 0
    if verb == "throttle" and not is_rate:
        raise InvalidRequest("the rate is a whole number above 0; write how many a minute pass")
    return Suspension(
        reason=form.get("reason", ""),
        until_us=until_us,
        running=verb == "suspend" and form.get("running") == "yes",
        requests_per_minute=int(rate) if verb == "throttle" else None,
    )


def read_until(hours: str, now_us: int) -> int | None:
    """Read how long something shall last, as the instant at which it ends; `None` is for ever.

    Raises:
        InvalidRequest: the form does not offer that.
    """
    if hours and hours not in dict(HOURS):
        raise InvalidRequest(f"'{hours}' is not a period; choose one of the list", param="hours")
    return now_us + int(hours) * HOUR_US if hours else None


async def _series(console: Console, subject: Subject) -> Sequence[SeriesPoint]:
    now_us = console.clock.now_us()
    return await console.rollups.series(
        since_us=now_us - HOUR_US,
        until_us=now_us,
        tenant_id=subject.tenant.id if subject.tenant else None,
    )


async def _features(console: Console, subject: Subject) -> Sequence[tuple[str, int]]:
    """Name what of the product runs now: features of its last 50 requests this hour."""
    where = RecordFilter(
        tenant_id=subject.tenant.id if subject.tenant else None,
        key_id=subject.key.id if subject.key else None,
        since_us=console.clock.now_us() - HOUR_US,
    )
    records = await console.records.page(where, limit=FEATURES_OF)
    return Counter(record.feature for record in records).most_common()


def _grants(snapshot: Snapshot) -> tuple[Grant, ...]:
    return tuple(grant for grant in snapshot.grants.values() if not grant.key.revoked)
