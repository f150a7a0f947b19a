"""Runs the simulator as a process."""

import socket
from collections.abc import Callable, Sequence

import uvicorn

from trimtab.sim.app import SimApp, create
from trimtab.sim.exchange import SimProtocol
from trimtab.sim.faults import BadFault

BACKLOG = 4096
KEEP_ALIVE_S = 300
LAST_CALLS_S = 1
"""How long a stop waits for calls that hang; the others are done in less."""


def run(
    host: str,
    port: int,
    *,
    seed: int,
    latency: str,
    faults: Sequence[str],
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        host: Address to listen on.
        port: Port to listen on; chosen by the system if 0.
        seed: Of all answers, waits and dice.
        latency: Name of a profile of `latency.PROFILES`.
        faults: Rules; see `faults`.
        announce: Told the URL once calls are accepted.

    Raises:
        SystemExit: a fault cannot be read, or the address cannot be listened on.
    """
    try:
        app = create(seed=seed, latency=latency, faults=faults)
        listener = listen(host, port)
    except BadFault as exc:
        raise SystemExit(str(exc)) from exc
    except OSError as exc:
        raise SystemExit(
            f"cannot listen on '{host}:{port}' ({exc.strerror}); choose another port"
        ) from exc
    announce(f"http://{host}:{listener.getsockname()[1]}")
    with listener:
        server(app).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def server(app: SimApp) -> uvicorn.Server:
    """Make the server; its `run` takes the sockets to serve."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=SimProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=LAST_CALLS_S,
        )
    )
