"""Serves a pulled model as a process: what must be there, checked before the engine is loaded."""

import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

from trimtab.domain.errors import SettingsInvalid
from trimtab.local.lock import Model
from trimtab.local.pull import Shelf, State

ENGINE = "trimtab.local.engine:run"
EXTRA = "xllamacpp"

Run = Callable[[Path, str, tuple[str, int], Callable[[str], None]], None]
"""Serves a file under a name at an address until it is told to stop; tells its URL when ready."""


def run(
    model: Model, shelf: Shelf, address: tuple[str, int], announce: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then end the process.

    Args:
        model: Of the lock.
        shelf: Where it was pulled to.
        address: Host and port to listen on; the port is chosen by the system if 0.
        announce: Told one line once calls are accepted.

    Raises:
        SettingsInvalid: the model or the engine is not there, or the address is taken.
    """
    path = check(model, shelf)
    _try_address(*address)
    engine: Run = resolve_name(ENGINE)

    def tell(url: str) -> None:
        announce(f"{model.name} on {url}  openai /v1  anthropic /")

    engine(path, model.name, address, tell)


def check(model: Model, shelf: Shelf) -> Path:
    """Give the file of a model that could be served. Loads nothing.

    Raises:
        SettingsInvalid: the model or the engine is not there, or the file is damaged.
    """
    state = shelf.state(model)
    if state is not State.PULLED:
        raise SettingsInvalid(
            f"model '{model.name}' is {state} in '{shelf.directory}'; run `trimtab local-models"
            f" pull {model.name}`"
        )
    if find_spec(EXTRA) is None:
        raise SettingsInvalid(
            f"model '{model.name}' is served by '{EXTRA}', which is not installed; run"
            f" `pip install 'trimtab[local]'`"
        )
    return shelf.path(model)


def _try_address(host: str, port: int) -> None:
    """Fail with a reason, which the engine would not give."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as exc:
        raise SettingsInvalid(
            f"cannot listen on '{host}:{port}' ({exc.strerror}); choose another --port"
        ) from exc
