"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import lint


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for it in lint.COMMANDS:
    command.add_command(it)
