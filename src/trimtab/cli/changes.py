"""`trimtab changes`: everything that decided how requests behave, and taking it back."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options, limit_option, reason_option
from trimtab.cli.output import (
    author,
    change_document,
    instant,
    print_change,
    print_json,
    print_listing,
)
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.errors import InvalidRequest

BROKEN = 1


@click.group()
def command() -> None:
    """Show, undo and verify what was changed."""


@command.command(name="list")
@click.option("--pointer", help="Only what moved this, as model/chat or tenant/acme.")
@click.option("--before", type=click.IntRange(min=1), help="Only changes below this number.")
@limit_option(10_000, "Most changes to list.")
@common_options
def list_(
    pointer: str | None, before: int | None, limit: int, home: Path, *, as_json: bool
) -> None:
    """List changes, newest first.

    Example: trimtab changes list --pointer model/chat
    """
    control = wiring.control(home)
    where = None if pointer is None else _pointer(pointer)
    changes = asyncio.run(control.history(pointer=where, before=before, limit=limit))
    print_listing(
        {"changes": [change_document(change) for change in changes]},
        changes,
        {
            "seq": lambda it: str(it.seq),
            "when": lambda it: instant(it.ts_us),
            "did": _verb,
            "pointer": lambda it: str(it.pointer),
            "who": lambda it: f"{it.author} ({it.source})",
            "why": lambda it: it.reason,
        },
        empty="nothing was changed yet; run `trimtab up`",
        as_json=as_json,
    )


@command.command()
@click.argument("seq", type=click.IntRange(min=1))
@reason_option
@common_options
def undo(seq: int, reason: str, home: Path, *, as_json: bool) -> None:
    """Append the inverse of a change, if nothing moved its pointer since.

    Example: trimtab changes undo 418 --reason "answers got worse"
    """
    control = wiring.control(home)
    change = asyncio.run(control.undo(seq, reason=reason, author=author(), source=Source.CLI))
    print_change(f"undid change {seq}: {change.pointer} is as before", change, as_json=as_json)


@command.command()
@common_options
def verify(home: Path, *, as_json: bool) -> None:
    """Walk the hash chain: whoever edited the log shows. Exits 1 if it is broken.

    Example: trimtab changes verify
    """
    found = asyncio.run(wiring.control(home).verify())
    if as_json:
        whole = found.fault is None
        print_json({"whole": whole, "seq": found.seq, "hash": found.hash, "fault": found.fault})
    elif found.fault is None:
        click.echo(f"whole   {found.seq} changes   last hash {found.hash or '-'}")
    else:
        click.echo(f"BROKEN after change {found.seq}: {found.fault}")
        click.echo("restore the control store from a backup taken before, and find who wrote to it")
    raise SystemExit(0 if found.fault is None else BROKEN)


def _pointer(text: str) -> Pointer:
    kind, slash, name = text.partition("/")
    if kind not in list(PointerKind) or not slash or not name:
        raise InvalidRequest(
            f"{text!r} is no pointer; write KIND/NAME with one of {', '.join(PointerKind)}"
        )
    return Pointer(PointerKind(kind), name)


def _verb(change: Change) -> str:
    if change.before is None:
        return "create"
    return "remove" if change.after is None else "change"
