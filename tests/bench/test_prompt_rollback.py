"""How soon everybody follows a move of a label: four workers, a hundred applications, half idle.

From the instant of the change. A worker follows when it says so; an application when it holds the
new version (idle) or renders it (busy). Prints, and holds the goal.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, eventually, stack_in
from tests.e2e.prompting import NAME, free_config, greeting, promote, publish
from tests.services import running_redis

from trimtab.control.models import By
from trimtab.domain.change import Change, Source
from trimtab.domain.prompt import Place
from trimtab.wiring.registry import registry

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

WORKERS, MOVES = 4, 50
GROUPS = ("idle", "idle", "busy", "busy")
OF_EACH = 25
QUIET_S = 0.3
GOAL_S = 1.0
BY = By("bench", Source.CLI, "bench")


class Clients:
    """A process with some clients. State: when how many of them had which version."""

    def __init__(self, stack: Stack, key: str, kind: str) -> None:
        self.kind = kind
        self.seen: defaultdict[str, list[float]] = defaultdict(list[float])
        words = (stack.url, key, str(OF_EACH), kind)
        # Our own interpreter and our own module.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.prompt_clients", *words],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self._reading.join()
        self.process.communicate()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            version, at_s = json.loads(line)
            self.seen[version].append(at_s)


def test_prints_how_soon_everybody_follows_a_rollback(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path) as redis,
        stack_in(
            tmp_path,
            *("--config", str(free_config(tmp_path, redis.url)), "--workers", str(WORKERS)),
        ) as stack,
    ):
        publish(stack, greeting("1.0.0"), greeting("1.1.0"))
        promote(stack, "1.1.0")
        promote(stack, "1.0.0")
        with _clients(stack) as groups:
            _wait_for(groups, "1.0.0")
            took: defaultdict[str, list[float]] = defaultdict(list[float])
            for number in range(MOVES):
                _move(stack, groups, took, number)

    print()
    for what, values in took.items():
        p50, p99 = _share(values, 0.5) * 1000, _share(values, 0.99) * 1000
        print(
            f"{what:16}{p50:8.0f} ms p50, {p99:.0f} ms p99, {max(values) * 1000:.0f} ms at most,"
            f" {len(values)} of {MOVES} moves"
        )
    assert max(_share(values, 0.99) for values in took.values()) < GOAL_S


@contextmanager
def _clients(stack: Stack) -> Generator[Sequence[Clients]]:
    key = stack.key()
    groups = [Clients(stack, key, kind) for kind in GROUPS]
    try:
        yield groups
    finally:
        for group in groups:
            group.stop()


def _move(
    stack: Stack, groups: Sequence[Clients], took: defaultdict[str, list[float]], number: int
) -> None:
    """Move the label forwards or back, and wait until everybody has followed."""
    time.sleep(QUIET_S)
    for group in groups:
        group.seen.clear()
    change = asyncio.run(_forwards(stack) if number % 2 == 0 else _back(stack))
    version = "1.1.0" if number % 2 == 0 else "1.0.0"
    _wait_for(groups, version)
    stack.everybody_runs(change.seq)
    acks = [it for it in stack.admin("snapshot")["workers"] if it["worker_id"][:7] == "gateway"]
    changed_s = change.ts_us / 1e6
    took["workers"] += [it["ts_us"] / 1e6 - changed_s for it in acks]
    for group in groups:
        took[f"{group.kind} clients"] += [at_s - changed_s for at_s in group.seen[version]]


async def _forwards(stack: Stack) -> Change:
    return await registry(stack.home).labels.promote(Place(NAME), "1.1.0", BY)


async def _back(stack: Stack) -> Change:
    return await registry(stack.home).labels.rollback(Place(NAME), BY)


def _wait_for(groups: Sequence[Clients], version: str) -> None:
    eventually(
        lambda: all(len(group.seen[version]) == OF_EACH for group in groups),
        f"all clients have {version}",
        60.0,
    )


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]
