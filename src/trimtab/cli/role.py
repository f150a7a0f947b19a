"""What the commands that run for long have in common."""

import socket
from collections.abc import Sequence

import click

from trimtab.cli.options import Run, config_option, home_option
from trimtab.cli.supervise import STOP_S, Role
from trimtab.domain.errors import SettingsInvalid

BACKLOG = 4096

_host = click.option("--host", help="Address to listen on; that of the file by default.")
_port = click.option("--port", type=int, help="Port to listen on; that of the file by default.")
_workers = click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Gateway workers; more than one need `gateway.redis`.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print what was started as one JSON line."
)
yes = click.option(
    "--yes", is_flag=True, help="Apply the file though it cuts off who called in the last hour."
)
applied = click.option("--applied", is_flag=True, hidden=True, help="The file is applied already.")


def server_options(run: Run) -> Run:
    """Add what says how a gateway is run: by which file, in which state, where it listens."""
    for option in (_workers, _port, _host, home_option, config_option):
        run = option(run)
    return run


def listen(address: str, number: int, sockets: int = 1) -> list[socket.socket]:
    """Listen on an address, with one socket a worker; port 0 is chosen by the system.

    Every worker has a queue of its own, which the system fills evenly: from one queue, the worker
    that has least to do at an instant takes all that wait. Whoever made the sockets holds them
    while a worker is started anew, so nobody who waits is turned away.

    Raises:
        SettingsInvalid: it is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        first = socket.create_server((address, number), family=family, backlog=BACKLOG)
        if sockets == 1:
            return [first]
        # Only now it is known that the port is nobody else's: sockets that share one with their
        # like would join those of another program.
        place = first.getsockname()
        first.close()
        return [
            socket.create_server(place, family=family, backlog=BACKLOG, reuse_port=True)
            for _ in range(sockets)
        ]
    except OSError as exc:
        raise SettingsInvalid(
            f"cannot listen on '{address}:{number}' ({exc.strerror}); choose another --port"
        ) from exc


def gateways(
    arguments: Sequence[str], listeners: Sequence[socket.socket], drain_s: float
) -> list[Role]:
    """Describe the workers: one a socket, all stopped at once, each with time to drain."""
    several = len(listeners) > 1
    return [
        Role(
            f"gateway {place}" if several else "gateway",
            ["gateway", *arguments, "--fd", str(listener.fileno())],
            files=[listener.fileno()],
            stop_s=drain_s + STOP_S,
            group="gateway",
        )
        for place, listener in enumerate(listeners, start=1)
    ]
