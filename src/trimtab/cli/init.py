"""`trimtab init`: a file a newcomer understands, with all that works without a key."""

from importlib.resources import files
from pathlib import Path

import click

from trimtab.cli.output import print_json
from trimtab.domain.errors import SettingsInvalid

FILES = ("trimtab.yaml", "prompts/rag-answer.v3.yaml")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(directory: Path, *, force: bool, as_json: bool) -> None:
    """Write a commented starter file and an example prompt.

    Example: trimtab init my-product
    """
    there = [directory / name for name in FILES if (directory / name).exists()]
    if there and not force:
        raise SettingsInvalid(
            f"'{there[0]}' exists; pass --force to overwrite it, or name another directory"
        )
    demo = files("trimtab") / "demo"
    for name in FILES:
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((demo / name).read_bytes())
    if as_json:
        print_json({"written": [str(directory / name) for name in FILES]})
        return
    for name in FILES:
        click.echo(f"wrote {directory / name}")
    click.echo("next: trimtab check, trimtab prompts push, then trimtab up")
