"""`trimtab explain`: which rule decided what about a request."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import print_json
from trimtab.domain.errors import NotFound
from trimtab.incidents.explain import Step, explain


@click.command()
@click.argument("request_id")
@common_options
def command(request_id: str, home: Path, *, as_json: bool) -> None:
    """Tell which rule decided what: key, target, limits, retries, cost. Refused requests, too.

    Example: trimtab explain r_01KQ2Z61CT
    """
    told_id, steps = asyncio.run(_steps(request_id, home))
    if as_json:
        print_json({"request_id": told_id, "steps": msgspec.to_builtins(steps)})
        return
    for step in steps:
        when = datetime.fromtimestamp(step.ts_us / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3]
        click.echo(f"{when}  {step.stage:<10} {step.what}")


async def _steps(request_id: str, home: Path) -> tuple[str, tuple[Step, ...]]:
    stored = await wiring.records(home).find(request_id)
    if stored is None:
        raise NotFound(
            f"request {request_id!r} is not stored; if it is seconds old, try again, and look in"
            " `trimtab tail`"
        )
    state = await wiring.control(home).state_at(stored.record.config_seq)
    return stored.record.request_id, explain(stored, state)
