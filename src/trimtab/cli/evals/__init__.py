"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import change, lint


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for group in (lint, change):
    for it in group.COMMANDS:
        command.add_command(it)
