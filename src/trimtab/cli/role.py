"""What the commands that run for long have in common."""

import socket
from pathlib import Path

import click

from trimtab.domain.errors import SettingsInvalid

BACKLOG = 4096

config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Configuration file; trimtab.yaml if it is there, else the demo.",
)
home = click.option("--home", type=click.Path(path_type=Path), help="State directory.")
host = click.option("--host", help="Address to listen on; that of the file by default.")
port = click.option("--port", type=int, help="Port to listen on; that of the file by default.")
workers = click.option("--workers", default=1, show_default=True, help="Gateway workers.")
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print what was started as one JSON line."
)
yes = click.option(
    "--yes", is_flag=True, help="Apply the file though it cuts off who called in the last hour."
)
applied = click.option("--applied", is_flag=True, hidden=True, help="The file is applied already.")


def one_worker(number: int) -> None:
    """Insist on one worker.

    Raises:
        SettingsInvalid: more are asked for.
    """
    if number != 1:
        raise SettingsInvalid(
            f"--workers {number} would give each worker limits of its own; run one worker"
        )


def listen(address: str, number: int) -> socket.socket:
    """Listen on an address; port 0 is chosen by the system.

    Raises:
        SettingsInvalid: it is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, number), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise SettingsInvalid(
            f"cannot listen on '{address}:{number}' ({exc.strerror}); choose another --port"
        ) from exc
    return listener
