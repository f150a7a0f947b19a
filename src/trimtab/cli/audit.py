"""`trimtab audit`: who read what people wrote."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options, limit_option
from trimtab.cli.output import instant, print_listing


@click.group()
def command() -> None:
    """Show who read content, or the list of keys."""


@command.command(name="list")
@click.option("--before", type=click.IntRange(min=1), help="Only rows below this number.")
@limit_option(10_000, "Most rows to list.")
@common_options
def list_(before: int | None, limit: int, home: Path, *, as_json: bool) -> None:
    """List who read what, newest first: each row was written before anything was shown.

    What was changed, and whether the change log is whole, `trimtab changes` tells.

    Example: trimtab audit list --limit 20
    """
    log = wiring.audit(home).log
    found = asyncio.run(log.readings(before=before, limit=limit))
    print_listing(
        {"readings": found},
        found,
        {
            "seq": lambda it: str(it.seq),
            "when": lambda it: instant(it.ts_us),
            "who": lambda it: f"{it.author} ({it.source})",
            "what": lambda it: it.what,
            "tenant": lambda it: it.tenant_id or "-",
            "request": lambda it: it.request_id or "-",
        },
        empty="nobody has read anything yet; `trimtab trace ID --content` would be a row",
        as_json=as_json,
    )
