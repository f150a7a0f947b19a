"""`trimtab ledger`: whether sums are what the ledger's lines add up to."""

import asyncio
from datetime import date
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import print_json, print_table
from trimtab.domain.errors import SettingsInvalid
from trimtab.store.relational.verify import Difference, days_kept
from trimtab.store.relational.verify import verify as compare

MOST_TOLD = 100


@click.group()
def command() -> None:
    """Check the ledger."""


@command.command()
@click.option("--from", "first", help="First day, as 2026-10-01; the first there is by default.")
@click.option("--to", "last", help="Last day; the last there is by default.")
@common_options
def verify(first: str | None, last: str | None, home: Path, *, as_json: bool) -> None:
    """Add the ledger up anew, and name the sums by hour and day that differ. Then it exits with 1.

    Example: trimtab ledger verify --from 2026-10-01
    """
    days = (_day(it) if it else None for it in (first, last))
    found = asyncio.run(_verify(home, *days))
    if as_json:
        print_json({"differences": [{**it._asdict(), "group": it.group._asdict()} for it in found]})
    else:
        _print(found)
    if found:
        raise SystemExit(1)


async def _verify(home: Path, first: date | None, last: date | None) -> list[Difference]:
    reading = wiring.records(home)
    kept = await days_kept(reading)
    if kept is None:
        return []
    return await compare(reading, first or kept[0], last or kept[1])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise SettingsInvalid(f"day {text!r} cannot be read; write it as 2026-10-01") from exc


def _print(found: list[Difference]) -> None:
    rows = [
        [it.table, it.since, *it.group, it.column, f"{it.of_lines:,}", f"{it.kept:,}"]
        for it in found[:MOST_TOLD]
    ]
    head = ["sums", "since", "tenant", "key", "provider", "origin", "what", "lines", "kept"]
    print_table(head, rows, empty="all sums are what the lines add up to")
    if len(found) > MOST_TOLD:
        click.echo(f"and {len(found) - MOST_TOLD:,} more")
