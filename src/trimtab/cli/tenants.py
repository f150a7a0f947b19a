"""`trimtab tenants`: who pays, and their kill switch."""

import asyncio
import re
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options, reason_option, span_option
from trimtab.cli.output import print_listing
from trimtab.cli.switch import add_switch, status, throw, until_us
from trimtab.control.snapshot import Snapshot
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Tenant

_RATE = re.compile(r"([1-9][0-9]{0,6})/min")


class Rate(click.ParamType[int]):
    """So many requests a minute, as `10/min`."""

    name = "rate"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read it."""
        match = _RATE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no rate; write it as 10/min", param, ctx)
        return int(match[1])


@click.group()
def command() -> None:
    """List, slow down, suspend and resume tenants."""


@command.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List tenants with their tier and whether they are suspended.

    Example: trimtab tenants list
    """
    snapshot = asyncio.run(wiring.control(home).snapshot())
    now_us = wiring.now_us()
    tenants = [snapshot.tenants[name] for name in sorted(snapshot.tenants)]
    print_listing(
        {"tenants": [_document(snapshot, tenant, now_us) for tenant in tenants]},
        tenants,
        {
            "tenant": lambda it: it.id,
            "tier": lambda it: it.tier,
            "timezone": lambda it: it.timezone,
            "keys": lambda it: str(_keys(snapshot, it)),
            "status": lambda it: status(_switch(snapshot, it), now_us),
        },
        empty="no tenants yet; run `trimtab up`, or add some to trimtab.yaml",
        as_json=as_json,
    )


@command.command()
@click.argument("tenant")
@click.argument("rate", type=Rate())
@reason_option
@span_option
@common_options
def throttle(
    tenant: str, rate: int, reason: str, span_s: float | None, home: Path, *, as_json: bool
) -> None:
    """Slow a tenant down to so many requests a minute; `resume` restores its own limit.

    Example: trimtab tenants throttle acme 10/min --reason "runaway agent"
    """
    suspension = Suspension(reason=reason, until_us=until_us(span_s), requests_per_minute=rate)
    scope = Scope(ScopeKind.TENANT, tenant)
    throw(scope, suspension, home, f"throttled tenant {tenant} to {rate}/min", as_json=as_json)


add_switch(command, ScopeKind.TENANT)


def _keys(snapshot: Snapshot, tenant: Tenant) -> int:
    return sum(
        grant.tenant.id == tenant.id and not grant.key.revoked for grant in snapshot.grants.values()
    )


def _switch(snapshot: Snapshot, tenant: Tenant) -> Suspension | None:
    own = snapshot.suspensions.get(Scope(ScopeKind.TENANT, tenant.id))
    return snapshot.suspensions.get(WHOLE_SITE, own)


def _document(snapshot: Snapshot, tenant: Tenant, now_us: int) -> dict[str, object]:
    suspension = _switch(snapshot, tenant)
    is_on = suspension is not None and suspension.is_on(now_us)
    is_stopped = suspension is not None and suspension.stops(now_us)
    return {
        "tenant": tenant.id,
        "tier": tenant.tier,
        "timezone": tenant.timezone,
        "keys": _keys(snapshot, tenant),
        "suspended": is_stopped,
        "throttled": is_on and not is_stopped,
        "suspension": suspension,
    }
