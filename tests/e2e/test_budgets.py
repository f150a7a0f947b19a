"""Budgets on real processes: what they let pass at once, and what they remember."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_in
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, next_answer, request, send
from tests.services import RedisServer, running_redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MOST_TOKENS = 400
# Of `sim/large`: 15 USD a million tokens of output, and a little for the question.
HOLD_USD = "0.006"
LEADS_ON = "{downgrade_to: chat-small, up_to_usd: 0.001}"
TENANTS = f"""
  ten: {{tier: wide, budget: {{usd: 0.0605}}}}
  ten-too: {{tier: wide, budget: {{usd: 0.0605}}}}
  small: {{tier: wide, budget: {{usd: {HOLD_USD}5, per: day}}}}
  remembers: {{tier: wide, budget: {{usd: 1}}}}
  leads-on: {{tier: wide, budget: {{usd: {HOLD_USD}5, per: day, when_empty: {LEADS_ON}}}}}
  warned: {{tier: wide, budget: {{usd: 0.000001, when_empty: warn}}}}
  strict: {{tier: wide, budget: {{usd: 1, hold: strict}}}}
"""


def config(home: Path, redis: RedisServer | None = None) -> tuple[str, str]:
    written = CONFIG.read_text().replace("\ntenants:\n", f"\ntenants:{TENANTS}", 1)
    written += "\nsite: {budget: {usd: 1000}}\n"
    if redis is not None:
        written = written.replace("gateway:\n", f"gateway:\n  redis: {redis.url}\n", 1)
    file = home / "budgets.yaml"
    file.write_text(written)
    return "--config", str(file)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module", params=["memory", "redis"])
def one(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Stack]:
    home = tmp_path_factory.mktemp("budgets")
    shared = request.getfixturevalue("redis") if request.param == "redis" else None
    if shared is not None:
        shared.command("FLUSHALL")
    more = ["--workers", "2"] if shared is not None else []
    with stack_in(home, *config(home, shared), *more) as running:
        yield running


async def ask(stack: Stack, key: str, path: str = OPENAI, **members: object) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    try:
        asked = {"max_tokens": MOST_TOKENS, **members}
        writer.write(request(key, chat("What is a trim tab?", **asked), path))
        return await next_answer(reader)
    finally:
        writer.close()
        await writer.wait_closed()


def left_usd(answer: Answer) -> float:
    return float(answer.headers["x-trimtab-budget-remaining-usd"])


async def test_t17_of_many_at_once_a_budget_for_ten_lets_ten_pass_with_the_keeper_stopped(
    one: Stack,
) -> None:
    key = await asyncio.to_thread(one.key, "ten")
    [keeper] = [it for it, line in processes_of(one.home).items() if "supervised keeper" in line]
    # The first request of all asks the ledger, which is there: what it says must do for the rest.
    first = await ask(one, key, model="chat!status:400")
    assert first.status == 400
    os.kill(keeper, signal.SIGSTOP)
    try:
        answers = await asyncio.gather(
            *(ask(one, key, model="chat!slow_first:1.0") for _ in range(110))
        )
    finally:
        os.kill(keeper, signal.SIGCONT)

    statuses = Counter(answer.status for answer in answers)
    assert statuses == {200: 10, 429: 100}
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["x-trimtab-error"] == "budget_held"
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("2", "true")


@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])
def test_a_budget_that_is_spent_is_402_and_no_sdk_tries_again(one: Stack, path: str) -> None:
    key = one.key("small")
    body = chat("What is a trim tab?", max_tokens=MOST_TOKENS)
    while (answer := send(one.port, request(key, body, path))).status == 200:
        assert left_usd(answer) >= 0

    kind = "insufficient_quota" if path == OPENAI else "billing_error"
    assert (answer.status, answer.headers["x-trimtab-error"]) == (402, "budget_exhausted")
    assert answer.json["error"]["type"] == kind
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert answer.headers["x-trimtab-budget-reset"].endswith("Z")
    record = one.record(answer.request_id)
    assert (record["error_code"], record["attempt_count"]) == ("budget_exhausted", 0)


def test_a_request_that_fits_no_budget_is_told_so(one: Stack) -> None:
    key = one.key("small")

    answer = send(one.port, request(key, chat(max_tokens=100_000)))

    assert (answer.status, answer.headers["x-trimtab-error"]) == (402, "budget_unreachable")


def test_a_strict_budget_takes_no_model_whose_longest_answer_nobody_knows(one: Stack) -> None:
    key = one.key("strict")

    answer = send(one.port, request(key, chat(max_tokens=10)))

    assert (answer.status, answer.headers["x-trimtab-error"]) == (403, "maximum_unknown")


def test_an_empty_budget_leads_to_the_cheaper_model_and_then_ends(one: Stack) -> None:
    key = one.key("leads-on")
    body = chat("[[sim: tokens=390]]", max_tokens=MOST_TOKENS)
    answers = [send(one.port, request(key, body))]
    while answers[-1].status == 200 and len(answers) < 50:
        answers.append(send(one.port, request(key, body)))

    funded = [it.headers.get("x-trimtab-downgraded") for it in answers[:-1]]
    dear, cheap = funded.count(None), funded.count("chat-small")
    assert dear > 0
    assert cheap > dear
    assert funded == [None] * dear + ["chat-small"] * cheap
    assert answers[-1].headers["x-trimtab-error"] == "budget_exhausted"
    record = one.record(answers[-2].request_id)
    assert (record["funded_model"], record["model_requested"]) == ("chat-small", "chat")
    assert record["target"] == "sim/small"


async def test_who_is_warned_only_goes_on(one: Stack) -> None:
    key = await asyncio.to_thread(one.key, "warned")

    answer = await ask(one, key)

    assert answer.status == 200
    assert left_usd(answer) < 0


async def test_t19_after_a_restart_or_a_wipe_what_was_spent_is_what_the_ledger_says(
    one: Stack, request: pytest.FixtureRequest
) -> None:
    key = await asyncio.to_thread(one.key, "remembers")
    answers = [await ask(one, key, max_tokens=20) for _ in range(12)]
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        await asyncio.to_thread(one.record, answer.request_id)
    [ledger] = one.rows("SELECT sum(cost_nano) AS nano FROM ledger WHERE tenant_id = 'remembers'")
    before = await ask(one, key, max_tokens=20)
    await asyncio.to_thread(one.record, before.request_id)

    if "redis.sock" in (one.home / "budgets.yaml").read_text():
        request.getfixturevalue("redis").command("FLUSHALL")
    else:
        [worker] = [it for it, line in processes_of(one.home).items() if "d gateway" in line]
        os.kill(worker, signal.SIGKILL)
        await asyncio.to_thread(eventually, one.ready, "the worker is back")
    after = await ask(one, key, max_tokens=20)

    [spent] = one.rows(
        "SELECT sum(cost_nano) AS nano FROM ledger WHERE request_id = ?", before.request_id
    )
    assert ledger["nano"] > 0
    assert round((left_usd(before) - left_usd(after)) * 10**9) == spent["nano"]


async def test_what_the_keeper_has_not_stored_yet_is_not_forgotten(
    one: Stack, request: pytest.FixtureRequest
) -> None:
    key = await asyncio.to_thread(one.key, "ten-too")
    [keeper] = [it for it, line in processes_of(one.home).items() if "supervised keeper" in line]
    os.kill(keeper, signal.SIGSTOP)
    try:
        before = [await ask(one, key, max_tokens=20) for _ in range(5)]
        if "redis.sock" in (one.home / "budgets.yaml").read_text():
            request.getfixturevalue("redis").command("FLUSHALL")
        else:
            [worker] = [it for it, line in processes_of(one.home).items() if "d gateway" in line]
            os.kill(worker, signal.SIGKILL)
            await asyncio.to_thread(eventually, one.ready, "the worker is back")
        after = await ask(one, key, max_tokens=20)
    finally:
        os.kill(keeper, signal.SIGCONT)

    assert left_usd(after) < left_usd(before[-1])
