"""Applications with the SDK, many in a process; prints when each holds another version.

Arguments: address, key, how many, and `idle` or `busy`. Idle ones never render again; what they
hold is told by the client's own log line, written when it changes.
"""

import json
import logging
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

from tests.e2e.prompting import ASKED, NAME

from trimtab.sdk import Prompts

PAUSE_S = 0.02


class Heard(logging.Handler):
    """Tells what clients hold, as they log it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line."""
        if str(record.msg).startswith("prompt '%s' is ") and isinstance(record.args, tuple):
            _tell(str(record.args[1]).partition("@")[2], record.created)


def _tell(version: str, at_s: float) -> None:
    print(json.dumps([version, at_s]), flush=True)


def _render_on(clients: list[Prompts]) -> None:
    held: dict[int, Any] = {}
    while True:
        for number, client in enumerate(clients):
            version = client.render(NAME, ASKED).version
            if held.get(number) != version:
                held[number] = version
                _tell(version, time.time())
        time.sleep(PAUSE_S)


def main() -> None:
    url, key, count, kind = sys.argv[1:]
    with ExitStack() as stack:
        clients = [stack.enter_context(Prompts(url, key)) for _ in range(int(count))]
        if kind == "idle":
            log = logging.getLogger("trimtab.sdk")
            log.setLevel(logging.INFO)
            log.addHandler(Heard())
            for client in clients:
                client.load(NAME)
        else:
            threading.Thread(target=_render_on, args=(clients,), daemon=True).start()
        sys.stdin.read()


if __name__ == "__main__":
    main()
