"""kill -9 of workers and keepers at many points under load: nothing answered is lost, nothing is
counted twice, and the ledger equals the provider's own bill to the nano-dollar.

Peers lose here: https://github.com/BerriAI/litellm/issues/38157.
"""

import json
import os
import random
import signal
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

KILLS = 50
CLIENTS = 6


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Stack]:
    with stack_in(tmp_path) as stack:
        yield stack


class Client(threading.Thread):
    """Asks, stream and not, until told to stop. Remembers which requests were answered whole."""

    def __init__(self, stack: Stack, key: str, number: int) -> None:
        super().__init__(daemon=True)
        self.answered: list[str] = []
        self.stop = threading.Event()
        self._stack, self._key, self._number = stack, key, number

    def run(self) -> None:
        count = 0
        while not self.stop.is_set():
            count += 1
            try:
                self._ask(count, stream=count % 2 == 0)
            except (OSError, urllib.error.URLError, json.JSONDecodeError):
                self.stop.wait(0.02)

    def _ask(self, count: int, *, stream: bool) -> None:
        text = f"[[sim: tokens=30]] client {self._number} call {count}"
        body = {
            "model": "chat",
            "stream": stream,
            "messages": [{"role": "user", "content": text}],
        }
        request = urllib.request.Request(  # noqa: S310
            f"{self._stack.url}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {self._key}",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            request_id = answer.headers["x-trimtab-request-id"]
            data = answer.read()
        whole = data.endswith(b"[DONE]\n\n") if stream else bool(json.loads(data)["choices"])
        if whole:
            self.answered.append(request_id)


def _children(stack: Stack, role: str) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        ours = f"TRIMTAB_HOME={stack.home}".encode() in environment
        if ours and b"trimtab" in b" ".join(words) and role.encode() in words:
            found.append(int(entry.name))
    return found


def test_after_fifty_kills_records_ledger_and_bill_agree(mortal: Stack) -> None:
    chance = random.Random(7)
    key = mortal.key()
    clients = [Client(mortal, key, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()

    for number in range(KILLS):
        role = ("gateway", "keeper", "gateway", "keeper", "both")[number % 5]
        threading.Event().wait(chance.uniform(0.05, 0.35))
        for name in ("gateway", "keeper") if role == "both" else (role,):
            for pid in _children(mortal, name):
                os.kill(pid, signal.SIGKILL)
        eventually(mortal.ready, "the gateway is back")
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join(15)

    answered = [request_id for client in clients for request_id in client.answered]
    assert len(answered) > KILLS
    records = eventually(lambda: _settled(mortal, set(answered)), "every answer is recorded")
    assert len(answered) == len(set(answered))
    assert {records[request_id]["status"] for request_id in answered} == {"ok"}
    _ledger_equals_bill(mortal, records)


def _settled(stack: Stack, answered: set[str]) -> dict[str, Any] | None:
    """Give all records once every answered one is there and no spool has more to read."""
    connection = sqlite3.connect(f"file:{stack.home}/records.db?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        rows = connection.execute("SELECT request_id, status, response_id FROM request").fetchall()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    found = {row["request_id"]: dict(row) for row in rows}
    bill = stack.sim("bill")
    seen = {row["response_id"] for row in rows} | {None}
    lost = sum(row["status"] == "lost" for row in rows)
    unseen = [line for line in bill["lines"] if line["id"] not in seen]
    return found if answered <= set(found) and len(unseen) <= lost else None


def _ledger_equals_bill(stack: Stack, records: dict[str, Any]) -> None:
    connection = sqlite3.connect(f"file:{stack.home}/records.db?mode=ro", uri=True)
    try:
        ledger = connection.execute("SELECT request_id, cost_nano FROM ledger").fetchall()
        [(twice,)] = connection.execute(
            "SELECT COUNT(*) - COUNT(DISTINCT line_id) FROM ledger"
        ).fetchall()
        [(rolled,)] = connection.execute("SELECT SUM(cost_nano) FROM rollup_day").fetchall()
    finally:
        connection.close()
    assert twice == 0
    assert rolled == sum(cost for _, cost in ledger)
    charged = {
        records[request_id]["response_id"]: cost
        for request_id, cost in ledger
        if records[request_id]["status"] == "ok"
    }
    billed = {line["id"]: line["cost_nano"] for line in stack.sim("bill")["lines"]}
    assert charged == {response_id: billed[response_id] for response_id in charged}
