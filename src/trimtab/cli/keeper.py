"""`trimtab keeper`: the keeper by itself."""

from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli import role
from trimtab.cli.output import author
from trimtab.wiring.keeper import run_keeper
from trimtab.wiring.start import apply


@click.command()
@role.config
@role.home
@role.applied
def command(config: Path | None, home: Path | None, *, applied: bool) -> None:
    """Run the keeper: recorder, log line, exporters, console and admin API.

    Example: trimtab keeper
    """
    settings, state = wiring.load_settings(config), wiring.home(home)
    if not applied:
        apply(state, settings, author())
    run_keeper(state, settings)
