"""What a remembered verdict costs, and a warm re-run of 300 rows by 3 metrics."""

import asyncio
import statistics
import time
from pathlib import Path

import pytest
from tests.evals.gateways import ChatGateway, completion, judge_of
from tests.evals.test_judge import graded

from trimtab.evals.cache import Cache
from trimtab.evals.case import Case
from trimtab.evals.metrics.base import Answer, Parts
from trimtab.evals.metrics.table import make_metric
from trimtab.testing import FrozenClock

SECRET = b"0123456789abcdef"
ROWS = 300
LONG = "The fee is refundable within 14 days, less what was used. " * 60
REPLIES = {
    "judge-faithfulness-split": '{"claims": ["a", "b"]}',
    "judge-faithfulness-verify": '{"verdicts": [{"index": 1, "reason": "r", "supported": true},'
    ' {"index": 2, "reason": "r", "supported": false}]}',
    "judge-context-useful": '{"verdicts": [{"index": 1, "reason": "r", "useful": true},'
    ' {"index": 2, "reason": "r", "useful": true}, {"index": 3, "reason": "r", "useful": true}]}',
    "judge-rubric-grade": '{"reason": "r", "score": 4}',
}


@pytest.mark.bench
async def test_a_verdict_is_remembered_in_less_than_a_millisecond(tmp_path: Path) -> None:
    gateway = ChatGateway('{"reason": "r", "score": 5}')
    judge = judge_of(gateway, tmp_path, cache=Cache(tmp_path, FrozenClock(), SECRET))
    question = graded(LONG, question=LONG)
    await judge.ask(question)
    taken_ms = list[float]()

    for _ in range(500):
        started_s = time.perf_counter()
        await judge.ask(question)
        taken_ms.append((time.perf_counter() - started_s) * 1000)

    median = statistics.median(taken_ms)
    print(f"hit, signed, {len(LONG)} characters: median {median:.3f} ms")
    assert gateway.calls == 1
    assert median < 1


@pytest.mark.bench
async def test_a_warm_run_of_300_rows_and_3_metrics_is_under_2_s(tmp_path: Path) -> None:
    gateway = ChatGateway(
        lambda body: completion(REPLIES[body["response_format"]["json_schema"]["name"]])
    )
    metrics = [
        make_metric(name, options, Parts())
        for name, options in (
            ("faithfulness", {}),
            ("context_precision", {}),
            ("rubric", {"rubric": LONG}),
        )
    ]

    async def run() -> float:
        judge = judge_of(gateway, tmp_path, cache=Cache(tmp_path, FrozenClock(), SECRET))
        started_s = time.perf_counter()
        await asyncio.gather(
            *(
                metric.score(
                    Case(id=str(row), input={"question": f"{row}?"}, expected=LONG),
                    Answer(text=f"{row} {LONG}", retrieved=(LONG, f"{row}", LONG)),
                    judge,
                )
                for row in range(ROWS)
                for metric in metrics
            )
        )
        return time.perf_counter() - started_s

    cold_s = await run()
    calls = gateway.calls
    warm_s = await run()

    print(f"{ROWS} rows x 3 metrics, {calls} calls: cold {cold_s:.2f} s, warm {warm_s:.2f} s")
    assert (calls, gateway.calls) == (ROWS * 4, ROWS * 4)
    assert warm_s < 2
