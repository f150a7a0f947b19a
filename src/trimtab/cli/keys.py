"""`trimtab keys`: credentials of tenants."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import Span, common_options, config_option, reason_option, words
from trimtab.cli.output import (
    author,
    change_document,
    instant,
    print_done,
    print_json,
    print_listing,
)
from trimtab.cli.switch import add_switch, status
from trimtab.control.keyring import Keyring, find_key, keys_of
from trimtab.control.snapshot import Suspensions
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.ids import TenantId
from trimtab.domain.keys import NewKey
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.domain.tenant import Key, KeyRight, KeyTerms
from trimtab.wiring import encryption

_RIGHTS = click.Choice([right.value for right in KeyRight])


@click.group()
def command() -> None:
    """Make, list, rotate, suspend and revoke keys. Only hashes are kept; a key is shown once."""


@command.command()
@click.option("--tenant", help="Who pays.")
@click.option("--act-for", help="Tenants that requests may name instead, as acme,globex or '*'.")
@click.option("--new-tenant-tier", help="With --act-for: the tier of a tenant never seen.")
@click.option("--name", required=True, help="What the key is for, as my-app.")
@click.option("--models", help="Narrow the tenant's list to these, as chat,chat-small.")
@click.option("--may", type=_RIGHTS, multiple=True, help="A right of the key; may be repeated.")
@click.option(
    "--no-trace-context",
    is_flag=True,
    help="Link to traces of callers, and never join them: for keys that browsers have.",
)
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), help="Last day it works (UTC), as 2027-01-31."
)
@click.option("--reason", default="made with trimtab keys create", help="Why, for the change log.")
@common_options
def create(
    *,
    tenant: str | None,
    act_for: str | None,
    new_tenant_tier: str | None,
    name: str,
    models: str | None,
    may: tuple[str, ...],
    no_trace_context: bool,
    expires: datetime | None,
    reason: str,
    home: Path,
    as_json: bool,
) -> None:
    """Make a key of a tenant, or of a backend that acts for many, and show it this once.

    Example: trimtab keys create --tenant acme --name my-app --models chat
    """
    terms = KeyTerms(
        name=name,
        tenant=None if tenant is None else TenantId(tenant),
        models=None if models is None else words(models),
        expires_us=None if expires is None else _end_us(expires),
        may=tuple(KeyRight(right) for right in dict.fromkeys(may)),
        act_for=words(act_for or ""),
        new_tenant_tier=new_tenant_tier,
        trust_trace_context=not no_trace_context,
    )
    keyring = wiring.keyring(home)

    async def run() -> None:
        made = await keyring.create(terms, reason=reason, author=author(), source=Source.CLI)
        whose = f"tenant {tenant}" if tenant else "many tenants"
        await _show(keyring, made, f"made key {made.id} of {whose}", as_json=as_json)

    asyncio.run(run())


@command.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List keys, without what opens anything; the audit notes it.

    Example: trimtab keys list
    """
    control = wiring.control(home)
    audit = wiring.audit(home)
    asyncio.run(audit.keys(author=author(), source=Source.CLI))
    now_us = wiring.now_us()
    snapshot = asyncio.run(control.snapshot())
    keys = keys_of(asyncio.run(control.state()))
    print_listing(
        {"keys": [_document(key, snapshot.suspensions, now_us) for key in keys]},
        keys,
        {
            "id": lambda it: it.id,
            "name": lambda it: it.name,
            "tenant": lambda it: it.tenant or f"acts for {', '.join(it.act_for)}",
            "models": lambda it: "as the tenant" if it.models is None else ", ".join(it.models),
            "expires": lambda it: "-" if it.expires_us is None else instant(it.expires_us),
            "status": lambda it: _status(it, snapshot.suspensions, now_us),
        },
        empty="no keys yet; make one with `trimtab keys create --tenant T --name N`",
        as_json=as_json,
    )


@command.command()
@click.argument("key")
@click.option(
    "--overlap", type=Span(), default="24h", help="How long the text before stays good, as 24h."
)
@reason_option
@common_options
def rotate(key: str, overlap: float, reason: str, home: Path, *, as_json: bool) -> None:
    """Give a key a new text, by its id or name, and show it this once.

    Example: trimtab keys rotate my-app --overlap 24h --reason "quarterly"
    """
    keyring = wiring.keyring(home)

    async def run() -> None:
        made = await keyring.rotate(
            key, overlap_s=overlap, reason=reason, author=author(), source=Source.CLI
        )
        old = find_key(await keyring.control.state(), made.id).retiring
        end = "has ended" if old is None else f"is good until {instant(old.until_us)}"
        done = f"rotated key {made.id}; its text before {end}"
        await _show(keyring, made, done, as_json=as_json)

    asyncio.run(run())


@command.command()
@click.argument("key")
@reason_option
@common_options
def revoke(key: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Revoke a key for good, by its id (the 12 characters after `tt_..._`) or name.

    Example: trimtab keys revoke 7hq2m9xkd4wp --reason "leaked in a log"
    """
    keyring = wiring.keyring(home)
    change = asyncio.run(keyring.revoke(key, reason=reason, author=author(), source=Source.CLI))
    if as_json:
        print_json({"change": change_document(change)})
    else:
        click.echo(f"revoked key {change.pointer.name}   change {change.seq}")
        click.echo("a revoked key stays so; make another with `trimtab keys create`")


@command.command()
@config_option
@click.option("--from", "before", required=True, help="Where the master key before is, env:NAME.")
@common_options
def rewrap(config: Path | None, before: str, home: Path, *, as_json: bool) -> None:
    """Wrap the keys of sealed content under the master key of the file; content stays as it is.

    Example: trimtab keys rewrap --from env:OLD_MASTER_KEY
    """
    moved = encryption.rewrap(home, wiring.load_settings(config), before)
    if as_json:
        print_json({"rewrapped": moved})
    else:
        click.echo(f"{moved} content keys are under the new master key; restart what runs")


add_switch(command, ScopeKind.KEY)


async def _show(keyring: Keyring, made: NewKey, done: str, *, as_json: bool) -> None:
    """Show the text of a key, once."""
    (change,) = await keyring.control.history(pointer=Pointer(PointerKind.KEY, made.id), limit=1)
    if as_json:
        key = find_key(await keyring.control.state(), made.id)
        shown = {"key": made.text, "id": made.id, "tenant": key.tenant, "name": key.name}
        print_json({**shown, "change": change_document(change)})
        return
    click.echo(f"{made.text}\n\nThis is the only time it is shown.")
    print_done(done, change)


def _end_us(day: datetime) -> int:
    """Give the first instant after a day, UTC, in microseconds since the epoch."""
    return round((day.replace(tzinfo=UTC) + timedelta(days=1)).timestamp()) * 1_000_000


def _status(key: Key, suspensions: Suspensions, now_us: int) -> str:
    if key.revoked:
        return "revoked"
    if key.expires_us is not None and key.expires_us <= now_us:
        return "expired"
    return status(suspensions.get(Scope(ScopeKind.KEY, key.id)), now_us)


def _document(key: Key, suspensions: Suspensions, now_us: int) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "act_for": key.act_for,
        "new_tenant_tier": key.new_tenant_tier,
        "models": key.models,
        "may": key.may,
        "expires_us": key.expires_us,
        "retiring_until_us": None if key.retiring is None else key.retiring.until_us,
        "status": _status(key, suspensions, now_us),
    }
