"""`trimtab costs`: what did a tenant cost, exactly, from the rollups."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import home_option, json_option
from trimtab.cli.output import print_json, print_table
from trimtab.cost.breakdown import (
    GROUPS,
    Breakdown,
    break_down,
    read_days,
    read_groups,
    today,
)
from trimtab.domain.money import usd_text
from trimtab.wiring.reconcile import kept
from trimtab.wiring.spent import unstored_bytes


@click.command()
@click.option("--tenant", help="Only this tenant.")
@click.option("--month", help="A month, as 2026-10; this month by default.")
@click.option("--from", "first", help="First day, as 2026-10-01, instead of a month.")
@click.option("--to", "last", help="Last day; today by default.")
@click.option("--by", default="feature,model", show_default=True, help=f"Of: {', '.join(GROUPS)}.")
@home_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
def command(
    tenant: str | None,
    month: str | None,
    first: str | None,
    last: str | None,
    by: str,
    home: Path,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show what live traffic cost, dearest first, exact to the nano-dollar.

    Of one tenant days and months are those of its time zone, of all of them UTC's.

    Example: trimtab costs --tenant acme --month 2026-10 --by feature,model
    """
    groups = read_groups(by)
    now_us = wiring.now_us()

    async def read() -> tuple[Breakdown, int]:
        zone = await _zone(home, tenant)
        days = read_days(month or "", first or "", last or "", today(zone, now_us))
        found = await break_down(wiring.records(home), groups, days, tenant)
        return found, await unstored_bytes(home)

    found, waiting = asyncio.run(read())
    reconciled = kept(home).reconciled_to()
    if as_json:
        stands = {"as_of_us": now_us, "waiting_bytes": waiting, "reconciled_to": reconciled}
        print_json({**found.members(), **stands})
    elif as_csv:
        click.echo(found.csv(), nl=False)
    else:
        _print(found, waiting, reconciled)


async def _zone(home: Path, tenant: str | None) -> str:
    """Name the time zone of a tenant; one that is not configured any more lives in UTC."""
    if tenant is None:
        return "UTC"
    snapshot = await wiring.control(home).snapshot()
    return next((it.timezone for it in snapshot.tenants.values() if it.id == tenant), "UTC")


def _print(found: Breakdown, waiting: int, reconciled: str | None) -> None:
    total = found.cost_nano
    table = [
        [
            *row.group,
            f"{row.n:,}",
            f"{row.input_tokens:,}",
            f"{row.cached_tokens:,}",
            f"{row.output_tokens:,}",
            usd_text(row.cost_nano),
            f"{100 * row.cost_nano / total:.0f} %" if total else "-",
        ]
        for row in found.rows
    ]
    figures = ["requests", "input tok", "cached tok", "output tok", "USD", "share"]
    print_table([*found.groups, *figures], table)
    click.echo(
        f"total {usd_text(total)} USD, {found.n:,} requests;"
        f" {found.n_estimated} estimated, {found.n_unpriced} without a price"
    )
    known = f"reconciled to {reconciled}" if reconciled else "not reconciled with a provider's bill"
    missing = f"{waiting:,} bytes of records are not in it yet" if waiting else "complete"
    click.echo(f"{missing}; {known}")
