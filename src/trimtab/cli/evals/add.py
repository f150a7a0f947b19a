"""`trimtab evals add-case`: what production got wrong becomes a case."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import FILE, home_option
from trimtab.cli.output import author
from trimtab.domain.change import Source
from trimtab.domain.errors import RecordNotFound, SettingsInvalid
from trimtab.evals.adding import Made, Wanted, append_case, frame_of, like, make_case
from trimtab.evals.manifest import read_suite
from trimtab.wiring.registry import registry


@click.command(name="add-case")
@click.argument("request_id")
@click.option(
    "--dataset",
    type=FILE,
    required=True,
    help="Manifest of the suite; the case goes to its last file.",
)
@click.option("--expect", multiple=True, help="An accepted answer; may be repeated.")
@click.option("--tag", "tags", multiple=True, help="A tag of the case; may be repeated.")
@click.option("--incident", help="Incident that it comes from.")
@click.option("--anyway", is_flag=True, help="Add it though another asks nearly the same.")
@home_option
def add_case(
    request_id: str,
    dataset: Path,
    expect: Sequence[str],
    tags: Sequence[str],
    incident: str | None,
    home: Path,
    *,
    anyway: bool,
) -> None:
    """Add what a request asked to a suite, without personal data; the audit notes who read it.

    Example: trimtab evals add-case r_01KQ2Z61CT --dataset evals/rag-golden.yaml --expect "No"
    """
    suite = read_suite(dataset)
    wanted = Wanted(
        by=author(),
        at=f"{wiring.now():%Y-%m-%d}",
        expected=tuple(expect),
        tags=tuple(tags),
        incident_id=incident,
    )
    made = asyncio.run(_made(request_id, home, wanted))
    twin = like(made.case, suite.cases)
    if twin is not None and not anyway:
        raise SettingsInvalid(
            f"'{twin.id}' asks nearly the same; change that, or pass --anyway to have both"
        )
    path = append_case(suite, made.case)
    click.echo(_said(made, "none" if twin is None else twin.id))
    click.echo(f"appended {made.case.id} to {path.name}")


async def _made(request_id: str, home: Path, wanted: Wanted) -> Made:
    stored = await wiring.records(home).find(request_id)
    if stored is None:
        raise RecordNotFound(f"request {request_id!r} is not stored; look at its id")
    asked = await wiring.audit(home).read_asked(stored.record, author=wanted.by, source=Source.CLI)
    prompts = await registry(home).prompts()
    return make_case(stored.record, asked, wanted, frame_of(prompts, stored.record))


def _said(made: Made, twin: str) -> str:
    kinds = " ".join(f"{kind} x{n}" for kind, n in sorted(made.redacted.items())) or "nothing"
    chunks = len(made.case.contexts or ())
    contexts = f"frozen ({chunks})" if chunks else "live"
    return f"redacted: {kinds}   contexts: {contexts}   near-duplicate: {twin}"
