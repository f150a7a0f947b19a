"""`trimtab records`: records as files, for other programs, and kept for a case."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import FILE, common_options, home_option, reason_option
from trimtab.cli.output import author, print_json
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.erasure import Hold
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.money import usd_text
from trimtab.domain.record import RequestRecord
from trimtab.jobs.taking import Sheet, Texts, columns, describe, lines, take
from trimtab.store.filter_text import narrowed
from trimtab.wiring.erasures import erasures

_PARQUET = "trimtab.jobs.parquet:parquet"


@click.group()
def command() -> None:
    """Take records elsewhere, keep them for a case, and let go of them."""


@command.command()
@click.argument("words", nargs=-1)
@click.option("--from", "since", help="Not before this: 24h, or 2026-04-01 (UTC).")
@click.option("--to", "until", help="Before this: 24h, or 2026-05-01 (UTC).")
@click.option("--tenant", help="Of this tenant alone.")
@click.option(
    "--out",
    type=FILE,
    required=True,
    help="File to write, .parquet or .jsonl; a manifest is written beside it.",
)
@click.option(
    "--content", is_flag=True, help="Take what was asked and answered, too; the audit notes each."
)
@home_option
def export(
    words: tuple[str, ...],
    since: str | None,
    until: str | None,
    tenant: str | None,
    out: Path,
    home: Path,
    *,
    content: bool,
) -> None:
    """Write the records that fit to a file, newest first. The keeper is not in the way.

    Example: trimtab records export --from 2026-04-01 --to 2026-05-01 --out apr.parquet
    """
    text = " ".join(words)
    for name, value in (("since", since), ("until", until), ("tenant", tenant)):
        text = text if value is None else narrowed(text, name, value)
    part = out.with_name(f"{out.name}.part")
    try:
        taking = take(
            wiring.records(home),
            wiring.parse_filter(text),
            _sheet(out.suffix, part, content=content),
            _texts(home) if content else None,
        )
        rows, cost_nano = asyncio.run(taking)
        manifest = describe(part, text, rows, cost_nano)
        beside = out.with_name(f"{out.name}.json")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{rows:,} records, ${usd_text(cost_nano)}, in '{out}'; manifest in '{beside}'")


@command.command()
@click.argument("request_id", default="")
@click.option("--filter", "query", default="", help="Keep all that `trimtab tail` would show.")
@click.option("--reason", "case_id", required=True, help="The case, such as CASE-12.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="UTC day on which it ends.")
@common_options
def keep(
    request_id: str, query: str, case_id: str, until: datetime | None, home: Path, *, as_json: bool
) -> None:
    """Keep records and their content for a case: no retention ends them, nobody can erase them.

    What is recorded later is not kept: ask again.

    Example: trimtab records keep --filter "tenant:acme since:30d" --reason CASE-12
    """
    if bool(request_id) is bool(query):
        raise click.UsageError("name one request, or say --filter")
    opened = erasures(home)
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
@reason_option
@common_options
def release(case_id: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Let go of what is kept for a case; what was to be erased meanwhile is erased now.

    Example: trimtab records release CASE-12 --reason "case closed"
    """
    opened = erasures(home)
    n = asyncio.run(opened.release(case_id, By(author(), Source.CLI, reason)))
    _print(f"let go of {n} records of {case_id}", case_id, n, as_json=as_json)


def _print(what: str, case_id: str, n: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"case": case_id, "records": n})
    else:
        click.echo(what)


def _sheet(suffix: str, path: Path, *, content: bool) -> Sheet:
    made = columns(content=content)
    if suffix == ".jsonl":
        return lines(path, made)
    if suffix != ".parquet":
        raise SettingsInvalid(f"'{suffix}' is no format of records; write .parquet or .jsonl")
    try:
        parquet = resolve_name(_PARQUET)
    except ImportError as exc:
        raise SettingsInvalid(
            "a table in Parquet takes duckdb, which is not installed; install trimtab[parquet],"
            " or write .jsonl"
        ) from exc
    sheet: Sheet = parquet(path, made)
    return sheet


def _texts(home: Path) -> Texts:
    audit = wiring.audit(home)

    async def read(record: RequestRecord) -> Sequence[str | None]:
        found = await audit.read(record, author=author(), source=Source.CLI)
        return [None if it is None else it.decode(errors="replace") for it in found]

    return read
