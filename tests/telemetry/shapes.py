"""Requests of several shapes, and their spans as OTLP/JSON.

`python -m tests.telemetry.shapes` writes the golden files anew; look at the diff before it goes in.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
from google.protobuf.json_format import MessageToDict

from trimtab.domain.ids import request_id, span_id, trace_id
from trimtab.domain.record import Attempt, Detail, Finish, RequestRecord, StageTime
from trimtab.telemetry.semconv.versions import VERSIONS
from trimtab.telemetry.spans import Source, render, resource_spans
from trimtab.testing import seeded_entropy

GOLDEN = Path(__file__).parents[1] / "golden" / "otlp"
TS_US = 1_777_142_531_482_000
STAGES = (
    StageTime("admit", 0, 100),
    StageTime("plan", 100, 200),
    StageTime("screen_input", 300, 3_100),
    StageTime("fund", 3_400, 400),
    StageTime("call", 3_800, 2_328_000),
    StageTime("settle", 2_331_800, 600),
)


def record(seed: int = 7, /, **fields: object) -> RequestRecord:
    """Make the record of an ordinary request; another seed, another id."""
    entropy = seeded_entropy(seed)
    identifier = request_id(TS_US, entropy)
    ordinary: dict[str, object] = {
        "request_id": identifier,
        "ts_us": TS_US,
        "end_us": TS_US + 2_340_000,
        "trace_id": trace_id(TS_US, entropy),
        "span_id": span_id(identifier, "request"),
        "worker_id": "w1",
        "config_seq": 418,
        "tenant_id": "acme-corp",
        "tier": "enterprise",
        "key_id": "7hq2m9xkd4wp",
        "feature": "search",
        "operation": "chat",
        "wire": "openai.chat",
        "model_requested": "answers",
        "model_kind": "alias",
        "target": "anthropic-eu/claude-sonnet-4-6",
        "provider": "anthropic",
        "model_response": "claude-sonnet-4-6-20251015",
        "response_id": "msg_01",
        "finish_reasons": "stop",
        "input_tokens": 4123,
        "cached_tokens": 3800,
        "cache_write_tokens": 0,
        "output_tokens": 487,
        "reasoning_tokens": 12,
        "usage_source": "provider",
        "cost_nano": 9_414_000,
        "price_version": "ps_9c41e07ab2d3",
        "hold_nano": 21_900_000,
        "latency_us": 2_340_000,
        "ttft_us": 412_000,
        "status": "ok",
        "http_status": 200,
        "attempt_count": 1,
        "replay": "full",
    }
    return msgspec.convert({**ordinary, **fields}, RequestRecord)


def attempt(n: int = 1, /, **fields: object) -> Attempt:
    """Make the attempt that answered."""
    ordinary: dict[str, object] = {
        "n": n,
        "target": "anthropic-eu/claude-sonnet-4-6",
        "provider": "anthropic",
        "model_sent": "claude-sonnet-4-6",
        "model_response": "claude-sonnet-4-6-20251015",
        "started_us": TS_US + 4_000,
        "dur_us": 2_327_000,
        "ttft_us": 408_000,
        "http_status": 200,
        "provider_request_id": "req_011",
        "input_tokens": 4123,
        "cached_tokens": 3800,
        "cache_write_tokens": 0,
        "output_tokens": 487,
        "usage_source": "provider",
        "cost_nano": 9_414_000,
    }
    return msgspec.convert({**ordinary, **fields}, Attempt)


def answered(seed: int = 7, /, **fields: object) -> Finish:
    """Make what a worker writes at the end of an ordinary request."""
    return Finish(
        record=record(seed, **fields), detail=Detail(stages=STAGES), attempts=(attempt(),)
    )


def _overloaded() -> Attempt:
    return attempt(
        1,
        target="anthropic-us/claude-sonnet-4-6",
        dur_us=201_000,
        model_response=None,
        ttft_us=None,
        http_status=529,
        error_code="provider_overloaded",
        provider_request_id=None,
        input_tokens=0,
        output_tokens=0,
        cached_tokens=0,
        usage_source="none",
        cost_nano=0,
    )


_NOTHING_USED: Mapping[str, object] = {
    "target": "",
    "provider": "",
    "model_response": None,
    "response_id": None,
    "finish_reasons": "",
    "input_tokens": None,
    "cached_tokens": None,
    "cache_write_tokens": None,
    "output_tokens": None,
    "reasoning_tokens": None,
    "usage_source": "none",
    "cost_nano": None,
    "price_version": None,
    "hold_nano": None,
    "ttft_us": None,
    "attempt_count": 0,
    "replay": "none",
}

SHAPES: Mapping[str, Finish] = {
    "stream": answered(stream=True, conversation_id="s-91"),
    "messages": answered(wire="anthropic.messages", parent_span_id="00f067aa0ba902b7"),
    "experiment": answered(
        prompt_name="rag-answer",
        prompt_version="3.2.0",
        prompt_hash="74b300726fa8",
        experiment="rag-answer-v3.2",
        arm="treatment",
        assign_reason="SPLIT",
    ),
    "fallback": Finish(
        record=record(attempt_count=2, fallback_used=True, tracestate="vendor=x"),
        detail=Detail(stages=STAGES),
        attempts=(_overloaded(), attempt(2, started_us=TS_US + 206_000, dur_us=2_127_000)),
    ),
    "rejected": Finish(
        record=record(
            status="rejected",
            error_code="budget_exhausted",
            http_status=429,
            latency_us=3_900,
            **_NOTHING_USED,
        ),
        detail=Detail(stages=STAGES[:3]),
    ),
    "truncated": Finish(
        record=record(
            status="truncated",
            error_code="stream_truncated",
            stream=True,
            finish_reasons="",
            usage_source="estimated",
            cost_nano=None,
        ),
        detail=Detail(stages=STAGES),
        attempts=(
            attempt(error_code="stream_truncated", usage_source="estimated", cost_nano=None),
        ),
    ),
    "lost": Finish(record=record(status="lost", http_status=0, **_NOTHING_USED)),
    "models": Finish(
        record=record(operation="models", latency_us=300, model_requested="", **_NOTHING_USED),
        detail=Detail(stages=STAGES[:1]),
    ),
}


def golden(finish: Finish, version: str) -> str:
    """Give the OTLP/JSON of a request's spans; ids are hex there."""
    names = VERSIONS[version]
    source = Source(finish.record.worker_id, finish.record.env)
    resource = {"service.version": "0.1.0"}
    document = MessageToDict(resource_spans(source, render(finish, names), resource, names))
    for span, told in zip(render(finish, names), document["scopeSpans"][0]["spans"], strict=True):
        told["traceId"], told["spanId"] = span.trace_id.hex(), span.span_id.hex()
        if span.parent_span_id:
            told["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, shape in SHAPES.items():
        for version_name in VERSIONS:
            (GOLDEN / version_name / f"{name}.json").write_text(golden(shape, version_name))
