"""A proxy as there are: it holds back what never ends."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress


class DeafProxy:
    """Passes everything on but the stream of news, for which it never answers.

    State: how many streams it holds back, and the connections that are open.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.held = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Serve until it is closed."""
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self._open.append(caller)
                threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def close(self) -> None:
        """Close everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for it in self._open:
            with suppress(OSError):
                it.shutdown(socket.SHUT_RDWR)
            it.close()

    def _pass_on(self, caller: socket.socket) -> None:
        """Take one request; its answer ends when its connection does. Closing ends it sooner."""
        with suppress(OSError):
            asked = caller.recv(65536)
            line = asked.partition(b"\r\n")[0]
            if b"/prompts/events" in line and b"wait=0" not in line:
                self.held += 1
                return
            with socket.create_connection(("127.0.0.1", self._to)) as gateway:
                gateway.sendall(asked.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
                while data := gateway.recv(65536):
                    caller.sendall(data)
        with suppress(OSError):
            caller.shutdown(socket.SHUT_RDWR)


@contextmanager
def deaf_proxy(port: int) -> Generator[DeafProxy]:
    """Stand before a gateway for a while."""
    proxy = DeafProxy(port)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
