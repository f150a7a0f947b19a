"""`trimtab audit`: who read what people wrote."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.output import instant, print_json, print_table
from trimtab.cli.switch import home_option, json_option


@click.group()
def command() -> None:
    """Show who read content, or the list of keys."""


@command.command(name="list")
@click.option("--before", type=click.IntRange(min=1), help="Only rows below this number.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Most rows to list.",
)
@home_option
@json_option
def list_(before: int | None, limit: int, home: Path | None, *, as_json: bool) -> None:
    """List who read what, newest first: each row was written before anything was shown.

    What was changed, and whether the change log is whole, `trimtab changes` tells.

    Example: trimtab audit list --limit 20
    """
    log = wiring.audit(wiring.home(home)).log
    found = asyncio.run(log.readings(before=before, limit=limit))
    if as_json:
        print_json({"readings": found})
        return
    rows = [
        [
            str(it.seq),
            instant(it.ts_us),
            f"{it.author} ({it.source})",
            it.what,
            it.tenant_id or "-",
            it.request_id or "-",
        ]
        for it in found
    ]
    print_table(
        ["seq", "when", "who", "what", "tenant", "request"],
        rows,
        empty="nobody has read anything yet; `trimtab trace ID --content` would be a row",
    )
