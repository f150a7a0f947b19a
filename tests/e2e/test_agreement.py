"""Log line, record, span and command line are renderings of one record."""

import json
import random
import time

import pytest
from tests.e2e.conftest import Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_the_command_line_and_the_log_tell_the_same(stack: Stack, key: str) -> None:
    chance = random.Random(7)
    ids = [_ask(stack, key, chance, number) for number in range(40)]
    lines = eventually(lambda: _log(stack, set(ids)), "every request has its log line")

    assert len(lines) == len(set(lines))
    for request_id in ids[:8]:
        record, line = stack.record(request_id), lines[request_id]
        for member in ("status", "tenant_id", "feature", "config_seq", "cost_nano", "trace_id"):
            assert line[member] == record[member], member
        assert line["model"] == record["model_requested"]
        assert line["latency_ms_total"] == pytest.approx(record["latency_us"] / 1000, abs=1)


def _ask(stack: Stack, key: str, chance: random.Random, number: int) -> str:
    model = chance.choice(["chat", "chat-small", "sim/large!status:500", "sim/small!no_usage"])
    body = {
        "model": model,
        "stream": chance.random() < 0.5,
        "messages": [{"role": "user", "content": f"question {number} {time.time_ns()}"}],
    }
    _, headers, _ = stack.post(
        "/v1/chat/completions",
        json.dumps(body).encode(),
        key,
        {"x-trimtab-feature": chance.choice(["search", "support"])},
    )
    return headers["x-trimtab-request-id"]


def _log(stack: Stack, ids: set[str]) -> dict[str, dict[str, object]] | None:
    lines = [
        json.loads(line)
        for path in sorted((stack.home / "log").glob("requests-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    found = {line["request_id"]: line for line in lines if line["request_id"] in ids}
    return found if set(found) == ids else None
