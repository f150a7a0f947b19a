"""A whole Trimtab on 127.0.0.1: gateway, keeper and simulator as processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

DEADLINE_S = 20.0

T = TypeVar("T")


def free_port() -> int:
    """Ask the system for a port nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def eventually(look: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Wait for a condition, and say what did not come true."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {deadline_s:g} s in vain: {what}")


class Stack:
    """A running Trimtab and the commands that talk to it."""

    def __init__(self, home: Path, port: int, sim_port: int) -> None:
        self.home = home
        self.port = port
        self.sim_port = sim_port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.options: list[str] = []

    def start(self) -> None:
        """Run `trimtab up` until it is ready."""
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "trimtab", "up", "--sim"),
                    *("--port", str(self.port), "--sim-port", str(self.sim_port)),
                    *self.options,
                ],
                env={**os.environ, "TRIMTAB_HOME": str(self.home)},
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self.ready, "trimtab up is ready\n" + self.log())

    def stop(self) -> None:
        """Stop it as a terminal would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def log(self) -> str:
        """Everything it printed."""
        path = self.home / "up.log"
        return path.read_text() if path.exists() else ""

    def ready(self) -> bool:
        """Whether the gateway serves."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `trimtab` command against the same state."""
        done = subprocess.run(
            [sys.executable, "-m", "trimtab", *arguments],
            env={**os.environ, "TRIMTAB_HOME": str(self.home)},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def json(self, *arguments: str) -> Any:
        """Run a command and read its JSON."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def key(self, tenant: str = "acme") -> str:
        """Make a key of a tenant, known to the worker."""
        key = self.json("keys", "create", "--tenant", tenant, "--name", "test")["key"]
        eventually(lambda: self.status("/v1/models", key) == 200, "the worker knows the new key")
        return key

    def status(self, path: str, key: str) -> int:
        """GET a path and tell the status."""
        request = urllib.request.Request(  # noqa: S310
            self.url + path, headers={"authorization": f"Bearer {key}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def post(
        self, path: str, body: bytes, key: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """POST bytes and give status, headers and body."""
        request = urllib.request.Request(  # noqa: S310
            self.url + path,
            data=body,
            headers={
                "authorization": f"Bearer {key}",
                "content-type": "application/json",
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return (
                    answer.status,
                    {k.lower(): v for k, v in answer.headers.items()},
                    answer.read(),
                )
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def record(self, request_id: str) -> dict[str, Any]:
        """Wait for a request's record."""

        def find() -> dict[str, Any] | None:
            done = self.run("trace", request_id, "--json", check=False)
            return json.loads(done.stdout) if done.returncode == 0 else None

        return eventually(find, f"the record of {request_id} is there")

    def sim(self, path: str) -> Any:
        """Ask the simulator about itself."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.sim_port}/_sim/{path}", timeout=5
        ) as answer:
            return json.load(answer)


@contextmanager
def stack_in(home: Path, *options: str) -> Iterator[Stack]:
    """Run a Trimtab in a directory, and stop it at the end."""
    stack = Stack(home, free_port(), free_port())
    stack.options = list(options)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One Trimtab for every test that does not harm it."""
    with stack_in(tmp_path_factory.mktemp("trimtab")) as running:
        yield running


@pytest.fixture(scope="session")
def key(stack: Stack) -> str:
    """A key of the enterprise tenant."""
    return stack.key()
