"""`trimtab keys`: credentials of tenants."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.output import author, change_document, instant, print_done, print_json, print_table
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.tenant import Key

_home = click.option("--home", type=click.Path(path_type=Path), help="State directory.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """Make, list and revoke keys. Only hashes are kept; a key is shown once."""


@command.command()
@click.option("--tenant", required=True, help="Who pays.")
@click.option("--name", required=True, help="What the key is for, as my-app.")
@click.option("--models", help="Narrow the tenant's list to these, as chat,chat-small.")
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), help="Last day it works (UTC), as 2027-01-31."
)
@click.option("--reason", default="made with trimtab keys create", help="Why, for the change log.")
@_home
@_json
# one parameter an option
def create(  # noqa: PLR0913
    tenant: str,
    name: str,
    models: str | None,
    expires: datetime | None,
    reason: str,
    home: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make a key of a tenant, and show it this once.

    Example: trimtab keys create --tenant acme --name my-app --models chat
    """
    allowed = None if models is None else tuple(_words(models))
    control = wiring.control(wiring.home(home))

    async def run() -> None:
        made = await control.create_key(
            TenantId(tenant),
            name=name,
            models=allowed,
            expires_us=None if expires is None else _end_us(expires),
            reason=reason,
            author=author(),
            source=Source.CLI,
        )
        (change,) = await control.history(pointer=Pointer(PointerKind.KEY, made.id), limit=1)
        if as_json:
            key = {"key": made.text, "id": made.id, "tenant": tenant, "name": name}
            print_json({**key, "change": change_document(change)})
            return
        click.echo(f"{made.text}\n\nThis is the only time it is shown.")
        print_done(f"made key {made.id} of tenant {tenant}", change)

    asyncio.run(run())


@command.command(name="list")
@_home
@_json
def list_(home: Path | None, *, as_json: bool) -> None:
    """List keys, without what opens anything.

    Example: trimtab keys list
    """
    control = wiring.control(wiring.home(home))
    now_us = round(wiring.now().timestamp() * 1e6)
    state = asyncio.run(control.state())
    keys: list[Key] = [
        entry.value for _, entry in sorted(state.items()) if isinstance(entry.value, Key)
    ]
    if as_json:
        print_json({"keys": [_document(key, now_us) for key in keys]})
        return
    rows = [
        [
            key.id,
            key.name,
            key.tenant,
            ", ".join(key.models) if key.models is not None else "as the tenant",
            "-" if key.expires_us is None else instant(key.expires_us),
            _status(key, now_us),
        ]
        for key in keys
    ]
    print_table(
        ["id", "name", "tenant", "models", "expires", "status"],
        rows,
        empty="no keys yet; make one with `trimtab keys create --tenant T --name N`",
    )


@command.command()
@click.argument("key_id")
@click.option("--reason", required=True, help="Why, for the change log.")
@_home
@_json
def revoke(key_id: str, reason: str, home: Path | None, *, as_json: bool) -> None:
    """Revoke a key by its id: the 12 characters after `tt_..._`.

    Example: trimtab keys revoke 7hq2m9xkd4wp --reason "leaked in a log"
    """
    control = wiring.control(wiring.home(home))
    change = asyncio.run(
        control.revoke_key(KeyId(key_id), reason=reason, author=author(), source=Source.CLI)
    )
    if as_json:
        print_json({"change": change_document(change)})
    else:
        print_done(f"revoked key {key_id}", change)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _end_us(day: datetime) -> int:
    """Give the first instant after a day, UTC, in microseconds since the epoch."""
    return round((day.replace(tzinfo=UTC) + timedelta(days=1)).timestamp()) * 1_000_000


def _status(key: Key, now_us: int) -> str:
    if key.revoked:
        return "revoked"
    return "expired" if key.expires_us is not None and key.expires_us <= now_us else "active"


def _document(key: Key, now_us: int) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "models": key.models,
        "expires_us": key.expires_us,
        "status": _status(key, now_us),
    }
