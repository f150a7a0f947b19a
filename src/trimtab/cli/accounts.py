"""`trimtab accounts`: people who may log in to the console."""

import asyncio
import os
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.output import print_json, print_table
from trimtab.console.auth import renew_password
from trimtab.domain.errors import InvalidRequest, NotFound

_home = click.option("--home", type=click.Path(path_type=Path), help="State directory.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """List who may log in to the console, add people, reset passwords."""


@command.command(name="list")
@_home
@_json
def list_(home: Path | None, *, as_json: bool) -> None:
    """List accounts with their roles.

    Example: trimtab accounts list
    """
    found = asyncio.run(wiring.accounts(wiring.home(home)).accounts())
    if as_json:
        print_json({"accounts": [{"name": it.name, "role": it.role} for it in found]})
        return
    rows = [[it.name, it.role] for it in found]
    print_table(["name", "role"], rows, empty="no accounts yet; run `trimtab up`")


@command.command()
@click.argument("name")
@click.option(
    "--role",
    required=True,
    help="One of viewer, editor, operator, admin; '+content' adds reading what people wrote.",
)
@_home
@_json
def create(name: str, role: str, home: Path | None, *, as_json: bool) -> None:
    """Add somebody, and show the password this once.

    Example: trimtab accounts create dana --role operator
    """

    async def run() -> str:
        accounts = wiring.accounts(wiring.home(home))
        if await accounts.account(name) is not None:
            raise InvalidRequest(f"account {name!r} exists; use `trimtab accounts reset {name}`")
        return await renew_password(accounts, name, role, os.urandom)

    _show(name, asyncio.run(run()), as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--role", help="Change the role, too.")
@_home
@_json
def reset(name: str, role: str | None, home: Path | None, *, as_json: bool) -> None:
    """Give somebody a new password, shown this once; whoever is logged in so is logged out.

    Example: trimtab accounts reset admin
    """

    async def run() -> str:
        accounts = wiring.accounts(wiring.home(home))
        known = await accounts.account(name)
        if known is None:
            raise NotFound(f"there is no account {name!r}; look at `trimtab accounts list`")
        return await renew_password(accounts, name, role or known.role, os.urandom)

    _show(name, asyncio.run(run()), as_json=as_json)


def _show(name: str, password: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "password": password})
    else:
        click.echo(f"{name} / {password}   (shown this once; kept hashed)")
