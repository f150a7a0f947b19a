"""The kill switches: what they keep out, and the streams they end."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from trimtab.control.snapshot import Snapshot, first_stopped
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ModelSuspended, Refused, TenantSuspended
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind
from trimtab.pipeline.handoff import Identified
from trimtab.pipeline.journey import Journey


@dataclass(frozen=True, slots=True)
class Switch:
    """Keeps out what is suspended, and ends the streams of it that run.

    State: the streams that run, each with the task that serves it.

    Attributes:
        user_hash: Gives the hash of a tenant's end user; `None` for nobody.
    """

    clock: Clock
    user_hash: Callable[[str, str | None], str | None]
    _running: dict[Journey, asyncio.Task[Any]] = field(
        default_factory=dict[Journey, asyncio.Task[Any]]
    )

    def check(self, identified: Identified) -> None:
        """Let a request pass, unless who asks is suspended.

        Raises:
            TenantSuspended: a switch is on; one with an end is off after it.
        """
        suspensions = identified.grant.suspensions
        if not suspensions:
            return
        stopped = first_stopped(suspensions, self.scopes(identified), self.clock.now_us())
        if stopped is not None:
            raise refusal(stopped)

    def scopes(self, identified: Identified) -> Iterator[Scope]:
        """Tell what kill switches know who asks by."""
        request, grant = identified.request, identified.grant
        tenant = grant.tenant.id
        yield WHOLE_SITE
        yield Scope(ScopeKind.TENANT, tenant)
        yield Scope(ScopeKind.KEY, grant.key.id)
        yield Scope(ScopeKind.FEATURE, request.feature, tenant)
        user = self.user_hash(tenant, request.end_user)
        if user is not None:
            yield Scope(ScopeKind.USER, user, tenant)

    def enter(self, journey: Journey) -> None:
        """Remember a stream that runs in the current task; what is no stream runs to its end."""
        if not journey.request.stream:
            return
        task = asyncio.current_task()
        if task is not None:
            self._running[journey] = task

    def leave(self, journey: Journey) -> None:
        """Forget a stream: from now on nothing interrupts it."""
        task = self._running.pop(journey, None)
        if task is not None and journey.ended_by is not None:
            task.uncancel()

    def end_running(self, snapshot: Snapshot) -> None:
        """End the streams that a new suspension says to end; their tasks settle them."""
        now_us = self.clock.now_us()
        ending = {scope: it for scope, it in snapshot.suspensions.items() if it.running}
        if not ending:
            return
        for journey, task in self._running.items():
            stopped = first_stopped(ending, self._concerned(journey), now_us)
            if stopped is not None and journey.ended_by is None:
                journey.ended_by = refusal(stopped)
                task.cancel()

    def _concerned(self, journey: Journey) -> Iterator[Scope]:
        if journey.identified is not None:
            yield from self.scopes(journey.identified)
        if journey.planned is not None:
            yield Scope(ScopeKind.MODEL, journey.planned.model.name)
        if journey.tries:
            target = journey.tries[-1].route.target
            yield Scope(ScopeKind.MODEL, str(target).partition("!")[0])
            yield Scope(ScopeKind.PROVIDER, target.provider)


def refusal(scope: Scope) -> Refused:
    """Say that a scope is suspended, and how that is changed."""
    of_model = scope.kind in (ScopeKind.MODEL, ScopeKind.PROVIDER)
    kind = ModelSuspended if of_model else TenantSuspended
    return kind(f"{scope} is suspended; an operator can resume it with `{_resuming(scope)}`")


def _resuming(scope: Scope) -> str:
    if scope.kind is ScopeKind.SITE:
        return "trimtab tenants resume --all"
    name = "USER" if scope.kind is ScopeKind.USER else scope.name
    within = f" --tenant {scope.tenant}" if scope.tenant else ""
    return f"trimtab {scope.kind}s resume {name}{within}"
