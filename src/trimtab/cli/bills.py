"""`trimtab bills`: what tenants owe for a month, and closing it."""

import asyncio
import csv
import io
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click
import msgspec

from trimtab import wiring
from trimtab.cli import outbox
from trimtab.cli.options import common_options, home_option, reason_option
from trimtab.cli.output import author, change_document, print_json, print_table
from trimtab.control.changes import Control
from trimtab.cost.bill.bill import Bill
from trimtab.cost.bill.due import due
from trimtab.cost.bill.focus import FOCUS_VERSION, cents_text, focus_csv, span_of
from trimtab.domain.billing import WHOLE
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.errors import ChangeConflict, NotFound, SettingsInvalid
from trimtab.domain.money import usd_text
from trimtab.domain.tenant import Tenant

ISSUER = "Trimtab"


class Format(StrEnum):
    """How a bill is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    FOCUS = "focus"


_month = click.option("--month", required=True, help="Month of the tenant's calendar, as 2026-10.")


@click.group()
def command() -> None:
    """Show and close the bills of tenants, and pass them on."""


command.add_command(outbox.command)


@command.command()
@click.argument("tenant")
@click.option("--month", help="Month of the tenant's calendar, as 2026-10; this one by default.")
@click.option(
    "--format",
    "as_format",
    type=click.Choice([str(it) for it in Format]),
    default=Format.TABLE.value,
    show_default=True,
    help="`focus` is CSV in the columns of FinOps FOCUS.",
)
@click.option("--issuer", default=ISSUER, show_default=True, help="Who bills, for `focus`.")
@home_option
def show(tenant: str, month: str | None, as_format: str, issuer: str, home: Path) -> None:
    """Show what a tenant owes for a month; a closed one as it was closed.

    Example: trimtab bills show acme --month 2026-10 --format csv
    """
    found = asyncio.run(_bill(home, wiring.control(home), tenant, month))
    match Format(as_format):
        case Format.TABLE:
            _print(found.bill)
        case Format.JSON:
            print_json(_document(found.bill))
        case Format.CSV:
            click.echo(_csv(found.bill), nl=False)
        case Format.FOCUS:
            click.echo(focus_csv(found.bill, found.timezone, issuer), nl=False)


@command.command()
@click.argument("tenant")
@_month
@reason_option
@common_options
def close(tenant: str, month: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Close a month that is over: its bill stays what it is.

    What is booked for that month later is on the next bill, with the month it is of.

    Example: trimtab bills close acme --month 2026-10 --reason "sent to the customer"
    """
    closed, change = asyncio.run(_close(home, tenant, month, reason))
    if as_json:
        print_json({"bill": _document(closed), "change": change_document(change)})
        return
    click.echo(
        f"closed {tenant} {month}: {cents_text(closed.total_cents)} USD   change {change.seq}"
    )


class _Found(NamedTuple):
    bill: Bill
    timezone: str


async def _bill(home: Path, control: Control, name: str, asked: str | None) -> _Found:
    state = await control.state()
    entry = state.get(Pointer(PointerKind.TENANT, name))
    if entry is None:
        raise NotFound(f"there is no tenant {name!r}; see `trimtab tenants list`")
    tenant: Tenant = entry.value
    month = asked or f"{wiring.now().astimezone(ZoneInfo(tenant.timezone)):%Y-%m}"
    try:
        span_of(month, tenant.timezone)
    except ValueError as exc:
        raise SettingsInvalid(f"month {month!r} cannot be read; write it as 2026-10") from exc
    made = await due(state, wiring.records(home), tenant, month)
    return _Found(made, tenant.timezone)


async def _close(home: Path, name: str, month: str, reason: str) -> tuple[Bill, Change]:
    control = wiring.control(home)
    made, timezone = await _bill(home, control, name, month)
    if made.closed:
        raise ChangeConflict(
            f"{month} of tenant {name!r} is closed; what came later is on the next bill"
        )
    if wiring.now() < span_of(month, timezone)[1]:
        raise SettingsInvalid(f"{month} is not over where tenant {name!r} lives; close it then")
    pointer = Pointer(PointerKind.BILL, f"{name}:{month}")
    change = await control.move(
        pointer,
        made.closing(),
        reason=reason,
        author=author(),
        source=Source.CLI,
        expected_seq=0,
    )
    if change is None:
        raise ChangeConflict(f"{month} of tenant {name!r} was closed by somebody else just now")
    return made._replace(closed=True), change


def _print(bill: Bill) -> None:
    rows = [
        [
            line.group.feature,
            line.group.model,
            f"adjustment of {line.group.month}" if line.is_adjustment else "usage",
            f"{line.group.n:,}",
            usd_text(line.group.cost_nano),
            _percent(line.group.markup),
            cents_text(line.cents),
        ]
        for line in bill.lines
    ]
    head = ["feature", "model", "for", "calls", "cost USD", "markup", "USD"]
    print_table(head, rows, empty="nothing was used")
    status = "closed" if bill.closed else "open"
    click.echo(f"total {cents_text(bill.total_cents)} USD for {bill.tenant} {bill.month}, {status}")
    plan = f"plan of change {bill.plan_seq}" if bill.plan_seq else "no plan: at cost"
    click.echo(f"{plan}; prices {', '.join(bill.price_versions) or '-'}")
    if bill.n_unpriced:
        click.echo(f"{bill.n_unpriced:,} calls have no price and are not billed")


def _document(bill: Bill) -> dict[str, object]:
    return {
        "tenant": bill.tenant,
        "month": bill.month,
        "closed": bill.closed,
        "currency": "USD",
        "plan": msgspec.to_builtins(bill.plan),
        "plan_change": bill.plan_seq,
        "price_versions": bill.price_versions,
        "unpriced_calls": bill.n_unpriced,
        "cost_nano": bill.cost_nano,
        "total_cents": bill.total_cents,
        "total_usd": cents_text(bill.total_cents),
        "focus_version": FOCUS_VERSION,
        "lines": [
            {
                "month": line.group.month,
                "adjustment": line.is_adjustment,
                "feature": line.group.feature,
                "model": line.group.model,
                "calls": line.group.n,
                "cost_nano": line.group.cost_nano,
                "markup_millionths": line.group.markup,
                "cents": line.cents,
            }
            for line in bill.lines
        ],
    }


def _csv(bill: Bill) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["tenant", "month", "of_month", "feature", "model", "calls", "cost_usd", "markup", "usd"]
    )
    for line in bill.lines:
        group = line.group
        writer.writerow(
            [
                *(bill.tenant, bill.month, group.month, group.feature, group.model, group.n),
                *(usd_text(group.cost_nano), _percent(group.markup), cents_text(line.cents)),
            ]
        )
    return out.getvalue()


def _percent(markup: int) -> str:
    return f"{usd_text(markup * 100 * 1_000_000_000 // WHOLE)} %"
