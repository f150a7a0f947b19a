"""Moving labels: `promote`, `rollback`, `unset`."""

import asyncio
from pathlib import Path

import click

from trimtab.cli.options import common_options, reason_option
from trimtab.cli.output import change_document, print_json
from trimtab.cli.prompts.ask import by, label_option, scope_option
from trimtab.control.prompts import is_step_back
from trimtab.domain.change import Change
from trimtab.domain.prompt import DEFAULT_SCOPE, PRODUCTION, Place
from trimtab.registry.steps import version_of
from trimtab.wiring.registry import reach, registry


@click.command()
@click.argument("name")
@click.argument("version")
@label_option
@scope_option
@click.option("--expect", type=click.IntRange(min=0), help="Only if this change moved it last.")
@click.option(
    "--override", is_flag=True, help="Without what the label asks for; it stays marked. Admins."
)
@reason_option
@common_options
def promote(
    name: str,
    version: str,
    label: str,
    scope: str,
    expect: int | None,
    reason: str,
    home: Path,
    *,
    override: bool,
    as_json: bool,
) -> None:
    """Point a label at a version, for everybody or for a scope.

    Example: trimtab prompts promote rag-answer 3.3.0 --label staging --reason "TICKET-812"
    """
    place, labels = Place(name, label, scope), registry(home).labels
    change = asyncio.run(
        labels.promote(place, version, by(reason), expected_seq=expect, override=override)
    )
    _print(place, change, home, as_json=as_json)


@click.command()
@click.argument("name")
@label_option
@scope_option
@click.option("--to", metavar="VERSION", help="A version the label held, if not the last one.")
@click.option("--green", is_flag=True, help="The last one that an evaluation passed.")
@reason_option
@common_options
def rollback(
    name: str,
    label: str,
    scope: str,
    to: str | None,
    reason: str,
    home: Path,
    *,
    green: bool,
    as_json: bool,
) -> None:
    """Point a label at what it held before. Again goes one further back.

    It asks for a reason and waits for nothing else.

    Example: trimtab prompts rollback rag-answer --reason "citations missing since 14:05"
    """
    place, labels = Place(name, label, scope), registry(home).labels
    change = asyncio.run(labels.rollback(place, by(reason), to=to, green=green))
    _print(place, change, home, as_json=as_json)


@click.command()
@click.argument("name")
@label_option
@scope_option
@reason_option
@common_options
def unset(name: str, label: str, scope: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Have a label of a scope point nowhere, so that the next scope counts.

    Example: trimtab prompts unset rag-answer --scope tenant:acme --reason "as for all again"
    """
    place, labels = Place(name, label, scope), registry(home).labels
    _print(place, asyncio.run(labels.unset(place, by(reason))), home, as_json=as_json)


COMMANDS = (promote, rollback, unset)


def _print(place: Place, change: Change, home: Path, *, as_json: bool) -> None:
    reached = asyncio.run(reach(home, change))
    if as_json:
        print_json({"change": change_document(change), "workers": reached})
        return
    was, now = (version_of(it) or "nothing" for it in (change.before, change.after))
    click.echo(
        f"{place.label} of {place.name} ({place.scope}): {was} -> {now}"
        f"   change {change.seq}   {reached}"
    )
    if is_step_back(change):
        click.echo(f"forwards again: trimtab prompts promote {place.name} {was}{_named(place)}")
    else:
        click.echo(f"undo: trimtab changes undo {change.seq} --reason '...'")


def _named(place: Place) -> str:
    label = "" if place.label == PRODUCTION else f" --label {place.label}"
    return label + ("" if place.scope == DEFAULT_SCOPE else f" --scope {place.scope}")
