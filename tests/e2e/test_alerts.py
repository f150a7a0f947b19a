"""A tenant runs away from a real keeper, which tells a real receiver once."""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.e2e.conftest import CONFIG, Stack, eventually, free_port, stack_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
TOLD_S = 30.0
ASKED = json.dumps(
    {"model": "chat", "messages": [{"role": "user", "content": "Again about xylophones."}]}
).encode()


class Receiver:
    """Takes what is told, verified. State: the ids and events that came, in order."""

    def __init__(self) -> None:
        self.port = free_port()
        self.ids: list[str] = []
        self.events: list[dict[str, Any]] = []

    @contextmanager
    def up(self) -> Generator[None]:
        receiver = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert b"xylophones" not in body
                receiver.events.append(Webhook(SECRET).verify(body, dict(self.headers.items())))
                receiver.ids.append(self.headers["webhook-id"])
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

    def rules(self) -> list[str]:
        """Name the rules that were told, in order of the alphabet."""
        return sorted(it["rule"] for event in self.events for it in event["data"]["alerts"])


def test_a_runaway_is_told_once_although_the_receiver_was_down_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_ALERTS", SECRET)
    receiver = Receiver()
    text = CONFIG.read_text().replace(
        "acme: {tier: wide,", "acme: {tier: wide, budget: {usd: 0.05, when_empty: warn},"
    )
    text += (
        "\nalerts:\n  every: 500ms\n  floor_usd: 0.01\n  routes:\n"
        "    - {name: ops, kind: webhook, secret: env:E2E_ALERTS, severities: [page],"
        f" url: http://127.0.0.1:{receiver.port}/told, allow_private_network: true}}\n"
    )
    with stack_of(tmp_path, text) as stack:
        _run_away(stack)
        eventually(lambda: {"loop", "spend_rate"} <= _open(stack), "both are raised", TOLD_S)
        eventually(lambda: stack.json("alerts", "list")["waiting"], "it cannot be told yet")
        with receiver.up():
            eventually(lambda: len(receiver.events) >= 2, f"both came\n{stack.log()}", TOLD_S)
            # As many judgements again: what is open already is not told again.
            time.sleep(2)

        alerts = stack.json("alerts", "list", "--open")["alerts"]
        [loop] = [it for it in alerts if it["rule"] == "loop"]
        assert receiver.rules() == ["loop", "spend_rate"]
        assert len(set(receiver.ids)) == 2
        assert (loop["tenant"], loop["feature"], loop["model"]) == ("acme", "default", "chat")
        assert stack.record(loop["samples"][0])["tenant_id"] == "acme"
        assert "no alert" not in stack.run("alerts", "list", "--open").stdout
        silent = stack.run("alerts", "silence", loop["id"], "--for", "2h", "--reason", "known")
        assert silent.stdout.startswith(f"{loop['id']} is silent until ")


def _run_away(stack: Stack) -> None:
    key = stack.key()
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(stack.post, "/v1/chat/completions", ASKED, key) for _ in range(60)]
    assert {it.result()[0] for it in made} == {200}


def _open(stack: Stack) -> set[str]:
    return {it["rule"] for it in stack.json("alerts", "list", "--open")["alerts"]}
