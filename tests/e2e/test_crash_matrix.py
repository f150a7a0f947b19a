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
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

KILLS = 60
CLIENTS = 6
ROLES = (("gateway",), ("keeper",), ("gateway", "keeper"))


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Stack]:
    with stack_in(tmp_path) as stack:
        yield stack


class Client(threading.Thread):
    """Asks, stream and not, until told to stop. Remembers which requests were answered whole."""

    def __init__(self, stack: Stack, key: str, number: int) -> None:
        super().__init__(daemon=True)
        self.answered: list[str] = []
        self.told = threading.Event()
        self._stack, self._key, self._number = stack, key, number

    def run(self) -> None:
        count = 0
        while not self.told.is_set():
            count += 1
            try:
                self._ask(count, stream=count % 2 == 0)
            except (OSError, HTTPException, json.JSONDecodeError):
                self.told.wait(0.02)

    def _ask(self, count: int, *, stream: bool) -> None:
        text = f"[[sim: tokens=30]] client {self._number} call {count} {'lorem ' * 60}"
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
            data = answer.read()
        whole = data.endswith(b"[DONE]\n\n") if stream else bool(json.loads(data)["choices"])
        if whole:
            self.answered.append(answer.headers["x-trimtab-request-id"])


def test_t20_after_sixty_kills_records_ledger_log_and_bill_agree(mortal: Stack) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    chance = random.Random(7)  # noqa: S311
    key = mortal.key()
    clients = [Client(mortal, key, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()

    kills = 0
    while kills < KILLS:
        time.sleep(chance.uniform(0.02, 0.3))
        kills += sum(_kill(pid) for role in chance.choice(ROLES) for pid in _running(mortal, role))
        eventually(mortal.ready, "the gateway is back")
    for client in clients:
        client.told.set()
    for client in clients:
        client.join(15)

    answered = [request_id for client in clients for request_id in client.answered]
    assert len(answered) > KILLS
    assert len(answered) == len(set(answered))
    eventually(lambda: _is_settled(mortal), "every request that began has ended")
    statuses = _statuses(mortal)
    assert {statuses[request_id] for request_id in answered} == {"ok"}
    assert "lost" in statuses.values()
    _ledger_equals_bill(mortal)
    assert _logged(mortal) == Counter(list(statuses))


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _running(stack: Stack, role: str) -> Iterator[int]:
    """Find the processes of a role; its name is the first word behind `--supervised`."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if [b"--supervised", role.encode()] == words[3:5] and str(stack.home).encode() in words:
            yield int(entry.name)


def _query(stack: Stack, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{stack.home}/records.db?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def _is_settled(stack: Stack) -> bool:
    """Whether no request is open, and every spool was read to its end."""
    ends = {
        path.parent.name: (int(path.stem), path.stat().st_size)
        for path in sorted(stack.home.glob("spool/*/*.spool"))
    }
    places = {
        worker: (segment, offset)
        for worker, segment, offset in _query(stack, "SELECT * FROM spool_position")
    }
    logged = json.loads((stack.home / "log" / "position.json").read_bytes())["places"]
    read = all(
        tuple(logged.get(worker, ())) == end == places.get(worker) for worker, end in ends.items()
    )
    return read and _query(stack, "SELECT count(*) FROM open_request") == [(0,)]


def _statuses(stack: Stack) -> dict[str, str]:
    rows = _query(stack, "SELECT request_id, status FROM request")
    assert len(rows) == len(dict(rows))
    return {request_id: str(status) for request_id, status in rows}


def _logged(stack: Stack) -> Counter[str]:
    return Counter(
        json.loads(line)["request_id"]
        for path in stack.home.glob("log/requests-*.jsonl")
        for line in path.read_text().splitlines()
    )


def _ledger_equals_bill(stack: Stack) -> None:
    """Everything the provider billed is charged to the nano-dollar, or its request was lost."""
    charged = dict(
        _query(
            stack,
            "SELECT response_id, sum(ledger.cost_nano) FROM ledger JOIN request USING (request_id)"
            " WHERE response_id IS NOT NULL GROUP BY response_id",
        )
    )
    billed = {line["id"]: line["cost_nano"] for line in stack.sim("bill")["lines"]}
    assert charged == {response_id: billed[response_id] for response_id in charged}
    [(lost,)] = _query(stack, "SELECT count(*) FROM request WHERE status = 'lost'")
    assert len(billed) - len(charged) <= int(lost)
    [(lines, ledger)] = _query(stack, "SELECT count(*), sum(cost_nano) FROM ledger")
    for rollup in ("rollup_hour", "rollup_day", "rollup_day_local"):
        assert _query(stack, f"SELECT sum(n), sum(cost_nano) FROM {rollup}") == [  # noqa: S608 -- three names of ours
            (_query(stack, "SELECT count(*) FROM request")[0][0], ledger)
        ]
    assert lines == _query(stack, "SELECT count(*) FROM request WHERE attempt_count = 1")[0][0]
