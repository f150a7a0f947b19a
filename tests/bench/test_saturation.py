"""Four workers at saturation: every answer is recorded once and charged as billed. Prints."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.e2e.conftest import eventually
from tests.e2e.mixed_stack import final_bill, mixed_stack, settled
from tests.e2e.raw_http import chat, next_answer, request

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

WORKERS = 4
REQUESTS = int(os.environ.get("TRIMTAB_BENCH_REQUESTS", "30000"))
CONNECTIONS = 96


async def test_at_saturation_no_record_is_lost_or_doubled(tmp_path: Path) -> None:
    with mixed_stack(tmp_path, WORKERS) as stack:
        asked = request(await asyncio.to_thread(stack.key), chat(max_tokens=20))
        began_s = time.perf_counter()
        answered = await _ask_all(stack.port, asked)
        took_s = time.perf_counter() - began_s
        await asyncio.to_thread(eventually, lambda: settled(stack), "all is recorded", 120.0)
        records = stack.rows("SELECT request_id, worker_id, status FROM request")
        lines = stack.rows("SELECT request_id, cost_nano FROM ledger")
        bill = await asyncio.to_thread(final_bill, stack)

    print(f"\nat saturation    {REQUESTS / took_s:8.0f} requests/s, simulator and load beside it")
    print(f"by worker        {dict(Counter(it['worker_id'] for it in records))}")
    assert Counter(it["request_id"] for it in records) == Counter(answered)
    assert Counter(it["request_id"] for it in lines) == Counter(answered)
    assert {it["status"] for it in records} == {"ok"}
    assert len({it["worker_id"] for it in records}) == WORKERS
    assert sum(it["cost_nano"] for it in lines) == sum(it["cost_nano"] for it in bill)


async def _ask_all(port: int, asked: bytes) -> list[str]:
    """Ask as fast as answers come; gives the ids of them all."""
    todo = iter(range(REQUESTS))
    answered: list[str] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in todo:
            writer.write(asked)
            answer = await next_answer(reader)
            assert answer.status == 200, answer
            answered.append(answer.request_id)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return answered
