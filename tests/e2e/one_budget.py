"""Streams of many callers on one budget, and what its counter said all the while."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import hiredis
from tests.e2e.mixed import Call
from tests.e2e.raw_http import OPENAI, next_answer
from tests.services import RedisServer

MOST_TOKENS, TOKENS = 12, 10
INPUT_NANO, OUTPUT_NANO = 3_000, 15_000
HOLDS_AT_LEAST_NANO = MOST_TOKENS * OUTPUT_NANO
OVER, BUSY = 402, (429, 503)
PAUSE_S, SAMPLE_S = 2.0, 0.002


def stream(number: int, begins_s: float) -> Call:
    """Ask for a stream that says its maximum, and takes a moment to begin."""
    question = f"[[sim: tokens={TOKENS}]] What is a trim tab, and who needs one? {number:06}"
    asked = {
        "model": f"chat!slow_first:{begins_s}",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": MOST_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return Call(number, OPENAI, asked)


@dataclass(slots=True)
class Load:
    """Callers of one key who go on until the budget is spent or it is time to end.

    State: what they asked, as the simulator's bill calls it, what they were answered, and which
    answers a worker gave that decided alone.
    """

    port: int
    key: str
    numbers: Iterator[int]
    until_s: float
    begins_s: float = 1.5
    statuses: Counter[int] = field(default_factory=Counter[int])
    alone: set[str] = field(default_factory=set[str])
    asked: set[str] = field(default_factory=set[str])
    broken: int = 0

    async def work(self, at_once: int) -> None:
        """Ask, so many at once."""
        await asyncio.gather(*(self._caller() for _ in range(at_once)))

    async def _caller(self) -> None:
        while time.monotonic() < self.until_s:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                if await self._connected():
                    return
            self.broken += 1
            await asyncio.sleep(PAUSE_S)

    async def _connected(self) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while time.monotonic() < self.until_s:
                call = stream(next(self.numbers), self.begins_s)
                self.asked.add(f"call-{call.number}")
                writer.write(call.request(self.key))
                answer = await next_answer(reader)
                self.statuses[answer.status] += 1
                if answer.status == OVER:
                    return True
                if answer.status in BUSY:
                    await asyncio.sleep(PAUSE_S)
                elif "x-trimtab-degraded" in answer.headers:
                    self.alone.add(answer.request_id)
        finally:
            writer.close()
        return True


class Watch:
    """Reads the counter of a tenant's budget without a pause, in a thread of its own.

    State: what it saw, `spent` and `held` of one instant each.
    """

    def __init__(self, redis: RedisServer, window: str) -> None:
        self.seen: list[tuple[int, int]] = []
        self._redis = redis
        self._window = window
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
                line.settimeout(1)
                line.connect(str(self._redis.socket))
                self._look(line)
            self._end.wait(0.05)

    def _look(self, line: socket.socket) -> None:
        reader = hiredis.Reader()
        while not self._end.wait(SAMPLE_S):
            line.sendall(f"HMGET {self._window} spent held\r\n".encode())
            while (found := reader.gets()) is False:
                data = line.recv(4096)
                if not data:
                    return
                reader.feed(data)
            spent, held = (int(it or 0) for it in found)
            if spent or held:
                self.seen.append((spent, held))


def counted(redis: RedisServer, window: str) -> tuple[int, int]:
    """Read a counter once."""
    spent, held = redis.command("HMGET", window, "spent", "held").split(b"\r\n")[2::2][:2]
    return int(spent), int(held)


def most_committed(rows: list[dict[str, Any]]) -> int:
    """Replay admissions: the most that was spent and could be owed, at any of them.

    A request may cost its declared maximum from the start of its attempt to its end, which is less
    than the time it is held for; after its record ended it costs what it cost.
    """
    events: list[tuple[int, int]] = []
    for row in rows:
        ends_us = row["started_us"] + row["dur_us"]
        most = row["input_tokens"] * INPUT_NANO + HOLDS_AT_LEAST_NANO
        events += [(row["started_us"], most), (ends_us, -most)]
        events.append((max(row["end_us"], ends_us), row["cost_nano"]))
    committed = most = 0
    for _, change in sorted(events):
        committed += change
        most = max(most, committed)
    return most


ATTEMPTS = """
SELECT a.started_us, a.dur_us, a.input_tokens, a.cost_nano, r.end_us, r.request_id
FROM attempt a JOIN request r USING (request_id) WHERE r.tenant_id = ?
"""
