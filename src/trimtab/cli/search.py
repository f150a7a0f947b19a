"""`trimtab search` and `trimtab tail`: which requests there were, and which there are now."""

import asyncio
import contextlib
from asyncio import sleep
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import home_option, limit_option
from trimtab.cli.output import author, print_json
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.money import usd_text
from trimtab.domain.record import RequestRecord
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.filtering import fits
from trimtab.telemetry.peek import Fresh

POLL_S = 0.3
PAGE = 200
NOBODY = 1

_lines = click.option("--json", "as_json", is_flag=True, help="Print one JSON line a request.")


@click.command()
@click.argument("words", nargs=-1)
@click.option("--since", help="Not before this: 24h, or 2026-04-25 (UTC).")
@click.option("--saved", "name", help="A filter that was saved in the console; WORDS narrow it.")
@limit_option(100_000, "Most requests to list.")
@home_option
@_lines
def search(
    words: tuple[str, ...],
    since: str | None,
    name: str | None,
    limit: int,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """List stored requests that fit, newest first, with status and cost; 1 if none does.

    Example: trimtab search 'arm:treatment latency_ms:>5000 "refund window"' --since 24h
    """
    text = " ".join((*words, *([f"since:{since}"] if since else ())))
    if not asyncio.run(_search(home, text, name, limit, as_json=as_json)):
        click.echo("nothing fits", err=True)
        raise SystemExit(NOBODY)


@click.command()
@click.argument("words", nargs=-1)
@home_option
@_lines
def tail(words: tuple[str, ...], home: Path, *, as_json: bool) -> None:
    """Follow requests on this host as they end, until interrupted; no store is asked.

    Example: trimtab tail tenant:acme status:error
    """
    where = wiring.parse_filter(" ".join(words))
    if where.phrases or where.said:
        raise InvalidRequest(
            "what just ended cannot be searched by words, label or score;"
            " `trimtab search` can, once it is stored"
        )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(where, home, as_json=as_json))


async def _search(home: Path, text: str, name: str | None, limit: int, *, as_json: bool) -> int:
    records = wiring.records(home)
    if name is not None:
        saved = [it for it in await records.saved(author()) if it.name == name]
        if not saved:
            raise NotFound(f"no filter {name!r} is saved for you or for all; see the console")
        text = f"{saved[0].text} {text}"
    where, after, found = wiring.parse_filter(text), None, 0
    while found < limit:
        page = await records.page(where, after=after, limit=min(PAGE, limit - found))
        for record in page:
            _print(record, "%Y-%m-%d %H:%M:%S", as_json=as_json)
        found += len(page)
        if len(page) < PAGE:
            break
        after = Cursor(page[-1].ts_us, page[-1].request_id)
    return found


async def _tail(where: RecordFilter, home: Path, *, as_json: bool) -> None:
    fresh = Fresh(home / "spool")
    while True:
        for finish in fresh.read():
            if fits(finish.record, where):
                _print(finish.record, "%H:%M:%S", as_json=as_json)
        await sleep(POLL_S)


def _print(record: RequestRecord, form: str, *, as_json: bool) -> None:
    if as_json:
        members = msgspec.to_builtins(record, builtin_types=(bytes,))
        hexed = {n: v.hex() if isinstance(v, bytes) else v for n, v in members.items()}
        print_json(hexed, indent=None)
        return
    when = datetime.fromtimestamp(record.ts_us / 1e6, UTC).strftime(form)
    cost = "-" if record.cost_nano is None else f"${usd_text(record.cost_nano)}"
    click.echo(
        f"{when}  {record.request_id}  {record.status:<9} {record.tenant_id}/{record.feature}"
        f"  {record.model_requested}  {record.latency_us / 1000:.0f} ms  {cost}"
        + (f"  {record.error_code}" if record.error_code else "")
    )
