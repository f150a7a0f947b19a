"""`trimtab annotate`: say something of a request."""

import asyncio
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import author, print_json
from trimtab.cli.rehydrate import stored_request
from trimtab.domain.annotation import Annotation, Remark
from trimtab.domain.errors import InvalidRequest
from trimtab.telemetry.spool import Spool, claim
from trimtab.wiring.remarks import remarks


@click.command()
@click.argument("request_id")
@click.option("--name", required=True, help="What is said, as `bad_answer` or `complaint`.")
@click.option("--score", type=float, help="A figure, on a scale of your own.")
@click.option("--label", help="A word instead of a figure.")
@click.option("--text", help="In words; kept as the tenant's content is.")
@common_options
def command(
    request_id: str,
    name: str,
    score: float | None,
    label: str | None,
    text: str | None,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Annotate a request, as a reviewer; said again under the same name, it is corrected.

    A `complaint` brings a trace back that was dropped.

    Example: trimtab annotate r_01KQ2Z61CT --name bad_answer --label hallucination
    """
    given = {"name": name, "score": score, "label": label, "text": text}
    try:
        remark = msgspec.convert(given, Remark)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(f"that cannot be said: {exc}; see `trimtab annotate --help`") from exc
    said = asyncio.run(_annotate(request_id, remark, home))
    if as_json:
        print_json({"annotation_id": said.annotation_id, "request_id": said.request_id})
    else:
        click.echo(f"{said.request_id} is annotated: {said.name}, by {said.author}")


async def _annotate(request_id: str, remark: Remark, home: Path) -> Annotation:
    stored = await stored_request(home, request_id)
    spool = Spool(claim(home / "spool", "cli"), wiring.SystemClock())
    try:
        return await remarks(home, spool).say(stored.record, remark, author())
    finally:
        spool.close()
