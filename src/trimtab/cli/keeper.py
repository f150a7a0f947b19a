"""`trimtab keeper`: the keeper by itself."""

from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli import role
from trimtab.cli.options import config_option, home_option
from trimtab.cli.output import author, print_json
from trimtab.wiring.keeper import run_keeper
from trimtab.wiring.start import apply_if_there


@click.command()
@config_option
@home_option
@role.as_json
@role.applied
@role.yes
def command(config: Path | None, home: Path, *, as_json: bool, applied: bool, yes: bool) -> None:
    """Run the keeper: recorder, log line, exporters, console and admin API.

    Example: trimtab keeper
    """
    settings = wiring.load_settings(config)
    if not applied:
        apply_if_there(home, settings, author(), sure=yes)
    if as_json:
        print_json({"role": "keeper", "home": str(home.absolute())}, indent=None)
    run_keeper(home, settings)
