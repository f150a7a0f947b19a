"""`trimtab evals ragas`: the metrics of ragas, in an environment of their own."""

from pathlib import Path

import click

from trimtab.cli.options import home_option
from trimtab.wiring.ragas import FOLDER, install, installed


@click.group()
def ragas() -> None:
    """Have the scores of ragas, too, as metrics `ragas:faithfulness` and so on."""


@ragas.command("install")
@home_option
def install_(home: Path) -> None:
    """Build the environment of ragas in the state directory: about 100 packages, 800 MB.

    They come from whichever package index this machine uses. What is there already is left as it
    is; to build it anew, delete it first.

    Example: trimtab evals ragas install
    """
    folder = home / FOLDER
    if installed(folder.parent) is None:
        click.echo(f"building '{folder}'; this takes a minute or two", err=True)
        install(folder)
    click.echo(f"ragas is in '{folder}'")
