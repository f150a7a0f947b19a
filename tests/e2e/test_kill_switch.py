"""Kill switches on real processes: what is kept out, what is ended, and what comes back."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import pytest
from tests.e2e.conftest import Stack, eventually
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, next_answer, request, send

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

WIRES = (OPENAI, ANTHROPIC)
ENDED_S = 1.0
WHY = ("--reason", "runaway agent")


@contextmanager
def suspended(
    stack: Stack, group: str, *named: str, options: Sequence[str] = ()
) -> Generator[None]:
    """Suspend something, and let it in again at the end."""
    stack.run(group, "suspend", *named, *WHY, *options)
    try:
        yield
    finally:
        stack.run(group, "resume", *named, *WHY)


async def stalled(stack: Stack, key: str, path: str, *headers: tuple[str, str]) -> Answer:
    """Ask for a stream that says three words, and then nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    try:
        writer.write(request(key, chat(model="chat!stall_after:3", stream=True), path, *headers))
        return await next_answer(reader)
    finally:
        writer.close()


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(
    ("group", "named", "code"),
    [
        pytest.param("tenants", ["acme"], "tenant_suspended", id="tenant"),
        pytest.param("features", ["loop", "--tenant", "acme"], "tenant_suspended", id="feature"),
        pytest.param("users", ["u-1", "--tenant", "acme"], "tenant_suspended", id="user"),
        pytest.param("models", ["chat"], "model_suspended", id="model"),
        pytest.param("providers", ["sim"], "model_suspended", id="provider"),
        pytest.param("tenants", ["--all"], "tenant_suspended", id="site"),
    ],
)
async def test_a_stream_that_runs_is_ended_within_a_second_and_settled_once(
    stack: Stack, key: str, path: str, group: str, named: list[str], code: str
) -> None:
    seen = stack.sim("calls")["count"]
    who = ("x-trimtab-feature", "loop"), ("x-trimtab-user", "u-1")
    running = asyncio.create_task(stalled(stack, key, path, *who))
    asked = "the provider was asked"
    await asyncio.to_thread(eventually, lambda: stack.sim("calls")["count"] > seen, asked)
    await asyncio.sleep(0.1)
    assert not running.done()

    with suspended(stack, group, *named, options=["--running"]):
        thrown_s = time.monotonic()
        answer = await running
        took_s = time.monotonic() - thrown_s
        refused = send(stack.port, request(key, None, path, *who))

    assert took_s < ENDED_S
    assert answer.status == 200
    assert f'"{code}"'.encode() in answer.body.splitlines()[-2]
    assert (b"event: error" in answer.body) is (path == ANTHROPIC)
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    assert (refused.status, refused.headers["x-trimtab-error"]) == (403, code)
    record = stack.record(answer.request_id)
    assert (record["status"], record["error_code"]) == ("truncated", code)
    assert record["usage_source"] in ("estimated", "partial")
    [line] = stack.ledger(answer.request_id)
    assert line["cost_nano"] == record["cost_nano"] > 0
    asking = request(key, None, path, *who)
    eventually(lambda: send(stack.port, asking).status == 200, "it is let in again")


def test_a_throttled_tenant_passes_so_often_and_is_restored(stack: Stack) -> None:
    key = stack.key("globex")
    change = stack.json("tenants", "throttle", "globex", "2/min", *WHY)["change"]
    eventually(lambda: _runs(stack, change["seq"]), "the worker knows the throttle")

    statuses = [send(stack.port, request(key)).status for _ in range(3)]
    stack.run("tenants", "resume", "globex", *WHY)

    assert statuses == [200, 200, 429]
    eventually(lambda: send(stack.port, request(key)).status == 200, "it is as fast as before")


def test_a_suspension_with_an_end_ends_by_itself(stack: Stack, key: str) -> None:
    stack.run("features", "suspend", "brief", "--tenant", "acme", "--for", "2s", *WHY)
    asking = request(key, None, OPENAI, ("x-trimtab-feature", "brief"))

    eventually(lambda: send(stack.port, asking).status == 403, "it is on")
    eventually(lambda: send(stack.port, asking).status == 200, "it is over", 5.0)


def _runs(stack: Stack, seq: int) -> bool:
    """Whether the worker runs a change."""
    with urllib.request.urlopen(f"{stack.url}/readyz", timeout=5) as answer:  # noqa: S310
        return bool(json.load(answer)["config_seq"] >= seq)
