"""What is published: `publish`, `yank`, `unyank`, `approve`, `evidence`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import PATH, common_options, reason_option
from trimtab.cli.output import change_document, print_done, print_json
from trimtab.cli.prompts.ask import by, exact
from trimtab.cli.prompts.files import print_steps
from trimtab.domain.change import Change
from trimtab.domain.prompt import Evidence
from trimtab.registry.labels import existing
from trimtab.wiring.registry import read_prompts, registry


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--reason", default="published", show_default=True, help="Why, for the change log.")
@common_options
def publish(files: Sequence[Path], reason: str, home: Path, *, as_json: bool) -> None:
    """Publish prompt files, all or none. What is published stays for ever.

    Example: trimtab prompts publish prompts/rag-answer.prompt.yaml
    """
    opened, read = registry(home), read_prompts(files)
    steps, changes = asyncio.run(opened.publish(read, by(reason), may_jinja=True))
    print_steps(steps, changes, as_json=as_json)


@click.command()
@click.argument("version")
@click.option("--block", is_flag=True, help="Nobody may fetch it any more, either.")
@click.option("--and-rollback", is_flag=True, help="Move the labels back that point at it.")
@reason_option
@common_options
def yank(
    version: str, reason: str, home: Path, *, block: bool, and_rollback: bool, as_json: bool
) -> None:
    """Take NAME@VERSION out of use: no label may point at it. Its number is never used again.

    Example: trimtab prompts yank rag-answer@3.3.0 --and-rollback --reason "leaks the context"
    """
    name, number = exact(version)
    done = registry(home).yank(name, number, by(reason), block=block, and_rollback=and_rollback)
    changes = asyncio.run(done)
    if as_json:
        print_json({"changes": [change_document(change) for change in changes]})
    for change in () if as_json else changes:
        print_done(f"{change.pointer}", change)


@click.command()
@click.argument("version")
@reason_option
@common_options
def unyank(version: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Put NAME@VERSION back into use.

    Example: trimtab prompts unyank rag-answer@3.3.0 --reason "it was the retriever"
    """
    change = asyncio.run(registry(home).unyank(*exact(version), by(reason)))
    _print(f"{version} may be used again", change, as_json=as_json)


@click.command()
@click.argument("version")
@click.option("--reason", default="read it", show_default=True, help="Why, for the change log.")
@common_options
def approve(version: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Say that you have read NAME@VERSION; whoever published it cannot.

    Example: trimtab prompts approve rag-answer@3.3.0
    """
    change = asyncio.run(registry(home).approve(*exact(version), by(reason)))
    _print(f"{version} is approved by {change.author}", change, as_json=as_json)


@click.command()
@click.argument("version")
@click.option("--passed/--failed", required=True, default=None, help="The verdict.")
@click.option("--dataset", "datasets", multiple=True, help="What it was measured on.")
@click.option("--report", default="", help="Where the report is, or what it says in short.")
@click.option("--reason", default="evaluated", show_default=True, help="Why, for the change log.")
@common_options
def evidence(
    version: str,
    datasets: Sequence[str],
    report: str,
    reason: str,
    home: Path,
    *,
    passed: bool,
    as_json: bool,
) -> None:
    """Attach what an evaluation found to the content of NAME@VERSION.

    Example: trimtab prompts evidence rag-answer@3.3.0 --passed --report https://ci.example/42
    """
    opened, (name, number) = registry(home), exact(version)
    now_us = wiring.now_us()

    async def run() -> Change:
        found = existing(await opened.prompts(), name, number)
        made = Evidence(
            hash=found.hash,
            passed=passed,
            ts_us=now_us,
            datasets=tuple(datasets),
            report=report,
        )
        return await opened.add_evidence(made, by(reason))

    verdict = "passed" if passed else "failed"
    _print(f"evaluation of {version}: {verdict}", asyncio.run(run()), as_json=as_json)


COMMANDS = (publish, yank, unyank, approve, evidence)


def _print(what: str, change: Change, *, as_json: bool) -> None:
    if as_json:
        print_json({"change": change_document(change)})
    else:
        click.echo(f"{what}   change {change.seq}")
