"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import cache, lint, run


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for it in (*lint.COMMANDS, *run.COMMANDS, *cache.COMMANDS):
    command.add_command(it)
