"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import add, change, foreign, lint


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for group in (lint, change, add, foreign):
    for it in group.COMMANDS:
        command.add_command(it)
