"""Several hosts on one Postgres: each its own state directory, one configuration for all."""

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.e2e.conftest import CONFIG, STOP_S, Stack, eventually, free_port
from tests.postgres import Server, running_server

from trimtab.store.schema import migrations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

HEARD_S = 1.0
MODELS = "/v1/models"
WHY = ("--reason", "runaway agent")


class Host(Stack):
    """A gateway by itself, with its own state directory."""

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "TRIMTAB_CONFIG": str(self.home / "trimtab.yaml")}

    def start(self) -> None:
        self.launch()
        eventually(self.ready, "the gateway is ready")

    def launch(self, *options: str) -> None:
        """Start it, and do not wait."""
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trimtab", "gateway", "--port", str(self.port), *options],
                env=self.environ,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def readiness(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
        return told


def make_host(home: Path, store: str | None, site_of: Host | None = None) -> Host:
    """Write the file of a host; hosts of one site have one key."""
    home.mkdir()
    text = CONFIG.read_text()
    if store is not None:
        text = text.replace("gateway:\n", f"gateway:\n  store: {store}\n", 1)
    (home / "trimtab.yaml").write_text(text)
    if site_of is not None:
        shutil.copy(site_of.home / "site.key", home / "site.key")
    return Host(home, free_port(), free_port())


@contextmanager
def two_hosts(at: Path, store: str) -> Generator[tuple[Host, Host]]:
    with ExitStack() as stack:
        one = make_host(at / "one", store)
        stack.callback(one.stop)
        one.start()
        other = make_host(at / "other", store, one)
        stack.callback(other.stop)
        other.start()
        yield one, other


def suspend_heard_by(one: Host, other: Host, key: str) -> float:
    """Suspend a tenant at one host; tell how long the other still served it after."""
    one.run("tenants", "suspend", "acme", *WHY)
    since = time.monotonic()
    eventually(lambda: other.status(MODELS, key) == 403, "the other host refuses the tenant")
    return time.monotonic() - since


def test_a_tenant_suspended_at_one_host_is_refused_by_the_other_whatever_postgres_does(
    tmp_path: Path,
) -> None:
    with running_server() as server, two_hosts(tmp_path, server.database()) as (one, other):
        key = one.key()
        eventually(lambda: other.status(MODELS, key) == 200, "the other host knows the key")
        took_s = suspend_heard_by(one, other, key)
        assert took_s < HEARD_S
        globex = other.key("globex")

        server.kill()

        eventually(lambda: "control_store" in one.readiness(), "one says that the store is away")
        eventually(lambda: "control_store" in other.readiness(), "the other says so, too")
        assert [host.status(MODELS, key) for host in (one, other)] == [403, 403]
        assert [host.status(MODELS, globex) for host in (one, other)] == [200, 200]
        refused = one.run("tenants", "resume", "acme", *WHY, check=False)
        assert refused.returncode == 4
        assert "control store '127.0.0.1/" in refused.stderr
        assert "see that Postgres runs" in refused.stderr
        assert "Traceback" not in refused.stderr
        other.kill()
        other.start()
        assert other.status(MODELS, key) == 403
        assert "going on with the last good state" in other.log()

        server.start()
        one.run("tenants", "resume", "acme", *WHY)
        eventually(lambda: other.status(MODELS, key) == 200, "it is let in again everywhere")
        assert one.status(MODELS, key) == 200
        assert "control_store" not in one.readiness()


def test_everything_runs_on_postgres_with_up_and_is_started_again_without_it(
    tmp_path: Path,
) -> None:
    with running_server() as server:
        host, key = _check_up(tmp_path, server)
        server.kill()
        host.options = ["--config", str(host.home / "trimtab.yaml")]
        try:
            host.start()
            assert host.status(MODELS, key) == 200
        finally:
            host.stop()
        assert "going on with the last good state" in host.log()
        assert "Traceback" not in host.log()


def _check_up(tmp_path: Path, postgres: Server) -> tuple[Stack, str]:
    host = make_host(tmp_path / "one", postgres.database())
    stack = Stack(host.home, host.port, host.sim_port)
    stack.options = ["--config", str(host.home / "trimtab.yaml")]
    try:
        stack.start()
        key = stack.key()
        assert stack.status(MODELS, key) == 200
        workers = stack.admin("snapshot")["workers"]
        checked = host.json("check")
        verified = stack.json("changes", "verify")
    finally:
        stack.stop()

    assert {worker["worker_id"] for worker in workers} == {"gateway-1", "keeper-1"}
    assert checked["store"].startswith("postgres://trimtab@127.0.0.1")
    assert verified["fault"] is None
    assert not (host.home / "control.db").exists()
    return stack, key


def test_a_host_with_a_site_key_of_its_own_is_refused(tmp_path: Path, postgres: Server) -> None:
    store = postgres.database()
    one, stranger = make_host(tmp_path / "one", store), make_host(tmp_path / "stranger", store)
    one.run("apply")

    refused = stranger.run("gateway", check=False)

    assert refused.returncode == 2
    assert "is not the key of the hosts on this control store" in refused.stderr


def test_t35_two_hosts_that_start_at_once_on_an_empty_postgres_both_serve(
    tmp_path: Path, postgres: Server
) -> None:
    store = postgres.database()
    one = make_host(tmp_path / "one", store)
    (one.home / "site.key").write_bytes(b"k" * 32)
    other = make_host(tmp_path / "other", store, one)
    try:
        one.launch()
        other.launch()
        eventually(one.ready, "one is ready")
        eventually(other.ready, "the other is ready")
    finally:
        one.stop()
        other.stop()

    with psycopg.connect(store) as connection:
        [(database, number)] = connection.execute("SELECT * FROM schema_version").fetchall()
    assert (database, number) == ("postgres_control", migrations("postgres_control", 0)[-1][0])


def test_t35_two_roles_that_start_at_once_on_an_empty_directory_both_serve(tmp_path: Path) -> None:
    host = make_host(tmp_path / "one", None)
    keeper = subprocess.Popen([sys.executable, "-m", "trimtab", "keeper"], env=host.environ)
    try:
        host.launch()
        eventually(host.ready, "the gateway is ready")
        eventually(lambda: listens(host.home / "keeper.sock"), "the keeper is ready")
        assert host.admin("snapshot")["config_seq"] > 0
    finally:
        host.stop()
        keeper.terminate()
        keeper.wait(STOP_S)

    with closing(sqlite3.connect(host.home / "control.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (
            migrations("control", 0)[-1][0],
        )


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(path)) == 0


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_t35_a_schema_of_a_newer_program_is_not_served(
    tmp_path: Path, postgres: Server, engine: str
) -> None:
    store = postgres.database() if engine == "postgres" else None
    host = make_host(tmp_path / "one", store)
    try:
        host.start()
        host.stop()
        _make_newer(store, host.home / "control.db")

        # What it ran last is on disk, and does not help.
        for options in ([], ["--applied"]):
            host.launch(*options)
            assert host.process is not None
            assert host.process.wait(STOP_S) != 0
    finally:
        host.stop()

    assert list((host.home / "last-good").iterdir())
    assert host.log().count("upgrade trimtab") == 2
    assert "Traceback" not in host.log()


def _make_newer(store: str | None, file: Path) -> None:
    if store is not None:
        with psycopg.connect(store) as connection:
            connection.execute("UPDATE schema_version SET number = 99")
    else:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA user_version = 99")
