"""`trimtab gateway`: a worker by itself."""

import socket
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli import role
from trimtab.cli.output import author, print_json
from trimtab.cli.supervise import Supervisor
from trimtab.wiring.gateway import run_gateway
from trimtab.wiring.litellm import check_litellm
from trimtab.wiring.sharing import check_workers
from trimtab.wiring.start import apply_if_there


@click.command()
@role.server_options
@click.option("--fd", type=int, hidden=True, help="A socket that listens already.")
@role.as_json
@role.applied
@role.yes
def command(
    config: Path | None,
    home: Path,
    host: str | None,
    port: int | None,
    workers: int,
    fd: int | None,
    *,
    as_json: bool,
    applied: bool,
    yes: bool,
) -> None:
    """Run gateway workers. They need no keeper: what they serve waits in their spools.

    Example: trimtab gateway --port 8080
    """
    settings = wiring.load_settings(config)
    check_workers(settings.gateway, workers)
    check_litellm(settings.providers.values())
    if not applied:
        apply_if_there(home, settings, author(), sure=yes)
    if fd is None:
        wanted = settings.gateway.port if port is None else port
        listeners = role.listen(host or settings.gateway.host, wanted, workers)
    else:
        listeners = [socket.socket(fileno=fd)]
    if as_json:
        bound, number = listeners[0].getsockname()[:2]
        print_json({"role": "gateway", "url": f"http://{bound}:{number}"}, indent=None)
    if len(listeners) == 1:
        run_gateway(home, settings, listeners[0])
        return
    supervisor = Supervisor(click.echo, wiring.SystemClock().monotonic_s)
    supervisor.heed()
    named = [] if config is None else ["--config", str(config.absolute())]
    common = ["--home", str(home.absolute()), *named, "--applied"]
    for worker in role.gateways(common, listeners, settings.gateway.drain_s):
        supervisor.start(worker)
    supervisor.run()
