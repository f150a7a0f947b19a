"""How long four workers take to follow a change while traffic runs. Prints, and holds the goal.

By acknowledgements: when the last worker said that it runs the change. By traffic: how long after
the change the last request was asked that was still served the old way; 0 if there was none.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ADMIN_KEY
from tests.e2e.mixed_stack import MixedStack, mixed_stack
from tests.e2e.raw_http import chat, next_answer, request

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

WORKERS = 4
OF_EACH = 100
CONNECTIONS = 16
WATCHED_S = 0.1
GOAL_S = 1.0
TARGETS = ("sim/large", "sim/small")


@dataclass(slots=True)
class Traffic:
    """Asks the moved model with a key that stays, and another with the key that goes.

    State: when what was asked, with what outcome: the target, or the status.
    """

    stack: MixedStack
    key: str
    going: str
    seen: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    async def run(self) -> None:
        """Ask on one connection, again and again."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.stack.port)
        try:
            while True:
                for key, model in ((self.key, "small"), (self.going, "chat")):
                    asked_s = time.time()
                    writer.write(request(key, chat(model=model, max_tokens=5)))
                    answer = await next_answer(reader)
                    if key == self.key:
                        self.seen.append((asked_s, answer.headers["x-trimtab-target"]))
                    elif key == self.going:
                        self.seen.append((asked_s, str(answer.status)))
        finally:
            writer.close()


async def test_prints_how_soon_every_worker_follows_a_change(tmp_path: Path) -> None:
    with mixed_stack(tmp_path, WORKERS) as stack:
        key = await asyncio.to_thread(stack.key)
        keys = [await _make_key(stack, number) for number in range(OF_EACH + 1)]
        traffic = Traffic(stack, key, keys[0])
        told, seen = list[float](), list[float]()
        async with _running(traffic):
            for number in range(OF_EACH):
                move = ("models/small/move", {"to": TARGETS[number % 2]})
                old = TARGETS[1 - number % 2]
                told_s, seen_s = await _follow(traffic, *move, old)
                told.append(told_s)
                seen.append(seen_s)
                key_id = traffic.going.split("_")[2]
                told_s, seen_s = await _follow(traffic, f"keys/{key_id}/revoke", {}, "200")
                told.append(told_s)
                seen.append(seen_s)
                traffic.going = keys[number + 1]

    print()
    _print("acknowledged", told)
    _print("traffic", seen)
    assert max(_share(told, 0.99), _share(seen, 0.99)) < GOAL_S


@asynccontextmanager
async def _running(traffic: Traffic) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(traffic.run()) for _ in range(CONNECTIONS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _make_key(stack: MixedStack, number: int) -> str:
    made = await asyncio.to_thread(_post, stack, "keys", {"tenant": "acme", "name": f"k{number}"})
    return str(made["key"])


async def _follow(
    traffic: Traffic, path: str, members: dict[str, str], old: str
) -> tuple[float, float]:
    """Change something; tells when the last worker said so, and what traffic saw."""
    await asyncio.sleep(WATCHED_S)
    traffic.seen.clear()
    made = await asyncio.to_thread(_post, traffic.stack, path, members)
    change = made["change"]
    acks: list[int] = []
    while len(acks) < WORKERS:
        told = await asyncio.to_thread(traffic.stack.admin, "snapshot")
        acks = [
            it["ts_us"]
            for it in told["workers"]
            if it["worker_id"].startswith("gateway") and it["config_seq"] >= change["seq"]
        ]
    await asyncio.sleep(WATCHED_S)
    changed_s = change["ts_us"] / 1e6
    late = [asked_s - changed_s for asked_s, outcome in traffic.seen if outcome == old]
    assert any(outcome != old for _, outcome in traffic.seen)
    return max(acks) / 1e6 - changed_s, max(0.0, *late, 0.0)


def _post(stack: MixedStack, path: str, members: dict[str, str]) -> dict[str, Any]:
    body = json.dumps({**members, "reason": "bench"}).encode()
    status, _, told = stack.post(f"/admin/v1/{path}", body, ADMIN_KEY)
    assert status < 300, told
    made: dict[str, Any] = json.loads(told)
    return made


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def _print(what: str, values: Sequence[float]) -> None:
    p50, p99 = _share(values, 0.5) * 1000, _share(values, 0.99) * 1000
    print(
        f"{what:17}{p50:8.0f} ms p50, {p99:.0f} ms p99, {max(values) * 1000:.0f} ms at most,"
        f" {len(values)} changes, {WORKERS} workers"
    )
