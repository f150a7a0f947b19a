"""What is exported of a running Trimtab: what is decided holds, and what was dropped comes back."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.e2e.conftest import ADMIN_KEY, CONFIG, Stack, eventually, processes_of, stack_in
from tests.telemetry.collector import Collector

from trimtab.domain.annotation import Annotated, Annotation, AnnotationKind, AnnotationSource
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.spool import Spool, claim
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OK = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}'
BROKEN = OK.replace(b'"chat"', b'"chat!status:400"')
ORDINARY = 6


def ask(stack: Stack, key: str, body: bytes, **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return stack.post("/v1/chat/completions", body, key, sent)[1]["x-trimtab-request-id"]


def complain(stack: Stack, request_id: str) -> None:
    """Say of a request that it was bad, as a gateway does."""
    record = stack.record(request_id)
    annotation = Annotation(
        annotation_id=f"n_{request_id[2:]}",
        request_id=request_id,
        tenant_id=record["tenant_id"],
        ts_us=SystemClock().now_us(),
        kind=AnnotationKind.FEEDBACK,
        name="thumbs",
        score=-1.0,
        source=AnnotationSource.USER,
    )
    said = Annotated(
        annotation=annotation,
        request_us=record["ts_us"],
        trace_id=record["trace_id"],
        span_id=record["span_id"],
    )
    spool = Spool(claim(stack.home / "spool", "app"), SystemClock())
    spool.append(Kind.ANNOTATION, msgspec.msgpack.encode(said))
    spool.close()


async def test_what_is_decided_outlives_every_process_and_what_was_dropped_comes_back(
    tmp_path: Path,
) -> None:
    collector = Collector()
    async with collector.up():
        exporter = f"{{name: test, endpoint: http://127.0.0.1:{collector.port}}}"
        config = tmp_path / "trimtab.yaml"
        sampling = "sampling: {rest: 0.0001}"
        config.write_text(
            f"{CONFIG.read_text()}\ntelemetry:\n  exporters: [{exporter}]\n  {sampling}\n"
        )
        with stack_in(tmp_path, "--config", str(config)) as stack:
            await asyncio.to_thread(_look, stack, collector)


def _look(stack: Stack, collector: Collector) -> None:
    key = stack.json("keys", "create", "--tenant", "acme", "--name", "k", "--may", "keep")["key"]
    eventually(lambda: stack.status("/v1/models", key) == 200, "a worker knows the new key")
    ordinary = [ask(stack, key, OK) for _ in range(ORDINARY)]
    kept = [ask(stack, key, OK, x_trimtab_keep="1"), ask(stack, key, BROKEN)]
    for process in processes_of(stack.home):
        os.kill(process, signal.SIGKILL)
    if stack.process is not None:
        stack.process.wait()
    stack.start()
    records = {it: stack.record(it) for it in (*ordinary, *kept)}

    def sent(request_id: str) -> bool:
        return records[request_id]["trace_id"] in {it.trace_id.hex() for it in collector.taken}

    eventually(lambda: all(map(sent, kept)), "what is kept arrives")
    rules = [(records[it]["sampling_rule"], bool(records[it]["trace_kept"])) for it in kept]
    assert rules == [("forced", True), ("error", True)]
    assert {(records[it]["sampling_rule"], records[it]["trace_kept"]) for it in ordinary} == {
        ("rest", 0)
    }
    assert not any(map(sent, ordinary))

    asked, bad, api, *others = ordinary
    stack.run("rehydrate", asked)
    complain(stack, bad)
    path = f"/admin/v1/traces/{api}/rehydrate"
    status, _, body = stack.post(path, b"", ADMIN_KEY)
    assert (status, msgspec.json.decode(body)["rehydrated"]) == (200, True)

    eventually(lambda: sent(asked) and sent(bad) and sent(api), "what was dropped arrives")
    assert not any(map(sent, others))
    assert stack.json("telemetry", "weights", "--day", _today())["is_fair"]


def _today() -> str:
    return datetime.fromtimestamp(SystemClock().now_us() / 1e6, UTC).strftime("%Y-%m-%d")
