"""`trimtab bills outbox`: what of bills is passed on, what waits, and what was refused and why."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import click
from msgspec.structs import replace

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import instant, print_json, print_table
from trimtab.cost.bill.focus import cents_text
from trimtab.domain.billing import EventState, MeterEvent
from trimtab.domain.errors import NotFound
from trimtab.jobs.push import Account, passed_on
from trimtab.store.outbox import Outbox
from trimtab.wiring.push import books, outbox

ALL = "refused"


@click.command(name="outbox")
@click.option(
    "--retry",
    is_flag=False,
    flag_value=ALL,
    help="Send again what was refused: this event, or all without an id.",
)
@click.option("--arrived", help="Let go of this event: it is there, or was billed otherwise.")
@common_options
def command(retry: str | None, arrived: str | None, home: Path, *, as_json: bool) -> None:
    """Show what of bills is passed on to Stripe, what waits, and what was refused and why.

    An event that may have arrived long ago is sent again only if it is named: look in Stripe first.

    Example: trimtab bills outbox --retry
    """
    found = asyncio.run(_outbox(home, retry, arrived))
    if as_json:
        print_json(_document(found))
    else:
        _print(found)


class _Found(NamedTuple):
    accounts: Sequence[Account]
    events: Sequence[MeterEvent]


async def _outbox(home: Path, retry: str | None, arrived: str | None) -> _Found:
    control = wiring.control(home)
    billed = passed_on(await control.state())
    if not wiring.records(home).exists:
        return _Found([], [])
    now_us = wiring.now_us()
    with closing(outbox(home)) as opened:
        if arrived is not None and not await opened.taken(arrived):
            raise _missing(arrived)
        if retry is not None:
            await _retry(opened, retry, now_us)
        found = books(home, control, opened)
        state = await control.state()
        accounts = [await found.account(state, it, now_us) for it in billed]
        return _Found(accounts, await opened.events())


async def _retry(opened: Outbox, asked: str, now_us: int) -> None:
    events = await opened.events()
    if asked == ALL:
        named = [it for it in events if it.state is EventState.REFUSED]
    else:
        named = [it for it in events if it.id == asked]
        if not named:
            raise _missing(asked)
    for event in named:
        # Who names one knows that it has not arrived.
        doubt_us = event.doubt_us if asked == ALL else None
        again = replace(event, state=EventState.WAITING, due_us=now_us, doubt_us=doubt_us)
        await opened.hold(again)


def _missing(event_id: str) -> NotFound:
    return NotFound(f"no event '{event_id}' waits; see `trimtab bills outbox`")


def _print(found: _Found) -> None:
    rows = [
        [
            account.tenant.id,
            month.month,
            cents_text(month.cents),
            cents_text(month.pushed),
            cents_text(_waiting(found.events, account.tenant.id, month.month)),
        ]
        for account in found.accounts
        for month in account.months
    ]
    head = ["tenant", "month", "bill USD", "passed on USD", "of that waiting USD"]
    print_table(head, rows, empty="no bill is passed on")
    for event in found.events:
        said = event.error or "not sent yet"
        since = f"made {instant(event.made_us)}, tried {event.tries} times: {said}"
        click.echo(f"{event.state}  {event.id}  {cents_text(event.cents)} USD  {since}")
    for account in found.accounts:
        rest = _rest(account)
        if rest < 0:
            click.echo(
                f"{account.tenant.id}: {cents_text(-rest)} USD more than owed were passed on; that"
                " comes off what is next"
            )


def _document(found: _Found) -> dict[str, object]:
    return {
        "tenants": [
            {
                "tenant": account.tenant.id,
                "customer": account.tenant.stripe_customer,
                "not_passed_on_cents": _rest(account),
                "months": [
                    {
                        "month": month.month,
                        "bill_cents": month.cents,
                        "passed_on_cents": month.pushed,
                        "waiting_cents": _waiting(found.events, account.tenant.id, month.month),
                    }
                    for month in account.months
                ],
            }
            for account in found.accounts
        ],
        "events": found.events,
    }


def _rest(account: Account) -> int:
    return sum(it.cents - it.pushed for it in account.months)


def _waiting(events: Sequence[MeterEvent], tenant_id: str, month: str) -> int:
    return sum(it.cents for it in events if (it.tenant_id, it.month) == (tenant_id, month))
