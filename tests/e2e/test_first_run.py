"""The first minutes: `trimtab up` in an empty directory, what it prints, and how it ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.e2e.browser import Browser, printed_password
from tests.e2e.conftest import Stack, eventually, free_port
from tests.e2e.raw_http import chat

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

SECONDS = 8.0
"""Within which everything that was started has stopped."""


class Newcomer(Stack):
    """Somebody who has nothing but an empty directory: no file, no environment of ours."""

    @property
    def environ(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name[:8] != "TRIMTAB_"}

    def start(self) -> None:
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trimtab", "up", "--port", str(self.port), *self.options],
                env=self.environ,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(lambda: "Trimtab is running" in self.log() and self.ready(), "it is ready")

    @property
    def log_path(self) -> Path:
        return self.home.with_suffix(".log")

    def log(self) -> str:
        return self.log_path.read_text()

    def keys(self) -> dict[str, str]:
        """Read the keys that were printed, by tenant."""
        return dict(re.findall(r"key of (\S+) +(tt_\S+)", self.log()))

    def children(self) -> list[int]:
        """Find the processes it started."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


@contextmanager
def newcomer_in(home: Path, *options: str) -> Generator[Newcomer]:
    home.mkdir(exist_ok=True)
    newcomer = Newcomer(home, free_port(), 0)
    newcomer.options = list(options)
    try:
        newcomer.start()
        yield newcomer
    finally:
        newcomer.stop()


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    with newcomer_in(tmp_path_factory.mktemp("empty") / "directory") as running:
        yield running


def test_it_prints_a_key_for_each_tenant_and_both_addresses(newcomer: Newcomer) -> None:
    printed = newcomer.log()

    assert set(newcomer.keys()) == {"acme", "hobby"}
    assert f"{newcomer.url}/v1" in printed
    assert f"{newcomer.url}/console" in printed
    assert "Traceback" not in printed


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed command needs curl")
def test_the_printed_curl_works_as_printed(newcomer: Newcomer) -> None:
    [command] = re.findall(r"^curl .*\\\n.*$", newcomer.log(), re.MULTILINE)

    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=True, cwd=newcomer.home
    )

    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_the_printed_python_works_as_printed(newcomer: Newcomer) -> None:
    [snippet] = re.findall(
        r"^from openai .*?^print\(.*?$", newcomer.log(), re.MULTILINE | re.DOTALL
    )

    done = subprocess.run(
        [sys.executable, "-c", snippet],
        env=newcomer.environ,
        cwd=newcomer.home,
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(done.stdout) > 20


def test_a_call_is_in_the_console_within_a_second(newcomer: Newcomer) -> None:
    browser = Browser(newcomer.url)
    overview = browser.log_in(printed_password(newcomer.log()))
    asked = chat("[[sim: answer=Land in sight, captain.]] Is there land?")

    _, headers, _ = newcomer.post("/v1/chat/completions", asked, newcomer.keys()["acme"])
    request_id = headers["x-trimtab-request-id"]
    page = eventually(lambda: _page(browser, request_id), "the call has a page", 1.0)

    assert "Log out" in overview
    assert "Is there land?" in page
    assert "Land in sight, captain." in page
    assert "acme" in page
    assert request_id in browser.page("/console/requests")
    assert browser.record(request_id)["record"]["status"] == "ok"


def test_the_console_is_closed_to_strangers(newcomer: Newcomer) -> None:
    stranger = Browser(newcomer.url)

    seen = stranger.page("/console/requests")
    with pytest.raises(urllib.error.HTTPError) as raised:
        stranger.log_in("guess")

    assert 'name="password"' in seen
    with raised.value as refused:
        assert refused.code == 401


def test_no_secret_that_was_printed_is_kept(newcomer: Newcomer) -> None:
    newcomer.post("/v1/chat/completions", chat(), newcomer.keys()["acme"])
    secrets = [*newcomer.keys().values(), printed_password(newcomer.log())]

    kept = [path for path in (newcomer.home / ".trimtab").rglob("*") if path.is_file()]

    assert len(kept) > 5
    for path in kept:
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in data], path
    assert (newcomer.home / ".trimtab" / "site.key").stat().st_mode & 0o077 == 0


