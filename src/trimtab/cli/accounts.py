"""`trimtab accounts`: people who may log in to the console."""

import asyncio
import os
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import print_json, print_listing
from trimtab.console.auth import renew_password
from trimtab.domain.errors import InvalidRequest, NotFound


@click.group()
def command() -> None:
    """List who may log in to the console, add people, reset passwords."""


@command.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List accounts with their roles.

    Example: trimtab accounts list
    """
    found = asyncio.run(wiring.accounts(home).accounts())
    print_listing(
        {"accounts": [{"name": it.name, "role": it.role} for it in found]},
        found,
        {"name": lambda it: it.name, "role": lambda it: it.role},
        empty="no accounts yet; run `trimtab up`",
        as_json=as_json,
    )


@command.command()
@click.argument("name")
@click.option(
    "--role",
    required=True,
    help="One of viewer, editor, operator, admin; '+content' adds reading what people wrote.",
)
@common_options
def create(name: str, role: str, home: Path, *, as_json: bool) -> None:
    """Add somebody, and show the password this once.

    Example: trimtab accounts create dana --role operator
    """

    async def run() -> str:
        accounts = wiring.accounts(home)
        if await accounts.account(name) is not None:
            raise InvalidRequest(f"account {name!r} exists; use `trimtab accounts reset {name}`")
        return await renew_password(accounts, name, role, os.urandom)

    _show(name, asyncio.run(run()), as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--role", help="Change the role, too.")
@common_options
def reset(name: str, role: str | None, home: Path, *, as_json: bool) -> None:
    """Give somebody a new password, shown this once; whoever is logged in so is logged out.

    Example: trimtab accounts reset admin
    """

    async def run() -> str:
        accounts = wiring.accounts(home)
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
