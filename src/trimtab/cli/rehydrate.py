"""`trimtab rehydrate`: export a trace that was dropped."""

import asyncio
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import home_option
from trimtab.domain.errors import NotFound
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.rehydrate import ASKED, rehydrate
from trimtab.telemetry.spool import Spool, claim


@click.command()
@click.argument("request_id")
@home_option
def command(request_id: str, home: Path) -> None:
    """Export the trace of a request that was dropped, under the ids it would have had.

    Every exporter sends it within a second or two. Its weight is 0: it enters no estimate.

    Example: trimtab rehydrate r_01KQ2Z61CT
    """
    asyncio.run(_rehydrate(request_id, home))


async def _rehydrate(request_id: str, home: Path) -> None:
    stored = await stored_request(home, request_id)
    record = stored.record
    spool = Spool(claim(home / "spool", "cli"), wiring.SystemClock())
    try:
        done = await rehydrate(stored, ASKED, spool, wiring.records(home))
    finally:
        spool.close()
    what = "is exported" if done else "was kept, and exported when the request ended"
    click.echo(f"trace {record.trace_id} of {record.request_id} {what}")


async def stored_request(home: Path, request_id: str) -> StoredRecord:
    """Find a request that is stored. Raises `NotFound`."""
    stored = await wiring.records(home).find(request_id)
    if stored is None:
        raise NotFound(
            f"request {request_id!r} is not stored; if it is seconds old, try again, and look in"
            " `trimtab tail`"
        )
    return stored
