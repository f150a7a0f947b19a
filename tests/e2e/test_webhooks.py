"""A real keeper tells a real receiver what happened to prompts, whatever falls over meanwhile."""

import json
import os
import re
import signal
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.e2e.conftest import CONFIG, Stack, eventually, free_port, processes_of, stack_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
# Tries may be half a minute apart by the time the receiver comes up.
TOLD_S = 60.0
AWAY = {"waiting": 2, 'failing,error="ConnectFailed"': 1}
PROMPT = """\
name: greeting
version: 1.0.0
description: Greet.
owner: support
messages:
  - {role: user, content: "Mention xylophones."}
"""


class Receiver:
    """A subscriber on one port. State: the events it took, verified, in order."""

    def __init__(self) -> None:
        self.port = free_port()
        self.events: list[dict[str, Any]] = []

    @property
    def ids(self) -> list[str]:
        return [event["data"]["change"] for event in self.events]

    @contextmanager
    def up(self) -> Generator[None]:
        receiver = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                event = Webhook(SECRET).verify(body, dict(self.headers.items()))
                assert event["data"]["change"] == self.headers["webhook-id"]
                assert b"xylophones" not in body
                receiver.events.append(event)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Taking)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def test_events_outlive_a_receiver_that_is_down_and_a_keeper_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_WEBHOOK", SECRET)
    receiver = Receiver()
    hook = (
        "\nregistry:\n  webhooks:\n    - {name: ci, secret: env:E2E_WEBHOOK,"
        f" url: http://127.0.0.1:{receiver.port}/told, allow_private_network: true}}\n"
    )
    with stack_of(tmp_path, CONFIG.read_text() + hook) as stack:
        eventually(lambda: _kept(stack), "the webhook has begun")
        _publish(stack, "1.0.0")
        _run(stack, "promote", "greeting", "1.0.0", "--label", "staging")
        eventually(lambda: _told_of(stack) == AWAY, "two events wait, and that is told")
        _kill_keeper(stack)
        _publish(stack, "1.1.0")
        _run(stack, "promote", "greeting", "1.1.0", "--override")

        with receiver.up():
            _await(stack, receiver, 4)
            last = receiver.events[-1]["data"]["seq"]
            eventually(lambda: _kept(stack) == last, "what was told is on disk")
            _kill_keeper(stack)
            _run(stack, "promote", "greeting", "1.0.0", "--label", "production", "--override")
            _run(stack, "yank", "greeting@1.1.0")
            _run(stack, "unyank", "greeting@1.1.0")
            _await(stack, receiver, 7)
            eventually(lambda: _told_of(stack) == {"waiting": 0}, "nothing waits any more")

        assert "webhook 'ci' is new" in stack.log()
        assert [event["type"] for event in receiver.events] == [
            "prompt.published",
            "prompt.label_moved",
            "prompt.published",
            "prompt.override",
            "prompt.override",
            "prompt.yanked",
            "prompt.unyanked",
        ]
        assert receiver.ids == _changes(stack)


def _publish(stack: Stack, version: str) -> None:
    file = stack.home / "greeting.prompt.yaml"
    file.write_text(PROMPT.replace("1.0.0", version).replace("Greet.", f"Greet {version}."))
    stack.run("prompts", "publish", str(file))


def _run(stack: Stack, *words: str) -> None:
    stack.run("prompts", *words, "--reason", "test")


def _changes(stack: Stack) -> list[str]:
    """List the ids of the changes that subscribers are told of, from the log itself."""
    told = stack.json("changes", "list", "--limit", "50")["changes"]
    kinds = ("prompt/", "label/", "yank/")
    return [it["change_id"] for it in reversed(told) if it["pointer"].startswith(kinds)]


def _kept(stack: Stack) -> int | None:
    """Read how far the webhook is."""
    file = stack.home / "webhooks" / "ci.json"
    return json.loads(file.read_bytes())["seq"] if file.exists() else None


def _told_of(stack: Stack) -> dict[str, int]:
    """Scrape what is told of the webhook: its metrics with what went wrong, if something did."""
    try:
        with urllib.request.urlopen(f"{stack.url}/metrics", timeout=5) as answer:  # noqa: S310
            text = answer.read().decode()
    except OSError:
        return {}
    found = re.findall(r'^trimtab_webhook_(\w+)\{name="ci"(.*)\} ([0-9]+)$', text, re.MULTILINE)
    return {name + error: int(value) for name, error, value in found}


def _kill_keeper(stack: Stack) -> None:
    [pid] = [it for it, line in processes_of(stack.home).items() if "supervised keeper" in line]
    os.kill(pid, signal.SIGKILL)


def _await(stack: Stack, receiver: Receiver, count: int) -> None:
    eventually(lambda: len(receiver.events) >= count, f"{count} events came\n{stack.log()}", TOLD_S)
