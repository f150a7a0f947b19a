"""kill -9 of workers and keepers at many points under load, and what must hold after it.

Nothing answered is lost, nothing is counted twice, the ledger equals the provider's own bill to
the nano-dollar; every record's spans arrive at a receiver, and what applications were told is
stored is there, once.
"""

import json
import os
import random
import signal
import sqlite3
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.e2e.conftest import CONFIG, Stack, eventually
from tests.telemetry.collector import OK, Collector, Reply

from trimtab.domain.ids import span_id

CLIENTS = 6
ROLES = (("gateway",), ("keeper",), ("gateway", "keeper"))
ACCEPTED = 202
ARRIVES_S = 60.0
REFUSED_EACH = 7


class Client(threading.Thread):
    """Asks, stream and not, says what it thinks and what it did itself, until told to stop.

    Attributes:
        answered: What each request that was answered whole had asked, by its id.
        thanked: Ids of the feedback that was accepted.
        traced: Ids of the spans that were accepted.
    """

    def __init__(self, stack: Stack, key: str, number: int) -> None:
        super().__init__(daemon=True)
        self.answered: dict[str, str] = {}
        self.thanked: list[str] = []
        self.traced: list[str] = []
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
        messages = [{"role": "user", "content": text}]
        asked = {"model": "chat", "stream": stream, "messages": messages}
        _, request_id, data = self._post("chat/completions", asked)
        whole = data.endswith(b"[DONE]\n\n") if stream else bool(json.loads(data)["choices"])
        if not whole:
            return
        self.answered[request_id] = text
        if count % 3 == 0:
            said = {"request_id": request_id, "name": "thumbs", "score": 1}
            status, _, data = self._post("feedback", said)
            self.thanked += json.loads(data)["annotation_ids"] if status == ACCEPTED else ()
        if count % 3 == 1:
            span = f"{self._number + 1:04x}{count:012x}"
            self._post("traces", _spans(span))
            self.traced.append(span)

    def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, str, bytes]:
        request = urllib.request.Request(  # noqa: S310
            f"{self._stack.url}/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self._key}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.headers["x-trimtab-request-id"] or "", answer.read()


def _spans(span: str) -> Mapping[str, Any]:
    now_ns = time.time_ns()
    told = {
        "traceId": span * 2,
        "spanId": span,
        "name": "work",
        "startTimeUnixNano": str(now_ns - 1_000_000),
        "endTimeUnixNano": str(now_ns),
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}


def config(home: Path, collector: Collector) -> Path:
    """Write a file that exports everything, with what was written, to a collector."""
    url = f"http://127.0.0.1:{collector.port}"
    exporter = f"{{name: strict, endpoint: '{url}', content: span}}"
    file = home / "mortal.yaml"
    file.write_text(f"{CONFIG.read_text()}\ntelemetry: {{exporters: [{exporter}]}}\n")
    return file


def kill_under_load(mortal: Stack, collector: Collector, kills: int, seed: int) -> None:
    """Kill so many processes, wait until all is settled, and look whether all of it agrees."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable on purpose
    collector.judge = _Moody()
    key = mortal.key()
    clients = [Client(mortal, key, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    killed = 0
    while killed < kills:
        time.sleep(chance.uniform(0.02, 0.3))
        killed += sum(_kill(pid) for role in chance.choice(ROLES) for pid in _running(mortal, role))
        eventually(mortal.ready, "the gateway is back")
    for client in clients:
        client.told.set()
    for client in clients:
        client.join(15)

    answered = {it: text for client in clients for it, text in client.answered.items()}
    assert len(answered) > kills
    eventually(lambda: _is_settled(mortal), "every request that began has ended")
    statuses = _statuses(mortal)
    assert {statuses[request_id] for request_id in answered} == {"ok"}
    assert "lost" in statuses.values()
    _ledger_equals_bill(mortal)
    assert _logged(mortal) == Counter(list(statuses))
    _told_is_stored(mortal, clients)
    _exported(mortal, collector, clients, answered)


class _Moody:
    """Refuses a batch now and then. State: how many it saw."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, _spans: int) -> Reply:
        self._seen += 1
        return OK if self._seen % REFUSED_EACH else (503, "", b"")


def _told_is_stored(stack: Stack, clients: list[Client]) -> None:
    """Look for what was accepted of feedback and of an application's spans: each once."""
    for table, name, wanted in (
        ("annotation", "annotation_id", [it for client in clients for it in client.thanked]),
        ("span", "span_id", [it for client in clients for it in client.traced]),
    ):
        assert len(wanted) > CLIENTS
        found = Counter(it for (it,) in _query(stack, f"SELECT {name} FROM {table}"))  # noqa: S608 -- ours
        assert {it: found[it] for it in wanted} == dict.fromkeys(wanted, 1)
    assert _query(stack, "SELECT count(*) FROM annotation_claim") == [(0,)]


def _exported(
    stack: Stack, collector: Collector, clients: Sequence[Client], answered: Mapping[str, str]
) -> None:
    """Look at what arrived: every record's root and attempts, and what applications told of their
    own; nothing else, each always alike.
    """
    wanted: dict[str, str] = {}
    for request_id, trace, root, attempts in _query(
        stack,
        "SELECT request_id, trace_id, span_id, attempt_count FROM request WHERE trace_kept = 1",
    ):
        wanted[root] = trace
        wanted |= {span_id(request_id, f"attempt/{n}"): trace for n in range(1, attempts + 1)}
    wanted |= {span: span * 2 for client in clients for span in client.traced}

    def missing() -> set[str]:
        return wanted.keys() - {it.hex() for it in collector.ids}

    eventually(lambda: not missing(), "every record's spans arrived", ARRIVES_S)
    copies: dict[str, set[bytes]] = defaultdict(set)
    texts: dict[str, set[str]] = defaultdict(set)
    for span in collector.taken:
        told = {it.key: it.value.string_value for it in span.attributes}
        copies[span.span_id.hex()].add(span.SerializeToString(deterministic=True))
        if span.kind == Span.SPAN_KIND_CLIENT and "gen_ai.input.messages" in told:
            [message] = json.loads(told["gen_ai.input.messages"])
            [part] = message["parts"]
            texts[told["trimtab.request_id"]].add(part["content"])
    assert [it for it, seen in copies.items() if len(seen) > 1] == []
    # Some were stored and exported though nobody could tell their application so.
    told = {it.trace_id.hex() for it in collector.taken} - set(wanted.values())
    assert {it[:16] * 2 for it in told} == told
    assert {it: texts[it] for it in answered} == {it: {text} for it, text in answered.items()}
    everything = Counter(text for seen in texts.values() for text in seen)
    assert set(everything.values()) == {1}


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
    lines = [
        json.loads(line)
        for path in stack.home.glob("log/requests-*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return Counter(it["request_id"] for it in lines if it.get("event") != "annotation")


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
