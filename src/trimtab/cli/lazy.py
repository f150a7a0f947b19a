"""Groups that know their commands by name and import each when it is used, not before."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import ClassVar, NamedTuple

import click


class Command(NamedTuple):
    """Where a command is, and its line in the help."""

    target: str
    summary: str


class LazyGroup(click.Group):
    """A group over a table of commands."""

    table: ClassVar[Mapping[str, Command]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table."""
        _ = ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        _ = ctx
        known = self.table.get(cmd_name)
        if known is None:
            return None
        found: click.Command = resolve_name(known.target)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table; nothing is imported for it."""
        _ = ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in self.table.items()])
