"""`trimtab telemetry`: what others need to watch it."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from trimtab.cli.lazy import Command, LazyGroup
from trimtab.domain.errors import InvalidRequest


class Telemetry(LazyGroup):
    """Its commands."""

    table = {  # noqa: RUF012 -- declared in the base
        "assets": Command("trimtab.cli.telemetry:assets", "Write alert rules and dashboards."),
        "check": Command("trimtab.cli.exporters:check", "Try where traces are sent."),
        "weights": Command("trimtab.cli.weights:weights", "Compare what is exported with all."),
    }


@click.group("telemetry", cls=Telemetry)
def command() -> None:
    """Watch what is exported and told, and let others watch it."""


@click.command("assets")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory to write to; it is made.",
)
@click.option("--force", is_flag=True, help="Also replace files that were changed.")
def assets(*, out: Path, force: bool) -> None:
    """Write alert rules with their tests, dashboards, and files for Prometheus and a Collector."""
    found = dict(_files(files("trimtab.telemetry") / "assets", Path()))
    for name, data in found.items():
        path = out / name
        if not force and path.exists() and path.read_bytes() != data:
            raise InvalidRequest(
                f"'{path}' was changed, and would be replaced; choose another --out, or --force"
            )
    for name, data in found.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
        click.echo(str(out / name))


def _files(folder: Traversable, at: Path) -> Iterator[tuple[Path, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda it: it.name):
        if entry.is_dir():
            yield from _files(entry, at / entry.name)
        else:
            yield at / entry.name, entry.read_bytes()
