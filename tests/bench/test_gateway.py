"""What a request costs in a gateway worker with everything on: key, limits, cost, spool, keeper.

Ratios are to the same server with nothing behind it, measured in the same run.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import pytest
from tests.bench.load import Load, chat, cpu_s, rss_mb, run
from tests.e2e.conftest import eventually, free_port

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]

SECONDS = 4.0
CONNECTIONS = 64
STREAMS = 50

FILE = """
version: 1
providers:
  bench: {{wire: openai, url: "http://127.0.0.1:{port}/v1", key: none, allow_private_network: true}}
models:
  bench: {{kind: alias, to: bench/bench}}
tiers:
  bench:
    models: [bench]
    limits: {{requests_per_minute: 10_000_000, tokens_per_minute: 1_000_000_000, parallel: 10_000}}
tenants:
  bench: {{tier: bench}}
prices:
  overrides:
    bench/*: {{input: 1.25, output: 10}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def process(*words: str, home: Path) -> Generator[int]:
    """Run a Python module until the end of the block; gives its process id."""
    running = subprocess.Popen(
        [sys.executable, "-m", *words],
        env={**os.environ, "TRIMTAB_HOME": str(home / "state")},
        cwd=Path(__file__).parents[2],
    )
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def gateway(home: Path, pace_ms: float = 0.0) -> Generator[tuple[int, int, str, float]]:
    """Run a worker and a keeper; gives process id, port, key, and seconds to the first answer."""
    upstream, port, file = free_port(), free_port(), home / "trimtab.yaml"
    file.write_text(FILE.format(port=upstream))
    config = ("--config", str(file))
    with process("tests.bench.upstream", str(upstream), str(pace_ms), home=home):
        start_s = perf_counter()
        with process("trimtab", "gateway", "--port", str(port), *config, home=home) as pid:
            key = eventually(lambda: _key(home), "the configuration is applied")
            eventually(lambda: _asked(port, key), "the gateway answers")
            ready_s = perf_counter() - start_s
            with process("trimtab", "keeper", *config, home=home):
                yield pid, port, key, ready_s


def test_prints_what_a_request_costs(home: Path) -> None:
    bare_us = _bare_us(home)
    with gateway(home) as (pid, port, key, ready_s):
        load, spent_us = _measure(pid, port, chat(key, stream=False), CONNECTIONS)
        rss = rss_mb(pid)

    print(f"\nrequest          {spent_us:8.0f} us CPU    {spent_us / bare_us:5.2f} x a bare server")
    print(f"bare server      {bare_us:8.0f} us CPU")
    print(
        f"throughput       {load.answers / load.seconds:8.0f} requests/s, load in Python beside it"
    )
    p50_ms, p99_ms = load.percentile_ms(0.5), load.percentile_ms(0.99)
    print(f"latency          {p50_ms:8.1f} ms p50, {p99_ms:.1f} ms p99, {CONNECTIONS} at once")
    print(f"worker memory    {rss:8.0f} MB after {load.answers} requests")
    print(f"first answer     {ready_s:8.2f} s after the start, key made with the command line")
    assert load.answers


def test_prints_what_an_event_of_a_stream_costs(home: Path) -> None:
    with gateway(home, pace_ms=2.0) as (pid, port, key, _):
        load, spent_us = _measure(pid, port, chat(key, stream=True), STREAMS)

    each = load.events / load.answers
    print(f"\nstream           {spent_us:8.0f} us CPU for {each:.0f} events")
    print(f"event            {spent_us / each:8.1f} us CPU, the request's own share included")
    assert load.events


def _bare_us(home: Path) -> float:
    port = free_port()
    with process("tests.bench.bare", str(port), home=home) as pid:
        eventually(lambda: _asked(port, ""), "the bare server answers")
        return _measure(pid, port, chat("", stream=False), CONNECTIONS)[1]


def _measure(pid: int, port: int, request: bytes, connections: int) -> tuple[Load, float]:
    """Load a process for some seconds; gives CPU microseconds for each answer, too."""
    asyncio.run(run(port, request, connections=connections, seconds=1.0))
    before_s = cpu_s(pid)
    load = asyncio.run(run(port, request, connections=connections, seconds=SECONDS))
    return load, (cpu_s(pid) - before_s) / load.answers * 1e6


def _asked(port: int, key: str) -> bool:
    try:
        request = chat(key, stream=False)
        return asyncio.run(run(port, request, connections=1, seconds=0.001)).answers > 0
    except (OSError, AssertionError, asyncio.IncompleteReadError):
        return False


def _key(home: Path) -> str | None:
    words = ("keys", "create", "--tenant", "bench", "--name", "bench", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", *words, "--home", str(home / "state")],
        capture_output=True,
        check=False,
    )
    return str(json.loads(done.stdout)["key"]) if done.returncode == 0 else None
