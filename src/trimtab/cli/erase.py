"""`trimtab erase`: what people wrote goes on request, with a receipt."""

import asyncio
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import EXISTING_FILE, common_options, home_option
from trimtab.cli.output import author, instant, print_json, print_listing
from trimtab.control.erasures import Erasures
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.erasure import ErasureScope, Receipt
from trimtab.domain.errors import InvalidRequest, TryLater
from trimtab.wiring.erasures import erasures

LONGEST_S = 600.0
POLL_S = 0.2


@click.group(invoke_without_command=True)
@click.option("--tenant", default="", help="Erase a tenant, or say whose end user it is.")
@click.option("--user", default="", help="Erase an end user, as the app names it.")
@click.option("--user-hash", "hashed", default="", help="Erase one, as records name it.")
@click.option("--request", "request_id", default="", help="Erase one request.")
@click.option("--reason", default="", help="Why, for the change log.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--no-wait", is_flag=True, help="Order it, and do not wait for the receipt.")
@common_options
@click.pass_context
def command(
    context: click.Context,
    tenant: str,
    user: str,
    hashed: str,
    request_id: str,
    reason: str,
    home: Path,
    *,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Erase what people wrote; figures and the ledger stay.

    The order is in the change log at once, and the keeper carries it out, whatever happens to it
    in between. What is kept for a case stays. The command waits for the receipt.

    Example: trimtab erase --user u-4711 --tenant acme --reason "GDPR art. 17, ticket 881"
    """
    if context.invoked_subcommand is not None:
        return
    if user and not tenant:
        raise click.UsageError("an end user is of a tenant; name it with --tenant")
    if user and hashed:
        raise click.UsageError("say --user or --user-hash")
    scope = ErasureScope(
        tenant_id=tenant,
        user_hash=wiring.user_hash(home)(tenant, user) if user else hashed,
        request_id=request_id,
    )
    opened = erasures(home)
    if dry_run:
        counted = asyncio.run(opened.count(scope))
        print_listing(
            counted._asdict(),
            [counted],
            {
                "records": lambda it: str(it.records),
                "kept for a case": lambda it: str(it.legal_hold),
            },
            as_json=as_json,
        )
        return
    by = By(author(), Source.CLI, reason)
    if no_wait:
        ordered = asyncio.run(opened.order(scope, by))
        click.echo(f"ordered {ordered.id}; the keeper carries it out")
        return
    receipt = asyncio.run(_erase(opened, scope, by))
    if as_json:
        print_json(receipt)
    else:
        _print(receipt)


@command.command(name="list")
@common_options
def list_(home: Path, *, as_json: bool) -> None:
    """List erasures, newest first: who ordered what and why, and what became of it.

    Example: trimtab erase list
    """
    found = asyncio.run(erasures(home).listed())
    documents = [{"id": it.id, "erasure": it.erasure, "receipt": it.receipt} for it in found]
    print_listing(
        {"erasures": documents},
        found,
        {
            "erasure": lambda it: it.id,
            "when": lambda it: instant(it.change.ts_us),
            "of": lambda it: it.erasure.scope.title,
            "by": lambda it: it.change.author,
            "records": lambda it: _scrubbed(it.receipt),
            "reason": lambda it: it.change.reason,
        },
        empty="nothing was ever erased",
        as_json=as_json,
    )


def _scrubbed(receipt: Receipt | None) -> str:
    return str(receipt.deleted.get("records_scrubbed", 0)) if receipt else "under way"


@command.command()
@click.argument("erasure_id")
@home_option
def show(erasure_id: str, home: Path) -> None:
    """Print the receipt of an erasure.

    Example: trimtab erase show e_01KQ2Z61CTQ3M0N5Z7V2K9B1DF
    """
    ordered = asyncio.run(erasures(home).find(erasure_id))
    if ordered.receipt is None:
        raise TryLater(f"erasure '{erasure_id}' is not carried out yet; see that the keeper runs")
    print_json(ordered.receipt)


@command.command()
@click.argument("file", type=EXISTING_FILE)
@home_option
def verify(file: Path, home: Path) -> None:
    """Tell whether a receipt is whole, and that of this site's change log.

    Example: trimtab erase verify receipt.json
    """
    try:
        receipt = msgspec.json.decode(file.read_bytes(), type=Receipt)
    except msgspec.DecodeError as exc:
        raise InvalidRequest(f"'{file}' is no receipt ({exc}); give one as it was printed") from exc
    fault = asyncio.run(erasures(home).fault(receipt))
    if fault is not None:
        click.echo(f"'{file}' is no receipt of this site: {fault}")
        raise click.exceptions.Exit(1)
    click.echo(f"{receipt.receipt} is whole, and in the change log at {receipt.config_seq}")


async def _erase(opened: Erasures, scope: ErasureScope, by: By) -> Receipt:
    ordered = await opened.order(scope, by)
    clock = wiring.SystemClock()
    end_s = clock.monotonic_s() + LONGEST_S
    while clock.monotonic_s() < end_s:
        found = await opened.find(ordered.id)
        if found.receipt is not None:
            return found.receipt
        await asyncio.sleep(POLL_S)
    raise TryLater(
        f"erasure '{ordered.id}' is ordered and not carried out yet; see that the keeper runs, and"
        f" look at `trimtab erase show {ordered.id}`"
    )


def _print(receipt: Receipt) -> None:
    click.echo(f"{receipt.receipt}  {receipt.scope.title}  {receipt.finished}")
    for title, numbers in (("deleted", receipt.deleted), ("kept", receipt.kept)):
        told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in numbers.items())
        click.echo(f"{title}: {told or 'nothing'}")
    for kind, names in receipt.by_hand.items():
        if names:
            click.echo(f"by hand, {kind.replace('_', ' ')}: {', '.join(names)}")
    for sent in receipt.sent_elsewhere:
        click.echo(f"sent elsewhere: up to {sent.traces} traces to '{sent.exporter}'; erase there")
    for remark in receipt.remarks:
        click.echo(f"remark: {remark}")
    click.echo(f"print it with `trimtab erase show {receipt.receipt}`")
