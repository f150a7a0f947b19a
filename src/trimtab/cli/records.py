"""`trimtab records`: keeping records for a case, whatever else would end them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.output import author, print_json
from trimtab.cli.switch import home_option, json_option
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.erasure import Hold
from trimtab.wiring.erasures import erasures


@click.group()
def command() -> None:
    """Keep records for a case, and let go of them."""


@command.command()
@click.argument("request_id", default="")
@click.option("--filter", "query", default="", help="Keep all that `trimtab tail` would show.")
@click.option("--reason", "case_id", required=True, help="The case, such as CASE-12.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="UTC day on which it ends.")
@home_option
@json_option
def keep(
    request_id: str,
    query: str,
    case_id: str,
    until: datetime | None,
    home: Path | None,
    *,
    as_json: bool,
) -> None:
    """Keep records and their content for a case: no retention ends them, nobody can erase them.

    What is recorded later is not kept: ask again.

    Example: trimtab records keep --filter "tenant:acme since:30d" --reason CASE-12
    """
    if bool(request_id) is bool(query):
        raise click.UsageError("name one request, or say --filter")
    opened = erasures(wiring.home(home))
    until_us = round(until.replace(tzinfo=UTC).timestamp()) * 1_000_000 if until else None
    hold = Hold(what=request_id or query, until_us=until_us)
    by = By(author(), Source.CLI, case_id)
    if request_id:
        n = asyncio.run(opened.keep_one(case_id, request_id, hold, by))
    else:
        n = asyncio.run(opened.keep(case_id, wiring.parse_filter(query), hold, by))
    _print(f"kept {n} records for {case_id}", case_id, n, as_json=as_json)


@command.command()
@click.argument("case_id")
@click.option("--reason", required=True, help="Why, for the change log.")
@home_option
@json_option
def release(case_id: str, reason: str, home: Path | None, *, as_json: bool) -> None:
    """Let go of what is kept for a case; what was to be erased meanwhile is erased now.

    Example: trimtab records release CASE-12 --reason "case closed"
    """
    opened = erasures(wiring.home(home))
    n = asyncio.run(opened.release(case_id, By(author(), Source.CLI, reason)))
    _print(f"let go of {n} records of {case_id}", case_id, n, as_json=as_json)


def _print(what: str, case_id: str, n: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"case": case_id, "records": n})
    else:
        click.echo(what)
