"""Four workers with one Redis: one limit, one kill switch, one set of records."""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_in
from tests.e2e.raw_http import Answer, chat, head, next_answer, request, send
from tests.services import RedisServer, running_redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("workers")]

WORKERS = 4
WHY = ("--reason", "test")
NARROW = 20


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def many(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    home = tmp_path_factory.mktemp("workers")
    with stack_in(home, *config(home, redis), "--workers", str(WORKERS)) as running:
        yield running


@pytest.fixture(scope="module")
def key(many: Stack) -> str:
    return many.key()


def config(home: Path, redis: RedisServer) -> tuple[str, str]:
    written = CONFIG.read_text().replace("gateway:\n", f"gateway:\n  redis: {redis.url}\n", 1)
    written = written.replace("requests_per_minute: 2,", f"requests_per_minute: {NARROW},")
    written = written.replace(" parallel: 1}", " parallel: 100}", 1)
    file = home / "several.yaml"
    file.write_text(written)
    return "--config", str(file)


async def asking(
    stack: Stack,
    key: str,
    look: Callable[[Answer, float], Awaitable[bool]],
    model: str = "chat",
) -> None:
    """Ask on one connection, again and again, while `look` says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    try:
        while True:
            asked_s = time.monotonic()
            writer.write(request(key, chat(model=model, max_tokens=5)))
            if not await look(await next_answer(reader), asked_s):
                return
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def workers(stack: Stack) -> list[int]:
    return [
        number for number, line in processes_of(stack.home).items() if "supervised gateway" in line
    ]


async def test_t04_four_workers_have_one_limit_and_not_four(many: Stack) -> None:
    key = await asyncio.to_thread(many.key, "limited")
    statuses: Counter[int] = Counter()
    began_s = time.monotonic()

    async def look(answer: Answer, _: float) -> bool:
        statuses[answer.status] += 1
        return answer.status == 200

    # Refused, each connection stops; so many reach every worker.
    await asyncio.gather(*(asking(many, key, look) for _ in range(40)))

    refilled = (time.monotonic() - began_s) * NARROW / 60
    assert statuses[429] == 40
    assert NARROW <= statuses[200] <= NARROW + refilled + 1


async def test_every_worker_takes_its_part(many: Stack, key: str) -> None:
    ids: list[str] = []

    async def look(answer: Answer, _: float) -> bool:
        ids.append(answer.request_id)
        return False

    await asyncio.gather(*(asking(many, key, look) for _ in range(64)))

    await asyncio.to_thread(many.record, ids[-1])
    marks = ",".join("?" * len(ids))

    def took_part() -> bool:
        sql = f"SELECT worker_id FROM request WHERE request_id IN ({marks})"  # noqa: S608
        rows = many.rows(sql, *ids)
        return len(rows) == len(ids) and len({row["worker_id"] for row in rows}) == WORKERS

    await asyncio.to_thread(eventually, took_part, "records of every worker")


@pytest.mark.parametrize(
    ("stop", "resume", "code"),
    [
        pytest.param(
            ("tenants", "suspend", "globex"),
            ("tenants", "resume", "globex"),
            "tenant_suspended",
            id="tenant",
        ),
        pytest.param(("keys", "revoke", "KEY"), None, "key_revoked", id="key"),
    ],
)
async def test_t23_what_is_blocked_is_admitted_by_no_worker_after_a_second(
    many: Stack, stop: tuple[str, ...], resume: tuple[str, ...] | None, code: str
) -> None:
    key = await asyncio.to_thread(many.key, "globex")
    key_id = key.split("_")[2]
    admitted_s: list[float] = []
    errors: Counter[str] = Counter()
    end_s = time.monotonic() + 30

    async def look(answer: Answer, asked_s: float) -> bool:
        if answer.status == 200:
            admitted_s.append(asked_s)
        else:
            errors[answer.headers["x-trimtab-error"]] += 1
        return time.monotonic() < end_s

    traffic = [asyncio.create_task(asking(many, key, look)) for _ in range(24)]
    await asyncio.sleep(0.3)
    named = [key_id if word == "KEY" else word for word in stop]
    try:
        await asyncio.to_thread(many.run, *named, *WHY)
        blocked_s = time.monotonic()
        await asyncio.sleep(1.5)
        end_s = 0.0
        await asyncio.gather(*traffic)
    finally:
        if resume is not None:
            await asyncio.to_thread(many.run, *resume, *WHY)

    assert admitted_s
    assert set(errors) == {code}
    assert max(admitted_s) < blocked_s + 1.0


async def test_t25_a_redis_that_stands_still_stops_nobody_and_is_told_once(
    many: Stack, key: str, redis: RedisServer
) -> None:
    answers: list[Answer] = []

    async def look(answer: Answer, _: float) -> bool:
        answers.append(answer)
        return False

    before = len(many.log())
    redis.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(10):
            await asyncio.gather(*(asking(many, key, look) for _ in range(32)))
        told = many.log()[before:]
    finally:
        redis.process.send_signal(signal.SIGCONT)

    assert {answer.status for answer in answers} == {200}
    assert "limits" in {answer.headers.get("x-trimtab-degraded") for answer in answers[-32:]}
    lines = [line for line in told.splitlines() if "is away" in line]
    assert 1 <= len(lines) <= WORKERS

    def shared_again() -> bool:
        back = many.post("/v1/chat/completions", chat(max_tokens=5), key)
        return back[0] == 200 and "x-trimtab-degraded" not in back[1]

    for _ in range(8):
        await asyncio.to_thread(eventually, shared_again, "limits are shared again")


async def test_moves_reach_every_worker_while_traffic_runs(many: Stack, key: str) -> None:
    seen: list[tuple[float, str]] = []
    running = True

    async def look(answer: Answer, asked_s: float) -> bool:
        seen.append((asked_s, answer.headers["x-trimtab-target"]))
        return running

    tasks = [asyncio.create_task(asking(many, key, look, "movable")) for _ in range(12)]
    late: list[str] = []
    for turn in range(4):
        target = "sim/small" if turn % 2 == 0 else "sim/large"
        await asyncio.to_thread(many.run, "models", "move", "movable", "--to", target, *WHY)
        moved_s = time.monotonic()
        await asyncio.sleep(1.2)
        late += [to for asked_s, to in seen if asked_s > moved_s + 1.0 and to != target]
        seen.clear()
    running = False
    await asyncio.gather(*tasks)

    assert late == []


async def test_a_worker_that_is_killed_under_load_loses_and_doubles_nothing(
    many: Stack, key: str
) -> None:
    answered: list[str] = []
    count = 600

    async def one() -> None:
        while len(answered) < count:
            try:
                await asking(many, key, look)
            except (ConnectionError, asyncio.IncompleteReadError, AssertionError):
                await asyncio.sleep(0.01)

    async def look(answer: Answer, _: float) -> bool:
        if answer.status == 0:
            return False
        assert answer.status == 200, answer
        answered.append(answer.request_id)
        return len(answered) < count

    load = [asyncio.create_task(one()) for _ in range(32)]
    for _ in range(3):
        await asyncio.sleep(0.4)
        os.kill(workers(many)[0], signal.SIGKILL)
    await asyncio.gather(*load)

    def stored() -> set[str]:
        marks = ",".join("?" * len(answered))
        sql = f"SELECT request_id FROM request WHERE request_id IN ({marks})"  # noqa: S608
        return {row["request_id"] for row in many.rows(sql, *answered)}

    assert len(set(answered)) == len(answered)
    await asyncio.to_thread(
        eventually, lambda: stored() == set(answered), "every answer has its record"
    )
    bill = many.sim("bill")["lines"]
    calls = {line["id"]: line["cost_nano"] for line in bill}
    charged = many.rows(
        "SELECT r.response_id AS id, l.cost_nano AS cost FROM ledger l"
        " JOIN request r USING (request_id) WHERE r.response_id IS NOT NULL"
    )
    assert charged
    assert all(calls[row["id"]] == row["cost"] for row in charged)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("env:NOT_SET_ANYWHERE", "environment variable 'NOT_SET_ANYWHERE' is not set"),
        ("file:bad", "gateway.redis: is no URL of a Redis"),
    ],
)
def test_a_redis_that_cannot_be_named_stops_the_start(
    tmp_path: Path, written: str, says: str
) -> None:
    (tmp_path / "bad").write_text("http://user:hunter2@cache")
    file = tmp_path / "several.yaml"
    text = CONFIG.read_text().replace("gateway:\n", f"gateway:\n  redis: {written}\n", 1)
    file.write_text(text)

    done = Stack(tmp_path, 0, 0).run("up", "--config", str(file), "--workers", "2", check=False)

    assert done.returncode == 2
    assert says in done.stderr
    assert "hunter2" not in done.stderr


def test_several_workers_without_a_redis_are_refused(tmp_path: Path) -> None:
    stack = Stack(tmp_path, 0, 0)

    done = stack.run("up", "--config", str(CONFIG), "--workers", "4", check=False)

    assert done.returncode == 2
    assert "name a Redis in gateway.redis, or run one worker" in done.stderr


def test_the_metrics_tell_which_workers_reach_the_redis(many: Stack) -> None:
    def told() -> bool:
        text = send(many.port, head(None, line="GET /metrics HTTP/1.1")).body.decode()
        return (
            len(re.findall(r'^trimtab_redis_up{worker="gateway-[1-4]"} 1$', text, re.MULTILINE))
            == 4
        )

    eventually(told, "four workers reach the Redis")
