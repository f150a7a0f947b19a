"""A whole Trimtab on 127.0.0.1: gateway, keeper and simulator as processes."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.register_assert_rewrite("tests.e2e.outcomes", "tests.e2e.mortal")

DEADLINE_S = 20.0
RECORDED_S = 10.0
STOP_S = 30.0
ADMIN_KEY = "e2e-admin-token"
CONFIG = Path(__file__).with_name("trimtab.yaml")

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


def processes_of(home: Path) -> Mapping[int, str]:
    """Find the `trimtab` processes of a state directory: their command lines, by number."""
    mark = f"TRIMTAB_HOME={home}".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            ours = mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and "-m trimtab" in line:
            found[int(entry.name)] = line.strip()
    return found


class Stack:
    """A running Trimtab and the commands that talk to it."""

    def __init__(self, home: Path, port: int, sim_port: int) -> None:
        self.home = home
        self.port = port
        self.sim_port = sim_port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.options: list[str] = []
        self.start_s = DEADLINE_S

    @property
    def environ(self) -> dict[str, str]:
        """What its processes and commands have in their environment."""
        return {**os.environ, "TRIMTAB_HOME": str(self.home), "TRIMTAB_ADMIN_KEY": ADMIN_KEY}

    def start(self) -> None:
        """Run `trimtab up` until it is ready."""
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "trimtab", "up", "--sim"),
                    *("--port", str(self.port), "--sim-port", str(self.sim_port)),
                    *self.options,
                ],
                env=self.environ,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self.ready, "trimtab up is ready\n" + self.log(), self.start_s)
        eventually(self.keeper_answers, "the keeper answers\n" + self.log(), self.start_s)

    def stop(self) -> None:
        """Stop it as a terminal would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_S)

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

    def keeper_answers(self) -> bool:
        """Whether the console is there."""
        try:
            with urllib.request.urlopen(f"{self.url}/console/login", timeout=5) as answer:  # noqa: S310
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `trimtab` command against the same state."""
        done = subprocess.run(
            [sys.executable, "-m", "trimtab", *arguments],
            env=self.environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command and read its JSON."""
        told: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return told

    def key(self, tenant: str = "acme") -> str:
        """Make a key of a tenant, known to every worker."""
        made = self.json("keys", "create", "--tenant", tenant, "--name", "test")
        key: str = made["key"]
        eventually(lambda: self.status("/v1/models", key) == 200, "a worker knows the new key")
        if "--workers" in self.options:
            self.everybody_runs(made["change"]["seq"])
        return key

    def everybody_runs(self, seq: int) -> None:
        """Wait until every one of several workers runs a change."""
        count = int(self.options[self.options.index("--workers") + 1])

        def agreed() -> bool:
            acks = self.admin("snapshot")["workers"]
            running = [it for it in acks if it["worker_id"].startswith("gateway")]
            return len(running) == count and all(it["config_seq"] >= seq for it in running)

        eventually(agreed, f"every worker runs {seq}")

    def status(self, path: str, key: str) -> int:
        """GET a path and tell the status."""
        request = urllib.request.Request(  # noqa: S310
            self.url + path, headers={"authorization": f"Bearer {key}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def post(
        self, path: str, body: bytes, key: str, headers: Mapping[str, str] | None = None
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
                told = {k.lower(): v for k, v in answer.headers.items()}
                return answer.status, told, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def admin(self, path: str) -> dict[str, Any]:
        """GET a call of the admin API."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/admin/v1/{path}", headers={"authorization": f"Bearer {ADMIN_KEY}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
        return told

    def rows(self, sql: str, *values: str | int) -> list[dict[str, Any]]:
        """Read the store of records beside the keeper that writes it."""
        path = self.home / "records.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as store:
            store.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in store.execute(sql, values)]
            except sqlite3.OperationalError as exc:
                if "no such table" not in str(exc):
                    raise
                return []  # The keeper is just making them.

    def record(self, request_id: str, deadline_s: float = RECORDED_S) -> dict[str, Any]:
        """Wait for a request's one record."""
        found = eventually(
            lambda: self.rows("SELECT * FROM request WHERE request_id = ?", request_id),
            f"the record of {request_id} is there",
            deadline_s,
        )
        [record] = found
        return record

    def ledger(self, request_id: str) -> list[dict[str, Any]]:
        """Read a request's ledger lines, once its record is there."""
        self.record(request_id)
        return self.rows("SELECT * FROM ledger WHERE request_id = ? ORDER BY line_id", request_id)

    def content(self, request_id: str) -> dict[str, Any]:
        """Read what was asked and answered, once the record is there."""
        self.record(request_id)
        return self.admin(f"records/{request_id}/content")

    def sim(self, path: str) -> dict[str, Any]:
        """Ask the simulator about itself."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.sim_port}/_sim/{path}", timeout=5
        ) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def billed(self, response_id: str | None) -> int | None:
        """Tell what the simulator bills for an answer, in nano-USD; `None` if nothing."""
        lines: list[dict[str, Any]] = self.sim("bill")["lines"]
        return next((line["cost_nano"] for line in lines if line["id"] == response_id), None)


@contextmanager
def stack_in(home: Path, *options: str) -> Generator[Stack]:
    """Run a Trimtab in a directory, and stop it at the end."""
    stack = Stack(home, free_port(), free_port())
    stack.options = list(options)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@contextmanager
def stack_of(home: Path, text: str, start_s: float = DEADLINE_S) -> Generator[Stack]:
    """Run a Trimtab on a file in which PORT stands for the simulator's."""
    stack = Stack(home, free_port(), free_port())
    file = home / "trimtab.yaml"
    file.write_text(text.replace("PORT", str(stack.sim_port)))
    stack.start_s, stack.options = start_s, ["--config", str(file)]
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One Trimtab for every test that does not harm it."""
    with stack_in(tmp_path_factory.mktemp("trimtab"), "--config", str(CONFIG)) as running:
        yield running


@pytest.fixture(scope="session")
def key(stack: Stack) -> str:
    """A key of a tenant without limits."""
    return stack.key()
