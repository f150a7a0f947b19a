import asyncio
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.cli.conftest import Terminal
from tests.telemetry.shapes import TS_US, answered
from tests.telemetry.spooled import Spooled

from trimtab import wiring
from trimtab.store.base.recording import Batch
from trimtab.telemetry.standing import dead_letters, trouble_file


class Receiver(ThreadingHTTPServer):
    """Answers with one status and text; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.text = 200, b""
        self.taken: list[tuple[str, bytes]] = []


class Answering(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.path, body))
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.text)))
        self.end_headers()
        self.wfile.write(self.server.text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as it is there
        """Say nothing."""


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def shop(terminal: Terminal, receiver: Receiver) -> Terminal:
    (terminal.home / "trimtab.yaml").write_text(
        "version: 1\ntelemetry:\n  exporters:\n"
        f"    - {{name: near, preset: phoenix, endpoint: 'http://127.0.0.1:{receiver.server_port}'}}\n"
        "    - {name: both, endpoint: 'http://127.0.0.1:1', signals: [traces, logs, metrics]}\n"
    )
    return terminal


@pytest.fixture
def state(shop: Terminal) -> Path:
    return shop.home / ".trimtab"


def test_a_check_sends_a_trace_and_tells_the_answer(shop: Terminal, receiver: Receiver) -> None:
    told = shop.run("telemetry", "check", "near").stdout

    ((path, _),) = receiver.taken
    assert path == "/v1/traces"
    assert f"POST http://127.0.0.1:{receiver.server_port}/v1/traces\nanswer 200\n" in told
    assert "taken; look for it there" in told


@pytest.mark.parametrize(
    ("status", "text", "code", "says"),
    [
        (401, b"no\x1b[31m such\nkey", 1, "answer 401  no [31m such key\n"),
        (503, b"", 1, "not now; spans would wait"),
        (400, b"odd", 1, "refused; spans would be put aside"),
        (200, b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "old"}}', 1, "in part"),
        (200, b"{}", 0, "taken; look for it there"),
    ],
)
def test_a_check_tells_what_would_become_of_spans(
    shop: Terminal, receiver: Receiver, status: int, text: bytes, code: int, says: str
) -> None:
    receiver.status, receiver.text = status, text

    assert says in shop.run("telemetry", "check", "near", code=code).stdout


def test_a_check_without_an_answer_could_not(shop: Terminal) -> None:
    found = shop.run("telemetry", "check", "both", code=4)

    assert "nobody answers there" in found.stdout
    assert "'both' gives no answer" in found.stderr


def test_a_check_is_json_for_programs(shop: Terminal, receiver: Receiver) -> None:
    receiver.status, receiver.text = 403, b"wrong"

    told = shop.json("telemetry", "check", "near", code=1)

    assert (told["status"], told["taken"], told["message"]) == (403, False, "wrong")
    assert len(bytes.fromhex(told["trace_id"])) == 16


def test_an_unknown_exporter_is_told(shop: Terminal) -> None:
    assert "there is 'near', 'both'" in shop.run("telemetry", "check", "far", code=2).stderr


def test_the_list_tells_what_waits_and_what_holds_it_up(shop: Terminal, state: Path) -> None:
    Spooled(state).finish(answered())
    dead = dead_letters(state, "near")
    dead.mkdir(parents=True)
    (dead / "1-400-aa.otlp.gz").touch()
    trouble_file(state, "both@logs").parent.mkdir(parents=True, exist_ok=True)
    trouble_file(state, "both@logs").write_bytes(b"401")
    trouble_file(state, "both").write_bytes(b"0")

    told = shop.json("exporters", "list")
    text = shop.run("exporters", "list").stdout

    assert [(it["name"], it["signal"], it["put_aside"], it["trouble"]) for it in told] == [
        ("near", "traces", 1, None),
        ("both", "traces", 0, 0),
        ("both", "logs", 0, 401),
    ]
    assert min(it["waiting_bytes"] for it in told) > 1_000
    assert "paused: answer 401" in text
    assert "tries again: no answer" in text


def test_nothing_is_listed_without_exporters(terminal: Terminal) -> None:
    (terminal.home / "trimtab.yaml").write_text("version: 1\n")

    assert "nothing is exported" in terminal.run("exporters", "list").stdout


def test_what_was_put_aside_is_sent_again(shop: Terminal, receiver: Receiver, state: Path) -> None:
    dead = dead_letters(state, "near")
    dead.mkdir(parents=True)
    (dead / "1-400-aa.otlp.gz").write_bytes(b"first")
    (dead / "2-400-aa.otlp.gz").write_bytes(b"second")
    receiver.status = 400
    assert "0 batches taken, 2 refused" in shop.run("exporters", "retry", "near", code=1).stdout
    receiver.status = 401
    assert "answer 401" in shop.run("exporters", "retry", "near", code=4).stderr
    receiver.status, receiver.taken = 200, []

    told = shop.run("exporters", "retry", "near").stdout

    assert told == "2 batches taken, 0 refused, 0 not tried\n"
    assert receiver.taken == [("/v1/traces", b"first"), ("/v1/traces", b"second")]
    assert not list(dead.iterdir())


def test_stored_requests_are_sent_by_day(shop: Terminal, receiver: Receiver, state: Path) -> None:
    store = wiring.ledger(state)
    asyncio.run(store.commit(Batch(finishes=(answered(1), answered(2, ts_us=TS_US + 9 * 10**10)))))
    store.close()
    day = "2026-04-25"

    told = shop.run("exporters", "backfill", "near", "--from", day, "--to", "2026-04-26").stdout

    assert told == "7 spans sent to 'near'\n"
    assert len(receiver.taken) == 1


def test_what_is_no_instant_is_refused(shop: Terminal) -> None:
    found = shop.run("exporters", "backfill", "near", "--from", "yesterday", code=2)

    assert "'yesterday' is no day and no instant" in found.stderr
