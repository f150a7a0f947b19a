"""An application with the real OpenTelemetry SDK: its spans and ours are one waterfall."""

import json
import re
from html import unescape
from typing import Any

import pytest
from openai import OpenAI
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from tests.e2e.browser import Browser, printed_password
from tests.e2e.conftest import Stack, eventually

pytestmark = pytest.mark.e2e

FOUND = json.dumps([{"id": "doc-7", "score": 0.83, "content": "planted text"}])
SPANS = "SELECT * FROM span WHERE trace_id = ? ORDER BY ts_us"


def ask(stack: Stack, key: str) -> str:
    """Serve a question as an application does; gives the id of the request."""
    provider = TracerProvider(resource=Resource.create({"service.name": "rag-api"}))
    exporter = OTLPSpanExporter(
        endpoint=f"{stack.url}/v1/traces", headers={"authorization": f"Bearer {key}"}
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("rag")
    client = OpenAI(api_key=key, base_url=f"{stack.url}/v1", max_retries=0)
    with tracer.start_as_current_span("POST /ask"):
        with tracer.start_as_current_span("retrieval docs-index") as found:
            found.set_attribute("gen_ai.operation.name", "retrieval")
            found.set_attribute("gen_ai.retrieval.documents", FOUND)
        headers: dict[str, str] = {}
        propagate.inject(headers)
        answer = client.chat.completions.with_raw_response.create(
            model="chat", messages=[{"role": "user", "content": "Hello"}], extra_headers=headers
        )
    assert provider.force_flush(10_000)
    provider.shutdown()
    request_id: str = answer.headers["x-trimtab-request-id"]
    return request_id


def test_an_application_and_its_call_are_one_waterfall(stack: Stack) -> None:
    key = stack.key()

    request_id = ask(stack, key)

    record = stack.record(request_id)

    def both() -> list[dict[str, Any]] | None:
        found = stack.rows(SPANS, record["trace_id"])
        return found if len(found) > 1 else None

    spans = eventually(both, "the spans are stored")
    assert [it["name"] for it in spans] == ["POST /ask", "retrieval docs-index"]
    assert record["parent_span_id"] == spans[0]["span_id"]
    assert all(b"planted text" not in it["body"] for it in spans)
    browser = Browser(stack.url)
    browser.log_in(printed_password(stack.log()))
    page = unescape(browser.page(f"/console/requests/{request_id}"))
    names = re.findall(r'<span class="name">(.*?)</span>', page)
    depths = [name.count('class="in"') for name in names]
    assert "POST /ask" in names[0]
    assert "chat chat" in names[1]
    assert "retrieval docs-index" in " ".join(names)
    assert depths[:3] == [0, 1, 2]
    assert "in a trace of 2 spans" in page
    assert '<code>doc-7</code></td><td class="num">0.83</td>' in page
    told = stack.run("trace", request_id).stdout
    assert "retrieval docs-index" in told
    assert "retrieved  doc-7 0.83" in told
