"""Asked to stop, a worker lets answers end, ends what does not end, and settles every one."""

import asyncio
import signal
from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, stack_in
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, next_answer, request

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

STOP_S = 15.0


async def test_what_runs_ends_well_or_in_an_error_and_is_settled(tmp_path: Path) -> None:
    with stack_in(tmp_path, "--config", str(CONFIG)) as stack:
        key = stack.key()
        running = [
            asyncio.create_task(_ask(stack, key, path, f"chat!{fault}", stream=stream))
            for path in (OPENAI, ANTHROPIC)
            for fault, stream in (
                ("slow_first:0.6", True),
                ("slow_first:0.6", False),
                ("stall_after:3", True),
            )
        ]
        await _begun(stack, len(running))
        assert stack.process is not None

        stack.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*running)
        await asyncio.to_thread(stack.process.wait, STOP_S)
        log = stack.log()
        records = [stack.record(answer.request_id) for answer in answers]
        ledger = stack.rows("SELECT * FROM ledger")

    for stalled, slow in zip(answers[2::3], answers[0::3], strict=True):
        assert stalled.status == slow.status == 200
        assert b'"draining"' in stalled.body
        assert slow.body.endswith((b"[DONE]\n\n", b'data: {"type":"message_stop"}\n\n'))
        assert not stalled.body.endswith((b"[DONE]\n\n", b'data: {"type":"message_stop"}\n\n'))
    assert {answer.status for answer in answers[1::3]} == {200}
    outcomes = [(record["status"], record["error_code"]) for record in records]
    assert outcomes == [("ok", None), ("ok", None), ("truncated", "draining")] * 2
    assert len(ledger) == len(answers)
    assert "Traceback" not in log


async def _ask(stack: Stack, key: str, path: str, model: str, *, stream: bool) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    try:
        writer.write(request(key, chat(model=model, stream=stream), path))
        return await next_answer(reader)
    finally:
        writer.close()


async def _begun(stack: Stack, number: int) -> None:
    """Wait until the provider has been asked everything, and has said what it will."""
    asked = "the provider was asked"
    await asyncio.to_thread(eventually, lambda: stack.sim("calls")["count"] >= number, asked)
    await asyncio.sleep(0.1)
