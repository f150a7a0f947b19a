"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import gate, lint, look


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for it in (*lint.COMMANDS, *gate.COMMANDS, *look.COMMANDS):
    command.add_command(it)
