"""`trimtab gateway`: a worker by itself."""

import socket
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli import role
from trimtab.cli.output import author, print_json
from trimtab.wiring.gateway import run_gateway
from trimtab.wiring.start import apply


@click.command()
@role.config
@role.home
@role.host
@role.port
@role.workers
@click.option("--fd", type=int, hidden=True, help="A socket that listens already.")
@role.as_json
@role.applied
@role.yes
# one parameter an option
def command(  # noqa: PLR0913
    config: Path | None,
    home: Path | None,
    host: str | None,
    port: int | None,
    workers: int,
    fd: int | None,
    *,
    as_json: bool,
    applied: bool,
    yes: bool,
) -> None:
    """Run a gateway worker. It needs no keeper: what it serves waits in the spool.

    Example: trimtab gateway --port 8080
    """
    role.one_worker(workers)
    settings, state = wiring.load_settings(config), wiring.home(home)
    if not applied:
        apply(state, settings, author(), sure=yes)
    if fd is None:
        wanted = settings.gateway.port if port is None else port
        listener = role.listen(host or settings.gateway.host, wanted)
    else:
        listener = socket.socket(fileno=fd)
    if as_json:
        bound, number = listener.getsockname()[:2]
        print_json({"role": "gateway", "url": f"http://{bound}:{number}"}, indent=None)
    run_gateway(state, settings, listener)
