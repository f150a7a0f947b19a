"""`trimtab telemetry weights`: whether what is exported tells the truth."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import print_json, print_table
from trimtab.domain.money import usd_text
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.rollup import DAY_US
from trimtab.telemetry.weights import Sum, Weights

PAGE = 1000


@click.command("weights")
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="A UTC day, as 2026-11-22; yesterday."
)
@common_options
def weights(day: datetime | None, home: Path, *, as_json: bool) -> None:
    """Compare what requests cost with what the exported traces say they cost.

    Exits 1 if chance does not explain the difference.

    Example: trimtab telemetry weights --day 2026-11-22
    """
    date = (day or wiring.now() - timedelta(days=1)).date()
    since_us = int(datetime.combine(date, time(), UTC).timestamp()) * 1_000_000
    found = asyncio.run(_weights(home, since_us))
    sums = dict(sorted(found.rules.items()))
    sums |= {"callers' traces": found.joined, "unknown weight": found.unknown}
    if as_json:
        print_json({"day": str(date), "is_fair": found.is_fair, **msgspec.to_builtins(sums)})
    else:
        rows = [_row(name, it) for name, it in sums.items() if it.n]
        print_table(
            ["rule", "requests", "kept", "stand for", "ledger USD", "estimate USD"],
            rows,
            empty=f"no requests on {date}",
        )
        said = "chance explains it" if found.is_fair else "chance does not explain it"
        off, bound = usd_text(round(found.difference_nano)), usd_text(round(found.bound_nano))
        click.echo(f"of traces that began here: off by ${off}, at most ${bound}: {said}")
    raise SystemExit(0 if found.is_fair else 1)


def _row(name: str, it: Sum) -> list[str]:
    ledger, estimate = usd_text(it.cost_nano), usd_text(round(it.estimate_nano))
    return [name, f"{it.n:,}", f"{it.kept:,}", f"{it.weight:,.1f}", ledger, estimate]


async def _weights(home: Path, since_us: int) -> Weights:
    found = Weights()
    records = wiring.records(home)
    where = RecordFilter(since_us=since_us, until_us=since_us + DAY_US)
    after: Cursor | None = None
    while page := await records.page(where, after=after, limit=PAGE):
        found.add(page)
        after = Cursor(page[-1].ts_us, page[-1].request_id)
    return found
