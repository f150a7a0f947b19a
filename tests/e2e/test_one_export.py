"""What an application tells of its work is exported with ours, as one waterfall, or not at all."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Tracer
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_in
from tests.telemetry.collector import Collector

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OK = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}'
BROKEN = OK.replace(b'"chat"', b'"chat!status:400"')


async def test_decision_survives_kill9(tmp_path: Path) -> None:
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


def _tracer(stack: Stack, key: str) -> Tracer:
    """Trace as an application does that tells each span when it ends."""
    provider = TracerProvider(resource=Resource.create({"service.name": "rag-api"}))
    exporter = OTLPSpanExporter(
        endpoint=f"{stack.url}/v1/traces", headers={"authorization": f"Bearer {key}"}
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("rag")


def _ask(stack: Stack, key: str, body: bytes) -> str:
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return stack.post("/v1/chat/completions", body, key, headers)[1]["x-trimtab-request-id"]


def _look(stack: Stack, collector: Collector) -> None:
    key = stack.key()
    tracer = _tracer(stack, key)
    with tracer.start_as_current_span("GET /dropped"):
        ordinary = _ask(stack, key, OK)
    with tracer.start_as_current_span("POST /ask"):
        with tracer.start_as_current_span("retrieval docs-index"):
            pass
        _kill_all(stack)
        request_id = _ask(stack, key, BROKEN)
    record = stack.record(request_id)

    def waterfall() -> list[Span]:
        return [it for it in collector.taken if it.trace_id.hex() == record["trace_id"]]

    def is_whole() -> bool:
        return {"POST /ask", "retrieval docs-index"} <= {it.name for it in waterfall()} and any(
            it.span_id.hex() == record["span_id"] for it in waterfall()
        )

    eventually(is_whole, "spans of the application and ours arrive")
    spans = {it.span_id: it for it in waterfall()}
    (root,) = (it for it in spans.values() if it.parent_span_id not in spans)
    assert root.name == "POST /ask"
    assert set(Counter(it.span_id for it in waterfall()).values()) == {1}
    assert {_rule(it) for it in waterfall()} == {"error"}

    dropped = stack.record(ordinary)
    stored = stack.rows("SELECT name FROM span WHERE trace_id = ?", dropped["trace_id"])
    assert [it["name"] for it in stored] == ["GET /dropped"]
    assert dropped["trace_id"] not in {it.trace_id.hex() for it in collector.taken}
    stack.run("rehydrate", ordinary)

    def came_back() -> set[str]:
        found = (it for it in collector.taken if it.trace_id.hex() == dropped["trace_id"])
        return {it.name for it in found}

    eventually(lambda: "GET /dropped" in came_back(), "the application's span comes back")
    assert "POST /v1/chat/completions" in came_back()


def _kill_all(stack: Stack) -> None:
    for process in processes_of(stack.home):
        os.kill(process, signal.SIGKILL)
    if stack.process is not None:
        stack.process.wait()
    stack.start()


def _rule(span: Span) -> str:
    (found,) = (it for it in span.attributes if it.key == "trimtab.sampling.rule")
    return found.value.string_value
