"""The kill switches: each throw of one is a change, with a reason and an undo."""

from dataclasses import dataclass

from msgspec.structs import replace

from trimtab.control.changes import Control
from trimtab.control.keyring import expect, find_key
from trimtab.control.snapshot import Snapshot
from trimtab.domain.change import Change, Source, read_reason
from trimtab.domain.clock import END_OF_TIME_US, Clock
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.suspension import OF_A_TENANT, Scope, ScopeKind, Suspension
from trimtab.domain.tenant import NAME

MAX_PER_MINUTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Switches:
    """Throws kill switches, and takes them back."""

    control: Control
    clock: Clock

    async def suspend(
        self, scope: Scope, suspension: Suspension, *, author: str, source: Source
    ) -> Change:
        """Throw the switch of a scope; thrown so already, give the change that did it.

        Raises:
            NotFound: there is no such thing to stop.
            InvalidRequest: it would be over already, or only slow down what can only be stopped.
        """
        snapshot = await self.control.snapshot()
        scope = await self._known(scope, snapshot)
        now_us, end_us = self.clock.now_us(), suspension.until_us
        if end_us is not None and not now_us < end_us < END_OF_TIME_US:
            raise InvalidRequest(
                "the suspension would be over already, or end after the year 9999; choose another"
                " end, in microseconds since 1970"
            )
        if suspension.requests_per_minute is not None:
            _check_throttle(scope, suspension, snapshot.suspensions.get(scope), now_us)
        reason = read_reason(suspension.reason)
        made = await self.control.move(
            scope.pointer,
            replace(suspension, reason=reason),
            reason=reason,
            author=author,
            source=source,
        )
        return made or (await self.control.state())[scope.pointer].change

    async def resume(
        self,
        scope: Scope,
        *,
        reason: str,
        author: str,
        source: Source,
        expected_seq: int | None = None,
    ) -> Change:
        """Take a suspension or a throttle back; with `expected_seq`, only that one.

        Raises:
            NotFound: there is no such thing, or it is not suspended.
            ChangeConflict: it was suspended anew since.
        """
        snapshot = await self.control.snapshot()
        if scope not in snapshot.suspensions:
            scope = await self._known(scope, snapshot)
        made = await self.control.move(
            scope.pointer,
            None,
            reason=reason,
            author=author,
            source=source,
            expected_seq=expected_seq,
        )
        if made is None:
            raise NotFound(f"{scope} is not suspended; there is nothing to resume")
        return made

    async def _known(self, scope: Scope, snapshot: Snapshot) -> Scope:
        """Insist that there is such a thing; a key may be given by its name."""
        if scope.kind in OF_A_TENANT:
            expect(ScopeKind.TENANT, scope.tenant, snapshot.tenants)
        match scope.kind:
            case ScopeKind.TENANT:
                expect(scope.kind, scope.name, snapshot.tenants)
            case ScopeKind.KEY:
                return Scope(scope.kind, find_key(await self.control.state(), scope.name).id)
            case ScopeKind.MODEL if snapshot.model(scope.name) is None:
                expect(scope.kind, scope.name, snapshot.models)
            case ScopeKind.PROVIDER:
                expect(scope.kind, scope.name, snapshot.providers)
            case ScopeKind.FEATURE if NAME.fullmatch(scope.name) is None:
                raise InvalidRequest(
                    f"{scope.name!r} is no name of a feature; use a-z, 0-9, '.', '_' and '-'",
                    param="name",
                )
            case _:
                pass
        return scope


def _check_throttle(
    scope: Scope, throttle: Suspension, now: Suspension | None, now_us: int
) -> None:
    if scope.kind is not ScopeKind.TENANT or throttle.running:
        raise InvalidRequest(f"{scope} cannot be slowed down; suspend it, or throttle its tenant")
    if throttle.requests_per_minute and throttle.requests_per_minute > MAX_PER_MINUTE:
        raise InvalidRequest(f"a throttle lets at most {MAX_PER_MINUTE} requests a minute pass")
    if now is not None and now.stops(now_us):
        raise InvalidRequest(f"{scope} is suspended, and a throttle would let it in; resume it")
