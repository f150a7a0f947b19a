"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.evals import cache, gate, lint, look, run

GROUPS = (lint, run, gate, look, cache)


@click.group()
def command() -> None:
    """Judge what an application answers, and what a change does to it."""


for it in (command for group in GROUPS for command in group.COMMANDS):
    command.add_command(it)