def test_a_port_that_is_taken_is_explained(newcomer: Newcomer) -> None:
    done = newcomer.run("up", "--port", str(newcomer.port), "--home", "elsewhere", check=False)

    assert done.returncode == 2
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_one_on_the_same_state_is_refused_and_changes_nothing(newcomer: Newcomer) -> None:
    before = newcomer.json("changes", "list")

    done = newcomer.run("up", "--port", str(free_port()), check=False)

    assert done.returncode == 2
    assert "trimtab runs on" in done.stderr
    assert newcomer.json("changes", "list") == before


def test_a_broken_record_store_leaves_calls_and_the_kill_switch(tmp_path: Path) -> None:
    with newcomer_in(tmp_path / "home") as newcomer:
        keys, password = newcomer.keys(), printed_password(newcomer.log())
        newcomer.stop()
        for path in (newcomer.home / ".trimtab").glob("records.db*"):
            path.write_bytes(b"no database at all" * 1000)

        newcomer.start()

        status, _, _ = newcomer.post("/v1/chat/completions", chat(), keys["acme"])
        assert status == 200
        browser = Browser(newcomer.url)
        form = {"name": "admin", "password": password, "next": "/console/tenants/acme/suspend"}
        page = browser.page("/console/login", form)
        [csrf] = re.findall(r'name="csrf" value="([^"]+)"', page)[:1]
        said = {"csrf": csrf, "reason": "the store is broken", "hours": ""}
        assert "No figures" in page
        assert "suspended" in browser.page("/console/tenants/acme/suspend", said)
        eventually(
            lambda: newcomer.post("/v1/chat/completions", chat(), keys["acme"])[0] == 403,
            "the kill switch works",
        )
        assert "records wait in the spool" in newcomer.log()


def test_a_second_start_prints_no_secret_and_knows_the_old_ones(tmp_path: Path) -> None:
    with newcomer_in(tmp_path / "home") as newcomer:
        keys, password = newcomer.keys(), printed_password(newcomer.log())
        _, headers, _ = newcomer.post("/v1/chat/completions", chat(), keys["acme"])
        newcomer.stop()

        newcomer.start()

        printed = newcomer.log()
        assert "Trimtab is running" in printed
        assert "tt_" not in printed
        assert "console login" not in printed
        assert password not in printed
        status, _, _ = newcomer.post("/v1/chat/completions", chat(), keys["acme"])
        assert status == 200
        browser = Browser(newcomer.url)
        browser.log_in(password)
        record = browser.record(headers["x-trimtab-request-id"])["record"]
        assert record["tenant_id"] == "acme"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_asked_to_stop_it_stops_its_children_too(tmp_path: Path, number: signal.Signals) -> None:
    with newcomer_in(tmp_path / "home") as newcomer:
        children = newcomer.children()
        assert newcomer.process is not None

        newcomer.process.send_signal(number)

        assert newcomer.process.wait(SECONDS) == 0
        assert len(children) == 3
        assert [pid for pid in children if _lives(pid)] == []
        assert "Traceback" not in newcomer.log()


def test_killed_it_takes_its_children_along(tmp_path: Path) -> None:
    with newcomer_in(tmp_path / "home") as newcomer:
        children = newcomer.children()
        assert newcomer.process is not None

        newcomer.process.kill()
        newcomer.process.wait(SECONDS)

        assert len(children) == 3
        eventually(
            lambda: not any(_lives(pid) for pid in children), "all children are gone", SECONDS
        )


def test_a_child_that_dies_is_started_anew(tmp_path: Path) -> None:
    with newcomer_in(tmp_path / "home") as newcomer:
        key, before = newcomer.keys()["acme"], set(newcomer.children())

        for pid in before:
            os.kill(pid, signal.SIGKILL)

        eventually(lambda: len(set(newcomer.children()) - before) == 3, "three new children")
        status = eventually(lambda: _served(newcomer, key), "it serves again")
        assert status == 200
        assert newcomer.log().count("restarting it") >= 3


def _served(newcomer: Newcomer, key: str) -> int | None:
    with suppress(OSError):
        status, _, _ = newcomer.post("/v1/chat/completions", chat(), key)
        return status if status == 200 else None
    return None


def _page(browser: Browser, request_id: str) -> str | None:
    try:
        return browser.page(f"/console/requests/{request_id}")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 404:
            raise
        return None


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked after (a zombie) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
