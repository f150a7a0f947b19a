"""A Trimtab with a Redis and two simulators, one of which takes its time, for calls of `mixed`."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Stack, eventually, free_port, processes_of
from tests.services import RedisServer, running_redis

FILE = Path(__file__).with_name("mixed.yaml")


class MixedStack(Stack):
    """State: where the second simulator listens, and the Redis, once it runs."""

    redis: RedisServer

    def __init__(self, home: Path, workers: int) -> None:
        super().__init__(home, free_port(), free_port())
        self.paced_port = free_port()
        self.workers = workers

    def configure(self, redis: RedisServer, tenants: str) -> None:
        """Write the file, and say how to run it."""
        self.redis = redis
        text = FILE.read_text().replace("REDIS", redis.url)
        text = text.replace("\ntenants:\n", f"\ntenants:\n{tenants}")
        text = text.replace(":PORT", f":{self.sim_port}").replace(":PACED", f":{self.paced_port}")
        file = self.home / "mixed.yaml"
        file.write_text(text)
        self.options = ["--config", str(file), "--workers", str(self.workers)]

    def bill(self) -> list[dict[str, Any]]:
        """Give what both simulators bill."""
        told: list[dict[str, Any]] = []
        for port in (self.sim_port, self.paced_port):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_sim/bill") as answer:
                book = json.load(answer)
            assert not book["lines_forgotten"]
            told += book["lines"]
        return told

    def worker_pids(self) -> list[int]:
        """Find the workers that run."""
        running = processes_of(self.home).items()
        return sorted(pid for pid, line in running if "supervised gateway" in line)


@contextmanager
def mixed_stack(home: Path, workers: int, tenants: str = "") -> Generator[MixedStack]:
    """Run it, perhaps with more tenants, and stop it at the end."""
    stack = MixedStack(home, workers)
    with running_redis(home) as redis:
        stack.configure(redis, tenants)
        words = ("sim", "--port", str(stack.paced_port), "--latency", "chatgpt-like")
        environ = {**os.environ, "TRIMTAB_HOME": str(home / "none")}
        paced = subprocess.Popen(
            [sys.executable, "-m", "trimtab", *words], env=environ, stdout=subprocess.DEVNULL
        )
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
            paced.terminate()
            paced.wait(10)


def settled(stack: Stack) -> bool:
    """Whether no request is open, and the recorder read every spool to its end."""
    ends = {
        path.parent.name: (int(path.stem), path.stat().st_size)
        for path in sorted(stack.home.glob("spool/*/*.spool"))
    }
    places = {
        worker: tuple(place)
        for worker, *place in (row.values() for row in stack.rows("SELECT * FROM spool_position"))
    }
    still_open = stack.rows("SELECT request_id FROM open_request LIMIT 1")
    return not still_open and all(places.get(worker) == end for worker, end in ends.items())


def final_bill(stack: MixedStack) -> list[dict[str, Any]]:
    """Wait until the simulators have nothing more to bill."""
    seen = [-1]

    def stands_still() -> list[dict[str, Any]] | None:
        bill = stack.bill()
        seen.append(len(bill))
        return bill if seen[-1] == seen[-2] else None

    return eventually(stands_still, "the bill stands still")
