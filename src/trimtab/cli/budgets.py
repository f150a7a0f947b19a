"""`trimtab budgets`: what may be spent, what of it is left, and changing it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from trimtab import wiring
from trimtab.cli.options import common_options, reason_option
from trimtab.cli.output import author, instant, print_change, print_listing
from trimtab.control.keyring import expect
from trimtab.control.snapshot import Snapshot
from trimtab.domain.budget import MOST_NANO, Budget, Period
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.ids import TenantId
from trimtab.domain.money import parse_usd, usd_text
from trimtab.pipeline.standing import Standing, standing, then, windows
from trimtab.wiring.spent import spent

PERCENT = 100


@click.group()
def command() -> None:
    """Show what is left of budgets, and change them."""


@command.command()
@click.argument("tenant")
@common_options
def show(tenant: str, home: Path, *, as_json: bool) -> None:
    """Show the budgets that requests of a tenant count against, and when they will be empty.

    What is spent is what the ledger says; what running requests hold is not in it yet.

    Example: trimtab budgets show acme
    """
    found = asyncio.run(_standings(home, tenant))
    print_listing(
        {"tenant": tenant, "budgets": [_document(it) for it in found]},
        found,
        {
            "budget": lambda it: it.claim.need.name,
            "USD": lambda it: usd_text(it.claim.need.size),
            "spent": lambda it: usd_text(it.spent_nano),
            "of it": lambda it: f"{PERCENT * it.spent_nano // it.claim.need.size} %",
            "left": lambda it: usd_text(it.left_nano),
            "when empty": lambda it: then(it.claim),
            "ends": lambda it: instant(it.claim.spending.until_us),
            "empty at this pace": lambda it: instant(it.empties_us) if it.empties_us else "-",
        },
        empty=f"no budget bounds tenant {tenant!r}; set one with `trimtab budgets set`",
        as_json=as_json,
    )


@command.command(name="set")
@click.argument("tenant")
@click.option("--usd", required=True, help="What it may spend in a period.")
@click.option("--per", type=click.Choice([it.value for it in Period]), help="The period.")
@reason_option
@common_options
def set_(tenant: str, usd: str, per: str | None, reason: str, home: Path, *, as_json: bool) -> None:
    """Change what a tenant may spend; what it has spent stays spent.

    It stays so when the file is applied, until the file says something new about the tenant.

    Example: trimtab budgets set acme --usd 900 --reason "TICKET-4711, until the end of the month"
    """
    nano, control = _nano(usd), wiring.control(home)

    async def run() -> Change | None:
        snapshot = await control.snapshot()
        found = snapshot.tenants[_known(snapshot, tenant)]
        wanted: Budget = replace(found.budget, nano=nano)
        if per is not None:
            wanted = replace(wanted, per=Period(per))
        return await control.move(
            Pointer(PointerKind.TENANT, tenant),
            replace(found, budget=wanted),
            reason=reason,
            author=author(),
            source=Source.CLI,
        )

    change = asyncio.run(run())
    if change is None:
        raise SettingsInvalid(f"tenant {tenant!r} has that budget already; nothing was changed")
    print_change(f"tenant {tenant} may spend {usd_text(nano)} USD", change, as_json=as_json)


async def _standings(home: Path, tenant: str) -> Sequence[Standing]:
    snapshot = await wiring.control(home).snapshot()
    now_us = wiring.now_us()
    told = spent(home)
    claims = list(windows(snapshot, _known(snapshot, tenant), now_us))
    return [standing(claim, (await told(claim.spending)).spent, now_us) for claim in claims]


def _known(snapshot: Snapshot, tenant: str) -> TenantId:
    expect("tenant", tenant, snapshot.tenants)
    return TenantId(tenant)


def _nano(usd: str) -> int:
    try:
        nano = parse_usd(usd.replace("_", ""))
    except ValueError:
        nano = 0
    if not 0 < nano <= MOST_NANO:
        raise InvalidRequest(
            f"{usd[:32]!r} is no amount in USD above 0; write digits, as 500 or 0.25", param="usd"
        )
    return nano


def _document(it: Standing) -> dict[str, object]:
    return {
        "budget": it.claim.need.name,
        "size_nano": it.claim.need.size,
        "spent_nano": it.spent_nano,
        "left_nano": it.left_nano,
        "size_usd": usd_text(it.claim.need.size),
        "spent_usd": usd_text(it.spent_nano),
        "left_usd": usd_text(it.left_nano),
        "when_empty": then(it.claim),
        "ends_us": it.claim.spending.until_us,
        "empty_at_us": it.empties_us,
    }
