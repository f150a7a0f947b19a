"""`trimtab limits`: counters of budgets that workers share, beside the ledger of this host."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options, config_option, reason_option
from trimtab.cli.output import author, change_document, print_done, print_json, print_listing
from trimtab.control.keyring import expect
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.errors import ChangeConflict
from trimtab.domain.ids import TenantId
from trimtab.domain.money import usd_text
from trimtab.domain.record import Correction
from trimtab.jobs.counters import Compared
from trimtab.pipeline.money import Claim
from trimtab.pipeline.standing import all_windows, windows
from trimtab.wiring.counters import comparing

DIFFERS = 1

_EMPTY = "no counter counts for this host yet; a budget has one once a request was held against it"

_tenant = click.option("--tenant", help="Only budgets that its requests count against.")


@click.group()
def command() -> None:
    """Compare the counters that workers share in a Redis with the ledger, and set them right."""


@command.command()
@_tenant
@config_option
@common_options
def status(tenant: str | None, config: Path | None, home: Path, *, as_json: bool) -> None:
    """Show the counters of budgets as they stand, beside what the ledger says.

    Of all hosts the Redis counts together; `of this host` is what the ledger here must say, but for
    what ends just now.

    Example: trimtab limits status --tenant acme
    """

    async def look() -> Sequence[Compared]:
        async with comparing(home, wiring.load_settings(config)) as comparison:
            return await comparison.look(await _claims(home, tenant))

    found = asyncio.run(look())
    print_listing(
        {"budgets": [_document(it) for it in found]},
        found,
        {
            "budget": lambda it: it.claim.need.name,
            "USD": lambda it: usd_text(it.claim.need.size),
            "spent": lambda it: usd_text(it.counter.spent),
            "held": lambda it: usd_text(it.counter.held),
            "by": lambda it: str(len(it.counter.requests)),
            "of this host": lambda it: usd_text(it.counter.booked),
            "ledger": lambda it: usd_text(it.ledger.spent),
        },
        empty=_EMPTY,
        as_json=as_json,
    )


@command.command()
@_tenant
@config_option
@common_options
def verify(tenant: str | None, config: Path | None, home: Path, *, as_json: bool) -> None:
    """Look for counters that certainly differ from the ledger; exits 1 if there are any.

    What requests change that end just now is no difference. The keeper does the same every minute,
    and sets right what it finds.

    Example: trimtab limits verify
    """
    found = asyncio.run(_compare(home, config, tenant))
    wrong = [it for it in found if it.differs]
    if as_json:
        print_json({"budgets": [_document(it) for it in found]})
    else:
        for it in wrong:
            click.echo(f"{it.claim.need.name}: {it.told()}")
        click.echo(f"{len(found)} counters, {len(wrong)} differ from the ledger")
    raise SystemExit(DIFFERS if wrong else 0)


@command.command()
@click.argument("tenant")
@reason_option
@config_option
@common_options
def rebuild(tenant: str, reason: str, config: Path | None, home: Path, *, as_json: bool) -> None:
    """Set the counters that requests of a tenant count against to what the ledger says.

    That goes further than the keeper does by itself: what was booked by estimate for lines without
    a price is let go, and so are requests whose lease ended without a trace.

    Example: trimtab limits rebuild acme --reason "INC-7, after the failover"
    """
    mended, change = asyncio.run(_rebuild(home, config, tenant, reason))
    if as_json:
        told = None if change is None else change_document(change)
        print_json({"budgets": [_document(it) for it in mended], "change": told})
    elif change is None:
        click.echo(f"the counters of tenant {tenant!r} are what the ledger says; nothing to do")
    else:
        for it in mended:
            click.echo(f"{it.claim.need.name}: {it.told()}")
        print_done(f"{len(mended)} counters of tenant {tenant} were set right", change)


async def _compare(home: Path, config: Path | None, tenant: str | None) -> Sequence[Compared]:
    async with comparing(home, wiring.load_settings(config)) as comparison:
        return await comparison.compare(await _claims(home, tenant))


async def _rebuild(
    home: Path, config: Path | None, tenant: str, reason: str
) -> tuple[Sequence[Compared], Change | None]:
    """Write down why, then do it."""
    async with comparing(home, wiring.load_settings(config)) as comparison:
        claims = list(await _claims(home, tenant))
        found = [it for it in await comparison.compare(claims) if it.differs or it.more_nano]
        if not found:
            return [], None
        total = sum(it.more_nano for it in found)
        now_us = wiring.now_us()
        change = await wiring.control(home).move(
            Pointer(PointerKind.LEDGER, f"counters:{tenant}:{now_us}"),
            Correction(what="limits rebuild", n=len(found), difference_nano=total),
            reason=reason,
            author=author(),
            source=Source.CLI,
        )
        for it in found:
            if not await comparison.mend(it, it.more_nano, [*it.ended, *it.orphaned]):
                raise ChangeConflict(
                    f"the counter of the {it.claim.need.name} moved meanwhile; try again"
                )
    return found, change


async def _claims(home: Path, tenant: str | None) -> Iterable[Claim]:
    snapshot = await wiring.control(home).snapshot()
    now_us = wiring.now_us()
    if tenant is None:
        return all_windows(snapshot, now_us)
    expect("tenant", tenant, snapshot.tenants)
    return windows(snapshot, TenantId(tenant), now_us)


def _document(it: Compared) -> dict[str, object]:
    return {
        "budget": it.claim.need.name,
        "size_nano": it.claim.need.size,
        "spent_nano": it.counter.spent,
        "held_nano": it.counter.held,
        "requests": len(it.counter.requests),
        "of_this_host_nano": it.counter.booked,
        "ledger_nano": it.ledger.spent,
        "missing_nano": it.more_nano,
        "ended": it.ended,
        "without_a_trace": it.orphaned,
        "differs": it.differs,
    }
