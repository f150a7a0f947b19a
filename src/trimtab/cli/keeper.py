"""`trimtab keeper`: the keeper by itself."""

from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli import role
from trimtab.cli.output import author, print_json
from trimtab.wiring.keeper import run_keeper
from trimtab.wiring.start import apply_if_there


@click.command()
@role.config
@role.home
@role.as_json
@role.applied
@role.yes
def command(
    config: Path | None, home: Path | None, *, as_json: bool, applied: bool, yes: bool
) -> None:
    """Run the keeper: recorder, log line, exporters, console and admin API.

    Example: trimtab keeper
    """
    settings, state = wiring.load_settings(config), wiring.home(home)
    if not applied:
        apply_if_there(state, settings, author(), sure=yes)
    if as_json:
        print_json({"role": "keeper", "home": str(state.absolute())}, indent=None)
    run_keeper(state, settings)
