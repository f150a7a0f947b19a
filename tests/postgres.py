"""A real Postgres for the tests: one server a test process, one fresh database a test.

It listens on a Unix socket and 127.0.0.1 and keeps nothing safe, so it is fast. Postgres does not
run as root: there it runs as `nobody`.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg
from tests.services import lacking, remove

START_S = 20.0
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB")


def program(name: str) -> str:
    """Find a program of Postgres; Debian keeps the server's own off the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    if found is None:
        lacking(f"{name!r} of Postgres")
    return found


class Server:
    """One Postgres. `kill` and `start` take it away and bring it back."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self._user = "nobody" if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        if self._user is not None:
            shutil.chown(directory, self._user)
        self._run("initdb", "-D", str(directory / "data"), *("-U", "trimtab", "-A", "trust", "-N"))

    def url(self, database: str = "postgres") -> str:
        return f"postgres://trimtab@127.0.0.1:{self.port}/{database}"

    def database(self, options: str = "") -> str:
        """Make an empty database, and give its URL."""
        name = f"t{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())
        return self.url(name)

    def start(self) -> None:
        options = [part for option in FAST for part in ("-c", option)]
        where = ("-D", str(self.directory / "data"), "-p", str(self.port))
        with (self.directory / "log").open("ab") as log:
            # Our own program and our own directory.
            self._process = subprocess.Popen(  # noqa: S603
                [program("postgres"), *where, "-h", "127.0.0.1", "-k", "", *options],
                user=self._user,
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )
        self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), tries=True)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_S)
            self._process = None

    def pause(self) -> None:
        """Let it say nothing any more, though it is there."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def _run(self, name: str, *arguments: str, tries: bool = False) -> None:
        said = ""
        for _ in range(200 if tries else 1):
            # Our own program and our own directory.
            done = subprocess.run(  # noqa: S603
                [program(name), *arguments],
                user=self._user,
                cwd=self.directory,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                return
            said = done.stderr
            if tries:
                with suppress(subprocess.TimeoutExpired):
                    assert self._process is not None
                    self._process.wait(0.05)
        raise AssertionError(f"{name}: {said or (self.directory / 'log').read_text()}")


@contextmanager
def running_server() -> Generator[Server]:
    """Run a Postgres of one's own, and leave nothing of it."""
    directory = Path(tempfile.mkdtemp(prefix="trimtab-postgres-"))
    try:
        server = Server(directory)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        remove(directory)
