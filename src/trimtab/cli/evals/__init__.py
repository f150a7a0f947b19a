"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import calibrate, label, lint


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for it in (*lint.COMMANDS, *label.COMMANDS, *calibrate.COMMANDS):
    command.add_command(it)
