"""Requests of several shapes, and their spans as OTLP/JSON.

`python -m tests.telemetry.shapes` shows how the golden files differ from what is rendered now;
`--accept` writes them anew, too.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

import msgspec
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.annotation import Annotated, Annotation
from trimtab.domain.ids import request_id, span_id, trace_id
from trimtab.domain.record import Attempt, Detail, Finish, RequestRecord, StageTime
from trimtab.telemetry.evaluations import evaluation
from trimtab.telemetry.preset import Content
from trimtab.telemetry.semconv import VERSIONS, Semconv, Version
from trimtab.telemetry.spans import Source, render, resource_spans
from trimtab.telemetry.words import Words
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
    "tools": answered(finish_reasons="tool_calls", tool_call_count=2),
    "block": Finish(
        record=record(
            status="blocked",
            error_code="content_filtered",
            http_status=400,
            guardrail_decision="block",
            latency_us=3_400,
            **_NOTHING_USED,
        ),
        detail=Detail(stages=STAGES[:3]),
    ),
    "embeddings": Finish(
        record=record(
            operation="embeddings",
            wire="openai.embeddings",
            output_tokens=0,
            cached_tokens=None,
            cache_write_tokens=None,
            reasoning_tokens=None,
            finish_reasons="",
            response_id=None,
            ttft_us=None,
        ),
        detail=Detail(stages=STAGES),
        attempts=(
            attempt(output_tokens=0, cached_tokens=None, cache_write_tokens=None, ttft_us=None),
        ),
    ),
    "cached": Finish(
        record=record(cached_tokens=2_048, cache_write_tokens=2_000),
        detail=Detail(stages=STAGES),
        attempts=(attempt(cached_tokens=2_048, cache_write_tokens=2_000),),
    ),
    "retry": Finish(
        record=record(attempt_count=2),
        detail=Detail(stages=STAGES),
        attempts=(
            msgspec.structs.replace(_overloaded(), target="anthropic-eu/claude-sonnet-4-6"),
            attempt(2, started_us=TS_US + 206_000, dur_us=2_127_000),
        ),
    ),
    "prompt": answered(prompt_name="rag-answer", prompt_version="3.2.0", prompt_hash="74b300726f"),
    "conversation": answered(conversation_id="s-91", wire="openai.responses"),
    "reasoning": answered(reasoning_tokens=301, output_tokens=487),
}

ASKED: Mapping[str, object] = {
    "model": "answers",
    "messages": [
        {"role": "system", "content": "Answer from the documents."},
        {"role": "user", "content": [{"type": "text", "text": "May I return it?"}]},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "function": {"name": "policy", "arguments": '{"of": "returns"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "30 days"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "policy", "parameters": {"type": "object"}}}
    ],
}
ANSWERED: Mapping[str, object] = {
    "role": "assistant",
    "parts": [{"type": "text", "content": "Yes, for 30 days."}],
}

SAID = Annotated(
    annotation=Annotation(
        annotation_id="n_1",
        request_id=record().request_id,
        tenant_id="acme-corp",
        ts_us=TS_US + 60_000_000,
        kind="evaluation",
        name="faithfulness",
        score=0.5,
        label="half",
        source="judge",
        author="sim/large-2026-01-15",
        version="faithfulness@1+ab",
        probability=0.01,
    ),
    request_us=TS_US,
    trace_id=record().trace_id,
    span_id=span_id(record().request_id, "attempt/1"),
    response_id="msg_01",
)


def spoken() -> Finish:
    """Make a request whose content is kept, under refs that `content_of` knows."""
    return answered(input_ref=b"asked", output_ref=b"answered", content_state="full")


async def content_of(_tenant: str, _ts_us: int, ref: bytes) -> bytes | None:
    """Read the content of `spoken`."""
    known = {b"asked": ASKED, b"answered": ANSWERED}
    return json.dumps(known[ref]).encode() if ref in known else None


def with_content(content: Content, version: Version, finish: Finish | None = None) -> list[Span]:
    """Render a request with its words."""
    finish = finish or spoken()
    words = Words(content=content, read=content_of, recorded=dict, link="https://t/requests/")
    *spans, last = render(finish, version)
    told = asyncio.run(words.added(last, finish.record, version))
    return [*spans, told or last]


def _evaluated(version: Version) -> list[Span]:
    span = evaluation(SAID, version)
    return [] if span is None else [span]


def _rendered(finish: Finish) -> Callable[[Version], list[Span]]:
    return lambda version: render(finish, version)


GOLDENS: Mapping[str, Callable[[Version], list[Span]]] = {
    **{name: _rendered(finish) for name, finish in SHAPES.items()},
    "evaluation": _evaluated,
    "content-span": lambda version: with_content(Content.SPAN, version),
    "content-event": lambda version: with_content(Content.EVENT, version),
}
"""All that has golden files."""


def golden(shape: str, version: Semconv) -> str:
    """Give the OTLP/JSON of a shape's spans; ids are hex there."""
    names = VERSIONS[version]
    spans = GOLDENS[shape](names)
    source = Source("w1", "production")
    document = MessageToDict(resource_spans(source, spans, {"service.version": "0.1.0"}, names))
    for span, told in zip(spans, document["scopeSpans"][0]["spans"], strict=True):
        told["traceId"], told["spanId"] = span.trace_id.hex(), span.span_id.hex()
        if span.parent_span_id:
            told["parentSpanId"] = span.parent_span_id.hex()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def differences(root: Path = GOLDEN) -> Iterator[tuple[Path, str, str]]:
    """Find golden files that are not what is rendered now: the file, what is there, and now."""
    for version in VERSIONS:
        for shape in GOLDENS:
            file = root / version / f"{shape}.json"
            before = file.read_text() if file.exists() else ""
            now = golden(shape, version)
            if before != now:
                yield file, before, now


def main(root: Path, *, accept: bool) -> int:
    """Show what differs, and write it if it is accepted; gives the number of files."""
    found = list(differences(root))
    for file, before, now in found:
        name = str(file.relative_to(root))
        lines = unified_diff(before.splitlines(), now.splitlines(), name, name, lineterm="", n=1)
        sys.stdout.write("\n".join(lines) + "\n")
        if accept:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(now)
    return len(found)


if __name__ == "__main__":
    is_accepted = "--accept" in sys.argv[1:]
    sys.exit(main(GOLDEN, accept=is_accepted) > 0 and not is_accepted)
