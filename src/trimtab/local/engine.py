"""The engine: llama.cpp with its own HTTP server, inside this process.

The only module that knows xllamacpp, which comes with the extra `local`. The server speaks the
OpenAI wire at `/v1/chat/completions` and the Anthropic wire at `/v1/messages`.
"""

import os
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from trimtab.domain.errors import SettingsInvalid

# Compiled and without types: by name, so that the checker takes what is in it for `Any`.
_xllamacpp = import_module("xllamacpp")

SLOTS = 2
"""Requests that are answered at once; others wait for their turn."""
SLOT_TOKENS = 2048
"""Tokens of prompt and answer together, a request. 4096 would cost 95 MB more."""
BATCH_TOKENS = 256
CONNECTIONS = 16
"""Each connection has a thread while it is open, also when it waits for its next request."""


def run(path: Path, name: str, address: tuple[str, int], ready: Callable[[str], None]) -> None:
    """Serve a model file under a name until SIGTERM or SIGINT, then end the process.

    Args:
        path: A GGUF file.
        name: What answers call the model; what requests call it is not looked at.
        address: Host and port to listen on; the port is chosen by the system if 0.
        ready: Told the URL once calls are accepted.

    Raises:
        SettingsInvalid: the engine cannot load the file or listen there.
    """
    try:
        server = _xllamacpp.Server(_parameters(path, name, *address))
    except RuntimeError as exc:
        raise SettingsInvalid(
            f"the engine cannot serve '{path}' on '{address[0]}:{address[1]}'; free 300 MB of"
            " memory, or choose another --port"
        ) from exc
    told = _told_to_stop()
    ready(server.listening_address)
    told.wait()
    # Nothing is to be saved, and the engine's own stop waits for every stream to end.
    os._exit(0)


def _told_to_stop() -> threading.Event:
    told = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return told


# What a compiled class holds is not known to the checker.
def _parameters(path: Path, name: str, host: str, port: int) -> Any:  # noqa: ANN401
    parameters = _xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {name}
    parameters.hostnames = [host]
    parameters.port = port
    parameters.n_threads_http = CONNECTIONS
    # On a busy machine a second thread waits for the first: 1-3 tokens/s instead of 26-41.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * SLOT_TOKENS
    parameters.n_batch = parameters.n_ubatch = BATCH_TOKENS
    parameters.cache_ram_mib = 0  # else old prompts may fill 8 GB
    parameters.fit_params = False  # would load the model once more, to see if a GPU has room
    parameters.offline = True
    parameters.verbosity = 0  # its errors can quote the text of a request
    # Other programs here must not read prompts, nor pages in a browser use the model.
    parameters.endpoint_slots = False
    parameters.cors_origins = ""
    parameters.ui = False
    return parameters
