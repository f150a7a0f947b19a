"""`trimtab tenants`: who pays, and their kill switch."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.output import author, change_document, instant, print_done, print_json, print_table
from trimtab.control.snapshot import Snapshot
from trimtab.domain.change import Change, Source
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import Suspension, Tenant

_home = click.option("--home", type=click.Path(path_type=Path), help="State directory.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_reason = click.option("--reason", required=True, help="Why, for the change log.")


@click.group()
def command() -> None:
    """List, suspend and resume tenants."""


@command.command(name="list")
@_home
@_json
def list_(home: Path | None, *, as_json: bool) -> None:
    """List tenants with their tier and whether they are suspended.

    Example: trimtab tenants list
    """
    snapshot = asyncio.run(wiring.control(wiring.home(home)).snapshot())
    now_us = round(wiring.now().timestamp() * 1e6)
    tenants = [snapshot.tenants[name] for name in sorted(snapshot.tenants)]
    if as_json:
        print_json({"tenants": [_document(snapshot, tenant, now_us) for tenant in tenants]})
        return
    rows = [
        [
            tenant.id,
            tenant.tier,
            tenant.timezone,
            str(_keys(snapshot, tenant)),
            _status(snapshot.suspensions.get(tenant.id), now_us),
        ]
        for tenant in tenants
    ]
    print_table(
        ["tenant", "tier", "timezone", "keys", "status"],
        rows,
        empty="no tenants yet; run `trimtab up`, or add some to trimtab.yaml",
    )


@command.command()
@click.argument("tenant")
@_reason
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="End by itself.")
@_home
@_json
def suspend(
    tenant: str, reason: str, hours: float | None, home: Path | None, *, as_json: bool
) -> None:
    """Throw the kill switch: no worker admits a request of the tenant a moment later.

    Example: trimtab tenants suspend acme --reason "runaway agent" --hours 4
    """
    control = wiring.control(wiring.home(home))
    until_us = None
    if hours is not None:
        until_us = round((wiring.now().timestamp() + hours * 3600) * 1e6)
    change = asyncio.run(
        control.suspend_tenant(
            TenantId(tenant),
            reason=reason,
            author=author(),
            source=Source.CLI,
            until_us=until_us,
        )
    )
    end = "" if until_us is None else f" until {instant(until_us)}"
    _print(f"suspended tenant {tenant}{end}", change, as_json=as_json)


@command.command()
@click.argument("tenant")
@_reason
@_home
@_json
def resume(tenant: str, reason: str, home: Path | None, *, as_json: bool) -> None:
    """Let a suspended tenant in again.

    Example: trimtab tenants resume acme --reason "agent fixed"
    """
    control = wiring.control(wiring.home(home))
    change = asyncio.run(
        control.resume_tenant(TenantId(tenant), reason=reason, author=author(), source=Source.CLI)
    )
    _print(f"resumed tenant {tenant}", change, as_json=as_json)


def _print(what: str, change: Change, *, as_json: bool) -> None:
    if as_json:
        print_json({"change": change_document(change)})
    else:
        print_done(what, change)


def _keys(snapshot: Snapshot, tenant: Tenant) -> int:
    return sum(
        grant.tenant.id == tenant.id and not grant.key.revoked for grant in snapshot.grants.values()
    )


def _status(suspension: Suspension | None, now_us: int) -> str:
    if suspension is None or (suspension.until_us is not None and suspension.until_us <= now_us):
        return "active"
    end = "" if suspension.until_us is None else f" until {instant(suspension.until_us)}"
    return f"suspended{end}: {suspension.reason}"


def _document(snapshot: Snapshot, tenant: Tenant, now_us: int) -> dict[str, object]:
    suspension = snapshot.suspensions.get(tenant.id)
    return {
        "tenant": tenant.id,
        "tier": tenant.tier,
        "timezone": tenant.timezone,
        "keys": _keys(snapshot, tenant),
        "suspended": _status(suspension, now_us) != "active",
        "suspension": suspension,
    }
