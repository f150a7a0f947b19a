"""`trimtab init`: files to begin with, commented, with all that works without a key."""

from importlib.resources import files
from pathlib import Path

import click

from trimtab.cli.options import FOLDER, json_option
from trimtab.cli.output import print_json
from trimtab.domain.errors import SettingsInvalid

FILES = ("trimtab.yaml", "prompts/rag-answer.v3.yaml")
WORKFLOW = Path(".github/workflows/llm-eval.yml")
PROJECT = "project"

_directory = click.argument("directory", type=FOLDER, default=".")
_force = click.option("--force", is_flag=True, help="Overwrite files that are there.")


class _Kinds(click.Group):
    """What can be begun. A directory alone, or nothing, begins a project."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args.insert(0, PROJECT)
        return super().parse_args(ctx, args)


@click.group(cls=_Kinds)
def command() -> None:
    """Write what a project or its CI begins with.

    `trimtab init DIRECTORY` is `trimtab init project DIRECTORY`.
    """


@command.command()
@_directory
@_force
@json_option
def project(directory: Path, *, force: bool, as_json: bool) -> None:
    """Write a commented starter file and an example prompt. `project` may be left out.

    Example: trimtab init project my-product
    """
    _write({directory / name: name for name in FILES}, force=force, as_json=as_json)
    if not as_json:
        click.echo("next: trimtab check, trimtab prompts push, then trimtab up")


@command.command()
@_directory
@_force
@json_option
def ci(directory: Path, *, force: bool, as_json: bool) -> None:
    """Write a workflow for GitHub Actions that runs evals on every change of a prompt.

    Example: trimtab init ci
    """
    _write({directory / WORKFLOW: WORKFLOW.name}, force=force, as_json=as_json)
    if not as_json:
        click.echo("next: set its secrets, and require the check `eval` before merging")


def _write(targets: dict[Path, str], *, force: bool, as_json: bool) -> None:
    """Write files of the demo, all or none."""
    there = [it for it in targets if it.exists()]
    if there and not force:
        raise SettingsInvalid(
            f"'{there[0]}' exists; pass --force to overwrite it, or name another directory"
        )
    demo = files("trimtab") / "demo"
    for target, name in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((demo / name).read_bytes())
    if as_json:
        print_json({"written": [str(it) for it in targets]})
        return
    for it in targets:
        click.echo(f"wrote {it}")
