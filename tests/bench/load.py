"""A load of equal requests over keep-alive connections, and what a process spent on it."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """What was measured: whole answers, events in them, seconds, latencies in seconds, sorted."""

    answers: int
    events: int
    seconds: float
    latencies_s: Sequence[float]

    def percentile_ms(self, share: float) -> float:
        """Give a percentile of the latencies, in milliseconds."""
        return self.latencies_s[int(share * (len(self.latencies_s) - 1))] * 1000


def cpu_s(pid: int) -> float:
    """Tell the seconds of CPU a process has used, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Tell the resident memory of a process, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def run(port: int, request: bytes, *, connections: int, seconds: float) -> Load:
    """Ask over and over, each connection one request at a time, and at least once."""
    latencies: list[float] = []
    events = 0
    end_s = perf_counter() + seconds

    async def client() -> None:
        nonlocal events
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while not latencies or perf_counter() < end_s:
                start_s = perf_counter()
                writer.write(request)
                heard = await _answer(reader)
                events += heard
                latencies.append(perf_counter() - start_s)
        finally:
            writer.close()

    began_s = perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    return Load(len(latencies), events, perf_counter() - began_s, sorted(latencies))


def chat(key: str, *, stream: bool) -> bytes:
    """Write a request of about 1 KB."""
    prompt = "Summarise in one sentence what a trim tab is and why it matters. " * 13
    body = b'{"model":"bench","stream":%b,"messages":[{"role":"user","content":"%b"}]}' % (
        b"true" if stream else b"false",
        prompt.encode(),
    )
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n" % (key.encode(), len(body)) + body
    )


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer to its end; gives the number of events in it."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    if b"chunked" not in head:
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        return 0
    events = 0
    while size := int(await reader.readline(), 16):
        events += (await reader.readexactly(size + 2)).count(b"data: ")
    await reader.readline()
    return events
