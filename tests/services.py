"""Services that tests need and a machine may lack."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest

from trimtab.store.redis.connection import Redis

START_S = 10.0


def program(*names: str) -> str:
    """Find a program. Without it the test is not run, but in CI, where it fails."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        lacking(" or ".join(names))
    return found


def lacking(what: str) -> NoReturn:
    """Do not run a test that needs what the machine lacks; in CI, fail it."""
    missing = f"needs {what}, which this machine lacks"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def recorded(name: str) -> Path:
    """Find recorded data, which is not ours to ship: a folder below `TRIMTAB_DATA`."""
    folder = Path(os.environ.get("TRIMTAB_DATA", "")) / name
    if "TRIMTAB_DATA" not in os.environ or not folder.exists():
        lacking(f"recorded data ({name}) below TRIMTAB_DATA")
    return folder


class RedisServer:
    """A Redis of our own on a Unix socket, which can be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._directory = directory
        self._program = program("redis-server", "valkey-server")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = (self._program, "--port", "0", "--unixsocket", str(self.socket), "--save", "")
        process = subprocess.Popen(command, cwd=self._directory, stdout=subprocess.DEVNULL)
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
                caller.connect(str(self.socket))
                return process
            time.sleep(0.01)
        raise AssertionError("redis-server did not start")

    def command(self, *words: str) -> bytes:
        """Send a command and give what comes back, as it comes."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(START_S)
            caller.connect(str(self.socket))
            caller.sendall(" ".join(words).encode() + b"\r\n")
            return caller.recv(65536)

    def age(self, seconds: float) -> None:
        """Bring the end of every key nearer."""
        keys = self.command("KEYS", "*").split(b"\r\n")[2::2]
        for key in keys:
            left = int(self.command("PTTL", key.decode())[1:])
            self.command("PEXPIRE", key.decode(), str(left - round(seconds * 1000)))

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again, empty."""
        self.process = self._start()


@contextmanager
def running_redis(directory: Path) -> Generator[RedisServer]:
    """Run a Redis for a while."""
    server = RedisServer(directory)
    try:
        yield server
    finally:
        server.kill()


async def nothing() -> None:
    pass


@asynccontextmanager
async def kept(
    redis: Redis, ready: Callable[[], Awaitable[None]] = nothing
) -> AsyncGenerator[None]:
    """Keep a connection for a while."""
    keeping = asyncio.create_task(redis.run(ready))
    await redis.tried.wait()
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


def remove(directory: Path) -> None:
    """Remove what a service kept; nobody waits for tens of thousands of files."""
    subprocess.run(("/bin/sh", "-c", 'rm -rf "$0" &', directory), check=True)
