"""`trimtab prompts`: what is published, where labels point, and the files it comes from."""

import click

from trimtab.cli.prompts import apps, files, foreign, move, publish, read


@click.group()
def command() -> None:
    """Publish prompts, move their labels, and roll back in a second."""


for group in (read, move, publish, files, apps, foreign):
    for it in group.COMMANDS:
        command.add_command(it)
